//! Networks.

use rcompose_engine_adapter::{Engine, ErrorKind, IpamPool, NetworkMode};

use crate::lab::with_engine;

#[test]
fn networks_are_made_once_and_name_who_blocks_them() {
    with_engine(|lab| async move {
        let docker = &lab.docker;
        let mut spec = lab.network("back");
        spec.ipam_pools = vec![IpamPool { subnet: Some("10.231.77.0/24".into()), ..IpamPool::default() }];
        for _ in 0..2 {
            docker.create_network(&spec).await.expect("creatable");
        }
        let mut foreign = spec.clone();
        foreign.labels.clear();
        assert_eq!(docker.create_network(&foreign).await.expect_err("another's").kind, ErrorKind::Conflict);
        let mut web = lab.sleeper("web");
        let mut end = lab.attachment("back");
        end.ipv4_address = Some("10.231.77.9".into());
        end.aliases = vec!["www".into()];
        web.network = NetworkMode::Networks { attachments: vec![end] };
        lab.run(&web).await;
        let found = lab.see("web").await;
        assert_eq!(found.networks[&spec.name].ipv4_address.as_deref(), Some("10.231.77.9"));
        assert!(found.networks[&spec.name].aliases.contains(&"www".to_owned()));
        let error = docker.remove_network(&spec.name).await.expect_err("in use");
        assert_eq!(error.kind, ErrorKind::Conflict);
        assert!(error.message.contains(web.name.as_str()), "{error}");
        for _ in 0..2 {
            docker.disconnect(&web.name, &spec.name).await.expect("detachable");
        }
        for _ in 0..2 {
            docker.connect(&web.name, &lab.attachment("back")).await.expect("attachable");
        }
        assert!(lab.look().await.networks[&spec.name].containers.contains(&web.name));
        docker.remove_container(&web.name, true).await.expect("removable");
        for _ in 0..2 {
            docker.remove_network(&spec.name).await.expect("removable");
        }
        assert!(docker.disconnect(&web.name, &spec.name).await.is_ok(), "absent is detached");
    });
}

#[test]
fn a_created_container_has_all_its_networks() {
    with_engine(|lab| async move {
        for key in ["one", "two", "three"] {
            lab.docker.create_network(&lab.network(key)).await.expect("creatable");
        }
        let mut web = lab.sleeper("web");
        web.network = NetworkMode::Networks { attachments: ["two", "one", "three"].map(|key| lab.attachment(key)).to_vec() };
        lab.docker.create_container(&web).await.expect("creatable");
        // Attached already, before the start.
        lab.docker.connect(&web.name, &lab.attachment("one")).await.expect("attached");
        assert_eq!(lab.see("web").await.networks.len(), 3);
        lab.docker.start_container(&web.name).await.expect("startable");
        let spec = lab.see("web").await.spec.expect("details");
        let NetworkMode::Networks { attachments } = spec.network else {
            panic!("{:?}", spec.network)
        };
        assert_eq!(attachments[0].network, lab.attachment("two").network);
        assert_eq!(attachments.len(), 3);
    });
}

//! Containers, from create to remove, every call twice.

use std::time::{Duration, Instant};

use rcompose_engine_adapter::{ConfigHash, ContainerState, Engine, ErrorKind, Hole, Mount, MountKind, NetworkMode, Scope, Stop, labels};

use crate::lab::{IMAGE, until, with_engine};

#[test]
fn every_call_may_be_repeated() {
    with_engine(|lab| async move {
        let spec = lab.sleeper("web");
        let docker = &lab.docker;
        docker.create_container(&spec).await.expect("creatable");
        assert_eq!(lab.see("web").await.state, ContainerState::Created);
        assert_eq!(docker.create_container(&spec).await.expect_err("taken").kind, ErrorKind::Conflict);
        for _ in 0..2 {
            docker.start_container(&spec.name).await.expect("startable");
            assert_eq!(lab.see("web").await.state, ContainerState::Running);
        }
        for _ in 0..2 {
            docker.pause_container(&spec.name).await.expect("freezable");
            assert_eq!(lab.see("web").await.state, ContainerState::Paused);
        }
        for _ in 0..2 {
            docker.unpause_container(&spec.name).await.expect("thawable");
        }
        let stop = Stop { grace: Some(Duration::from_secs(10)), ..Stop::default() };
        for _ in 0..2 {
            docker.stop_container(&spec.name, &stop).await.expect("stoppable");
            assert_eq!(lab.see("web").await.state, ContainerState::Exited { code: 7 });
        }
        docker.kill_container(&spec.name, "SIGKILL").await.expect("nothing to kill");
        assert_eq!(docker.wait_container(&spec.name).await.expect("ended"), 7);
        for _ in 0..2 {
            docker.remove_container(&spec.name, true).await.expect("removable");
        }
        docker.stop_container(&spec.name, &stop).await.expect("absent is stopped");
        assert!(docker.start_container(&spec.name).await.expect_err("absent").is_not_found());
        assert!(lab.look().await.containers.is_empty());
    });
}

#[test]
fn a_stop_with_a_signal_of_its_own_ends_the_container() {
    with_engine(|lab| async move {
        let spec = lab.shell("web", "trap 'exit 9' USR1; trap '' TERM; echo ready; while :; do sleep 0.1; done");
        lab.run(&spec).await;
        // The trap is set once the shell runs.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let stop = Stop { signal: Some("SIGUSR1".into()), grace: Some(Duration::from_secs(20)), drain: false };
        let begun = Instant::now();
        lab.docker.stop_container(&spec.name, &stop).await.expect("stoppable");
        assert!(begun.elapsed() < Duration::from_secs(15), "the grace was waited out");
        assert_eq!(lab.see("web").await.state, ContainerState::Exited { code: 9 });
    });
}

#[test]
fn rename_and_wait() {
    with_engine(|lab| async move {
        let spec = lab.shell("job", "exit 3");
        lab.run(&spec).await;
        assert_eq!(lab.docker.wait_container(&spec.name).await.expect("ended"), 3);
        let renamed = lab.name("renamed");
        lab.docker.rename_container(&spec.name, &renamed).await.expect("renamable");
        assert!(lab.look().await.containers.contains_key(&renamed));
        let other = lab.plain("other");
        lab.docker.create_container(&other).await.expect("creatable");
        assert_eq!(lab.docker.rename_container(&other.name, &renamed).await.expect_err("taken").kind, ErrorKind::Conflict);
    });
}

#[test]
fn ids_fill_the_hash_and_the_modes() {
    with_engine(|lab| async move {
        let base = lab.sleeper("base");
        lab.run(&base).await;
        let mut guest = lab.sleeper("guest");
        guest.network = NetworkMode::Container { container: base.name.clone() };
        guest.namespaces.pid = Some(format!("container:{}", base.name));
        let hash = ConfigHash {
            preimage: "container:@base@".into(),
            dialects: Vec::new(),
            holes: vec![Hole { marker: "@base@".into(), container: base.name.clone() }],
        };
        guest.config_hash = Some(hash.clone());
        lab.run(&guest).await;
        let found = lab.look().await;
        let id = found.containers[&base.name].id.clone();
        let guest_found = &found.containers[&guest.name];
        assert!(hash.matches(guest_found.label(labels::CONFIG_HASH).expect("a hash"), |_| Some(id.clone())));
        assert_eq!(guest_found.label(labels::IMAGE), guest_found.image_id.as_ref().map(|id| id.as_str()));
        let spec = guest_found.spec.as_ref().expect("details");
        assert_eq!(spec.network, guest.network);
        assert_eq!(spec.namespaces.pid, guest.namespaces.pid);
    });
}

#[test]
fn what_fails_half_way_leaves_nothing() {
    with_engine(|lab| async move {
        let mut spec = lab.plain("web");
        lab.docker.create_network(&lab.network("one")).await.expect("creatable");
        spec.network = NetworkMode::Networks { attachments: vec![lab.attachment("one"), lab.attachment("absent")] };
        let error = lab.docker.create_container(&spec).await.expect_err("no such network");
        assert!(error.message.contains("absent") && error.message.contains(spec.name.as_str()), "{error}");
        assert!(lab.look().await.containers.is_empty());

        let mut spec = lab.plain("web");
        spec.image = "rcompose-test/none:1".into();
        assert_eq!(lab.docker.create_container(&spec).await.expect_err("no such image").kind, ErrorKind::ImageMissing);
    });
}

#[test]
fn a_taken_port_is_told_from_other_errors() {
    with_engine(|lab| async move {
        lab.docker.create_network(&lab.network("net")).await.expect("creatable");
        let listener = std::net::TcpListener::bind("0.0.0.0:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let mut spec = lab.sleeper("web");
        spec.network = NetworkMode::Networks { attachments: vec![lab.attachment("net")] };
        spec.ports = vec![rcompose_engine_adapter::PortSpec {
            target: 80,
            protocol: rcompose_engine_adapter::Protocol::Tcp,
            host_ip: None,
            published: Some((port, port)),
        }];
        lab.docker.create_container(&spec).await.expect("creatable");
        let error = lab.docker.start_container(&spec.name).await.expect_err("taken");
        assert_eq!(error.kind, ErrorKind::PortTaken { port }, "{error}");
        drop(listener);
        lab.docker.start_container(&spec.name).await.expect("free now");
        let observed = lab.docker.observe(&Scope { ports: true, ..Scope::default() }).await.expect("observable");
        let holder = observed.ports.iter().find(|holder| holder.port == port).expect("held");
        assert_eq!((&holder.container, holder.service.as_deref()), (&spec.name, Some("web")));

        let mut second = lab.sleeper("second");
        second.network = spec.network.clone();
        second.ports = spec.ports.clone();
        lab.docker.create_container(&second).await.expect("creatable");
        let error = lab.docker.start_container(&second.name).await.expect_err("taken");
        assert_eq!(error.kind, ErrorKind::PortTaken { port }, "{error}");
    });
}

#[test]
fn carried_volumes_keep_their_data_and_go_with_the_last_container() {
    with_engine(|lab| async move {
        let anonymous = |carry| Mount {
            target: "/data".into(),
            kind: MountKind::Anonymous { carry, nocopy: false, labels: Default::default() },
            read_only: false,
        };
        let mut first = lab.shell("first", "echo kept >/data/file");
        first.mounts = vec![anonymous(None)];
        lab.run(&first).await;
        assert_eq!(lab.docker.wait_container(&first.name).await.expect("ended"), 0);
        let volume = lab.see("first").await.mounts[0].volume.clone().expect("a volume");
        let mut second = lab.shell("second", "grep -q kept /data/file");
        second.mounts = vec![anonymous(Some(volume.clone()))];
        lab.run(&second).await;
        assert_eq!(lab.docker.wait_container(&second.name).await.expect("ended"), 0);
        // Held by the second container, it survives the first.
        lab.docker.remove_container(&first.name, true).await.expect("removable");
        let scope = Scope { volumes: [volume].into(), ..Scope::default() };
        assert_eq!(lab.docker.observe(&scope).await.expect("observable").volumes.len(), 1);
        lab.docker.remove_container(&second.name, true).await.expect("removable");
        assert!(lab.docker.observe(&scope).await.expect("observable").volumes.is_empty());
    });
}

#[test]
fn volumes_are_made_and_removed_once() {
    with_engine(|lab| async move {
        let spec = lab.volume("data");
        for _ in 0..2 {
            lab.docker.create_volume(&spec).await.expect("creatable");
        }
        let mut web = lab.sleeper("web");
        web.mounts = vec![Mount {
            target: "/data".into(),
            kind: MountKind::Volume { name: spec.name.clone(), nocopy: false, subpath: None, labels: Default::default() },
            read_only: false,
        }];
        lab.run(&web).await;
        assert_eq!(lab.docker.remove_volume(&spec.name).await.expect_err("in use").kind, ErrorKind::Conflict);
        lab.docker.remove_container(&web.name, true).await.expect("removable");
        assert!(lab.look().await.volumes.contains_key(&spec.name), "a named volume stays");
        for _ in 0..2 {
            lab.docker.remove_volume(&spec.name).await.expect("removable");
        }
    });
}

#[test]
fn a_look_without_details_tells_state_and_health() {
    with_engine(|lab| async move {
        let mut web = lab.sleeper("web");
        web.healthcheck = Some(rcompose_engine_adapter::Check {
            test: Some(rcompose_engine_adapter::Test::Shell("true".into())),
            interval: Some(Duration::from_secs(1)),
            ..Default::default()
        });
        lab.run(&web).await;
        lab.run(&lab.shell("job", "exit 5")).await;
        let scope = Scope { detail: false, ..Scope::project(lab.project.as_str()) };
        until("healthy", || async {
            let found = lab.docker.observe(&scope).await.expect("observable");
            found.containers[&web.name].health == Some(rcompose_engine_adapter::HealthStatus::Healthy)
                && found.containers[&lab.name("job")].state == ContainerState::Exited { code: 5 }
        })
        .await;
        let begun = Instant::now();
        let found = lab.docker.observe(&scope).await.expect("observable");
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(1), "{took:?}");
        let web = &found.containers[&web.name];
        assert_eq!((web.image.as_str(), web.service()), (IMAGE, Some("web")));
        assert!(web.spec.is_none());
    });
}

#[test]
fn what_a_client_that_was_killed_left_is_made_anew_and_nothing_else_is() {
    with_engine(|lab| async move {
        let mut spec = lab.sleeper("web");
        spec.config_hash = Some(ConfigHash { preimage: "x".into(), ..ConfigHash::default() });
        lab.docker.create_container(&spec).await.expect("creatable");
        let id = lab.see("web").await.id;
        // The same client knows that it made this one.
        assert_eq!(lab.docker.create_container(&spec).await.expect_err("taken").kind, ErrorKind::Conflict);
        assert_eq!(lab.see("web").await.id, id);
        // Another client takes one that never ran for the rest of a call under way, but none of another configuration.
        let other = crate::lab::connect().await;
        let mut changed = spec.clone();
        changed.config_hash = Some(ConfigHash { preimage: "y".into(), ..ConfigHash::default() });
        assert_eq!(other.create_container(&changed).await.expect_err("taken").kind, ErrorKind::Conflict);
        other.create_container(&spec).await.expect("made anew");
        assert_ne!(lab.see("web").await.id, id);
        lab.docker.start_container(&spec.name).await.expect("startable");
        let third = crate::lab::connect().await;
        assert_eq!(third.create_container(&spec).await.expect_err("it runs").kind, ErrorKind::Conflict);
    });
}

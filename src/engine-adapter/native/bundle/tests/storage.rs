//! Mounts, limits, devices.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::*;

fn bind(source: &str, target: &str, more: &Value) -> Value {
    let mut mount = json!({"target": target, "read_only": false, "kind": {"type": "bind", "source": source, "create_host_path": true}});
    merge(&mut mount, more);
    mount
}

#[test]
fn binds_say_how_they_propagate_and_recurse() {
    let mut world = World::default();
    world.mounts.push(resolved("/src", "/b", Origin::Mount));
    let cases = [
        (json!({}), "rbind,rprivate", None),
        (json!({"read_only": true}), "rbind,rro,rprivate", None),
        (json!({"read_only": true, "kind": {"recursive": "writable"}}), "rbind,ro,rprivate", None),
        (
            json!({"read_only": true, "kind": {"recursive": "readonly", "propagation": "private"}}),
            "rbind,rro,private",
            None,
        ),
        (json!({"read_only": true, "kind": {"recursive": "disabled"}}), "bind,ro,rprivate", None),
        (json!({"kind": {"propagation": "rshared"}}), "rbind,rshared", Some("shared")),
        (json!({"kind": {"propagation": "slave"}}), "rbind,slave", Some("rslave")),
    ];
    for (more, options, root) in cases {
        let change = json!({"mounts": [bind("/src", "/b", &more)]});
        assert_eq!(world.options(&change, "/b"), options, "{more}");
        assert_eq!(linux(&world.with(&change)).rootfs_propagation().as_deref(), root, "{more}");
    }
    let labelled = world.with(&json!({"mounts": [bind("/src", "/b", &json!({"kind": {"selinux": "z"}}))]}));
    assert!(labelled.warnings[0].contains("SELinux"), "{:?}", labelled.warnings);
}

#[test]
fn what_was_asked_for_comes_before_what_the_engine_brings() {
    let mut world = World::default();
    world.mounts.push(resolved("/own/hosts", "/etc/hosts", Origin::Mount));
    world.mounts.push(resolved("/volumes/v", "/data/", Origin::Inherited { read_only: true }));
    world.mounts.push(resolved("/secrets/0", "/run/secrets/key", Origin::File));
    let change = json!({
        "mounts": [bind("/own/hosts", "/etc/../etc/hosts", &json!({}))],
        "files": [{"target": "/run/secrets/key", "uid": 0, "gid": 0, "mode": 292}],
        "security": {"read_only": true}
    });
    let lowered = world.with(&change);
    let hosts: Vec<&PathBuf> = lowered.spec.mounts().iter().flatten().filter_map(|it| it.source().as_ref()).collect();
    assert!(hosts.contains(&&PathBuf::from("/own/hosts")) && !hosts.contains(&&PathBuf::from("/state/hosts")), "{hosts:?}");
    assert_eq!(world.options(&change, "/data/"), "rbind,rro");
    assert_eq!(world.options(&change, "/run/secrets/key"), "bind,ro,nosuid,nodev,rprivate");
    assert_eq!(world.options(&change, "/etc/hostname"), "rbind,ro,rprivate");
}

#[test]
fn of_two_options_about_the_same_the_last_counts() {
    let world = World::default();
    let tmpfs = |kind: Value| {
        let mut mount = json!({"target": "/t", "read_only": false, "kind": {"type": "tmpfs"}});
        merge(&mut mount["kind"], &kind);
        world.options(&json!({"mounts": [mount]}), "/t")
    };
    assert_eq!(tmpfs(json!({})), "noexec,nosuid,nodev,rprivate");
    assert_eq!(tmpfs(json!({"options": "exec, suid,size=1m,size=2m,defaults"})), "nodev,rprivate,exec,suid,size=2m");
    assert_eq!(
        tmpfs(json!({"options": "rw,ro,shared", "mode": 0o1777, "size": 10})),
        "noexec,nosuid,nodev,ro,shared,mode=1777,size=10"
    );
}

#[test]
fn groups_are_made_below_the_root_of_all() {
    let world = World::default();
    for (parent, path) in [
        (json!(null), "/docker"),
        (json!("/a/b"), "/a/b"),
        // Docker takes it below dockerd's own; ours would be below that of whoever calls.
        (json!("a"), "/a"),
        (json!("my.slice"), "/my.slice"),
    ] {
        let lowered = world.with(&json!({"resources": {"cgroup_parent": parent}}));
        assert_eq!(linux(&lowered).cgroups_path().as_deref(), Some(Path::new(path).join(ID).as_path()));
    }
}

#[test]
fn memory_and_swap_hang_together() {
    let mut world = World::default();
    let memory = |world: &World, change: Value| {
        let lowered = world.with(&json!({"resources": change}));
        let made = linux(&lowered).resources().as_ref().unwrap().memory().as_ref().and_then(|it| it.swap());
        (made, lowered.warnings)
    };
    assert_eq!(memory(&world, json!({"memory": 10 << 20})).0, Some(20 << 20));
    assert_eq!(memory(&world, json!({"memory": 10 << 20, "memory_swap": 10 << 20})).0, Some(10 << 20));
    assert_eq!(memory(&world, json!({"memory": 10 << 20, "memory_swap": -1})).0, None);
    world.swap_accounting = false;
    let (swap, warnings) = memory(&world, json!({"memory": 10 << 20}));
    assert!(swap.is_none() && warnings[0].contains("swap"), "{warnings:?}");
}

#[test]
fn limits_of_block_devices_have_their_numbers() {
    let mut world = World::default();
    world.nodes.insert("/dev/sda".into(), vec![node("/dev/sda", true, 8, 0, 0o660)]);
    let at = |value: u64| json!([{"path": "/dev/sda", "value": value}]);
    let change = json!({"resources": {
        "blkio_weight": 300, "blkio_weight_device": at(400), "blkio_read_bps": at(1), "blkio_write_bps": at(2),
        "blkio_read_iops": at(3), "blkio_write_iops": at(4)
    }});
    let lowered = world.with(&change);
    let rate = |value: u64| json!([{"major": 8, "minor": 0, "rate": value}]);
    let expected = json!({
        "weight": 300, "weightDevice": [{"major": 8, "minor": 0, "weight": 400}], "throttleReadBpsDevice": rate(1),
        "throttleWriteBpsDevice": rate(2), "throttleReadIOPSDevice": rate(3), "throttleWriteIOPSDevice": rate(4)
    });
    assert_eq!(serde_json::to_value(linux(&lowered).resources().as_ref().unwrap().block_io()).unwrap(), expected);
    assert_eq!(devices::asked(&spec(&change), &cdi::Known::default()).unwrap(), BTreeSet::from([PathBuf::from("/dev/sda")]));
}

#[test]
fn a_folder_of_devices_brings_those_in_it() {
    let mut world = World::default();
    let found = vec![node("/dev/dri/card0", false, 226, 0, 0o660), node("/dev/dri/by/x", false, 226, 1, 0o660)];
    world.nodes.insert("/dev/dri".into(), found);
    let lowered = world.with(&json!({"resources": {"devices": [{"source": "/dev/dri", "target": "/dev/gpu", "permissions": "rw"}]}}));
    let paths: Vec<_> = linux(&lowered).devices().iter().flatten().map(|it| it.path().display().to_string()).collect();
    assert_eq!(paths, ["/dev/gpu/card0", "/dev/gpu/by/x"]);
    let rules = linux(&lowered).resources().as_ref().unwrap().devices().clone().unwrap();
    assert_eq!(rules.last().unwrap().to_string(), "c 226:1 rw");
}

/// As `nvidia-ctk cdi generate` writes it, in short.
const GPU: &[u8] = b"
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
- name: '0'
  containerEdits:
    deviceNodes: [{path: /dev/nvidia0, major: 195, minor: 0, type: c}]
- name: all
  containerEdits:
    deviceNodes: [{path: /dev/nvidia0, hostPath: /dev/nvidia-first, permissions: r, gid: 44}]
containerEdits:
  env: [NVIDIA_VISIBLE_DEVICES=void, A=cdi]
  additionalGids: [44, 0]
  mounts:
  - {hostPath: /lib/x, containerPath: /lib/y, options: [ro, rbind]}
  hooks:
  - {hookName: createContainer, path: /bin/hook, args: [hook, go], env: [B=1], timeout: 3}
";

#[test]
fn cdi_devices_bring_nodes_mounts_variables_and_hooks() {
    let mut world = World::default();
    world.cdi.add(Path::new("/etc/cdi/nvidia.yaml"), Ok(GPU.to_vec()));
    let request = |change: Value| {
        let mut request = json!({"device_ids": [], "capabilities": ["gpu"], "options": {}});
        merge(&mut request, &change);
        json!({"device_requests": [request], "process": {"environment": {"A": "own"}}})
    };
    let lowered = world.with(&request(json!({"count": 1})));
    assert_eq!(lowered.env, ["PATH=/bin", "HOSTNAME=0123456789ab", "A=cdi", "NVIDIA_VISIBLE_DEVICES=void"]);
    assert_eq!(world.options(&request(json!({"driver": "nvidia", "device_ids": ["0"]})), "/lib/y"), "ro,rbind");
    let hooks = serde_json::to_value(lowered.spec.hooks()).unwrap();
    assert_eq!(
        hooks,
        json!({"createContainer": [{"path": "/bin/hook", "args": ["hook", "go"], "env": ["B=1"], "timeout": 3}]})
    );
    let user = lowered.spec.process().as_ref().unwrap().user().clone();
    assert_eq!(user.additional_gids().as_deref(), Some([0_u32, 44].as_slice()));
    let nodes = |lowered: &Lowered| serde_json::to_value(linux(lowered).devices()).unwrap();
    let expected = json!([{"path": "/dev/nvidia0", "type": "c", "major": 195, "minor": 0, "fileMode": 438, "uid": 0, "gid": 0}]);
    assert_eq!(nodes(&lowered), expected);

    // What the file leaves out is the host's.
    let all = json!({"resources": {"devices": [{"source": "nvidia.com/gpu=all", "target": "", "permissions": ""}]}});
    let first = PathBuf::from("/dev/nvidia-first");
    assert_eq!(devices::asked(&spec(&all), &world.cdi).unwrap(), BTreeSet::from([first.clone()]));
    world.nodes.insert(first, vec![node("/dev/nvidia-first", false, 195, 7, 0o600)]);
    let lowered = world.with(&all);
    let expected = json!([{"path": "/dev/nvidia0", "type": "c", "major": 195, "minor": 7, "fileMode": 384, "uid": 0, "gid": 44}]);
    assert_eq!(nodes(&lowered), expected);
    let rules = linux(&lowered).resources().as_ref().unwrap().devices().clone().unwrap();
    assert_eq!(rules.last().unwrap().to_string(), "c 195:7 r");
    assert_eq!(
        world.with(&request(json!({"count": -1}))).spec.linux(),
        world.with(&request(json!({"device_ids": ["nvidia.com/gpu=all"]}))).spec.linux()
    );
}

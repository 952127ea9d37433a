//! What cannot be honoured is refused by name.

use rcompose_engine_adapter::ErrorKind::{self, Conflict, Invalid, Other, Unsupported};

use super::*;

fn refused(world: &World, cases: &[(Value, ErrorKind, &str)]) {
    for (change, kind, text) in cases {
        let error = world.lower(&spec(change)).expect_err(text);
        assert!(error.message.starts_with("container web: "), "{error}");
        assert!(error.kind == *kind && error.message.contains(text), "{change}: {:?} {error}", error.kind);
    }
}

#[test]
fn what_this_engine_cannot_do_is_named() {
    refused(
        &World::default(),
        &[
            (json!({"runtime": "kata"}), Unsupported, "runtime `kata`"),
            (json!({"isolation": "hyperv"}), Unsupported, "isolation `hyperv`"),
            (json!({"storage_opt": {"size": "1G"}}), Unsupported, "storage_opt `size`"),
            (json!({"security": {"credential_spec": "file://x"}}), Unsupported, "credential_spec"),
            (json!({"security": {"userns_mode": "private"}}), Unsupported, "userns_mode `private`"),
            (json!({"security": {"security_opt": ["writable-cgroups=true"]}}), Unsupported, "writable-cgroups"),
            (json!({"security": {"security_opt": ["apparmor=strict"]}}), Unsupported, "AppArmor"),
            (json!({"security": {"security_opt": ["label=type:x"]}}), Unsupported, "SELinux"),
            (json!({"resources": {"cpu_count": 1}}), Unsupported, "cpu_count"),
            (json!({"resources": {"cpu_percent": 1}}), Unsupported, "cpu_percent"),
            (json!({"network": {"mode": "other", "text": "weave"}}), Unsupported, "network_mode `weave`"),
            (json!({"namespaces": {"ipc": "odd"}}), Unsupported, "ipc `odd`"),
            (json!({"namespaces": {"uts": "container:x"}}), Unsupported, "uts `container:x`"),
            (json!({"namespaces": {"cgroup": "container:x"}}), Unsupported, "cgroup `container:x`"),
            (
                json!({"mounts": [{"target": "/p", "read_only": false, "kind": {"type": "npipe", "source": "p"}}]}),
                Unsupported,
                "npipe",
            ),
            (json!({"namespaces": {"pid": "container:x"}}), Conflict, "pid `container:x`"),
            (json!({"network": {"mode": "container", "container": "x"}}), Conflict, "network_mode `container:x`"),
        ],
    );
}

#[test]
fn values_that_are_wrong_are_named() {
    let bad_ulimit = |soft: i64, hard: i64| json!({"resources": {"ulimits": {"nofile": {"soft": soft, "hard": hard}}}});
    let device =
        |source: &str, letters: &str| json!({"resources": {"devices": [{"source": source, "target": "/dev/x", "permissions": letters}]}});
    let tmpfs =
        |target: &str, options: &str| json!([{"target": target, "read_only": false, "kind": {"type": "tmpfs", "options": options}}]);
    refused(
        &World::default(),
        &[
            (json!({"process": {"entrypoint": [""]}}), Invalid, "no command"),
            (json!({"process": {"command": [""]}}), Invalid, "first word is empty"),
            (json!({"process": {"working_dir": "srv"}}), Invalid, "working_dir `srv`"),
            (json!({"stop_signal": "SIGNONE"}), Invalid, "stop_signal: `SIGNONE`"),
            (json!({"hostname": "x".repeat(65)}), Invalid, "hostname"),
            (json!({"hostname": "x", "namespaces": {"uts": "host"}}), Invalid, "uts: host"),
            (json!({"domainname": "x", "namespaces": {"uts": "host"}}), Invalid, "domainname `x`"),
            (json!({"security": {"cap_add": ["FLY"]}}), Invalid, "cap_add: `FLY`"),
            (json!({"security": {"cap_drop": ["CAP_FLY"]}}), Invalid, "cap_drop: `CAP_FLY`"),
            (json!({"security": {"security_opt": ["no-new-privileges:maybe"]}}), Invalid, "no-new-privileges:maybe"),
            (json!({"security": {"security_opt": ["seccomp=/a/path.json"]}}), Invalid, "seccomp"),
            (json!({"sysctls": {"vm.swappiness": "1"}}), Invalid, "sysctl `vm.swappiness`"),
            (json!({"sysctls": {"net.core.somaxconn": "1"}, "network": {"mode": "host"}}), Invalid, "net.core.somaxconn"),
            (json!({"sysctls": {"kernel.sem": "1"}, "namespaces": {"ipc": "host"}}), Invalid, "kernel.sem"),
            (json!({"resources": {"nano_cpus": 2_500_000_000_i64}}), Invalid, "cpus 2.50: this host has 2"),
            (json!({"resources": {"nano_cpus": 1, "cpu_quota": 5000}}), Invalid, "cpu_quota"),
            (json!({"resources": {"cpu_period": 999}}), Invalid, "cpu_period 999"),
            (json!({"resources": {"cpu_quota": 10}}), Invalid, "cpu_quota 10"),
            (json!({"resources": {"cpu_shares": -1}}), Invalid, "cpu_shares -1"),
            (json!({"resources": {"cpuset": "0-2"}}), Invalid, "CPUs 0 to 1"),
            (json!({"resources": {"cpuset": "1-0"}}), Invalid, "cpuset `1-0`"),
            (json!({"resources": {"memory": 1024}}), Invalid, "memory 1024"),
            (json!({"resources": {"memory_swap": 1 << 30}}), Invalid, "memory_swap"),
            (json!({"resources": {"memory": 20 << 20, "memory_swap": 10 << 20}}), Invalid, "memory_swap"),
            (json!({"resources": {"memory": 20 << 20, "memory_reservation": 30 << 20}}), Invalid, "memory_reservation"),
            (json!({"resources": {"memory_swappiness": 101}}), Invalid, "memory_swappiness 101"),
            (json!({"resources": {"shm_size": -1}}), Invalid, "shm_size"),
            (json!({"resources": {"oom_score_adj": 1001}}), Invalid, "oom_score_adj 1001"),
            (json!({"resources": {"blkio_weight": 9}}), Invalid, "blkio weight 9"),
            (json!({"resources": {"blkio_read_bps": [{"path": "/dev/none", "value": 1}]}}), Invalid, "/dev/none"),
            (json!({"resources": {"ulimits": {"wings": {"soft": 1, "hard": 1}}}}), Invalid, "ulimit `wings`"),
            (bad_ulimit(2, 1), Invalid, "soft 2 is above hard 1"),
            (bad_ulimit(-1, 1), Invalid, "soft -1 is above hard 1"),
            (bad_ulimit(-2, 1), Invalid, "ulimit nofile -2:1"),
            (json!({"resources": {"cgroup_parent": "/a/../.."}}), Invalid, "cgroup_parent"),
            (device("/dev/none", "rwm"), Invalid, "device /dev/none"),
            (device("/dev/none", "rx"), Invalid, "`rx`"),
            (json!({"resources": {"device_cgroup_rules": ["x"]}}), Invalid, "device_cgroup_rules `x`"),
            (json!({"mounts": tmpfs("/", "")}), Invalid, "other than /"),
            (json!({"mounts": tmpfs("t", "")}), Invalid, "absolute"),
            (json!({"mounts": tmpfs("/t", "wings")}), Invalid, "no option `wings`"),
            (json!({"mounts": [tmpfs("/t", "")[0], tmpfs("/t/", "")[0]]}), Invalid, "two mounts"),
        ],
    );
}

#[test]
fn what_the_engine_forgot_is_not_the_users_fault() {
    refused(
        &World::default(),
        &[
            (json!({"init": true}), Other, "init"),
            (json!({"namespaces": {"ipc": "shareable"}}), Other, "shared memory"),
            (json!({"files": [{"target": "/key", "uid": 0, "gid": 0, "mode": 292}]}), Other, "/key"),
            (
                json!({"mounts": [{"target": "/b", "read_only": false, "kind": {"type": "bind", "source": "/s", "create_host_path": true}}]}),
                Other,
                "/b",
            ),
        ],
    );
}

#[test]
fn a_device_that_nobody_describes_says_what_is_missing() {
    let gpu = |more: Value| {
        let mut request = json!({"device_ids": [], "capabilities": ["gpu"], "options": {}});
        merge(&mut request, &more);
        json!({"device_requests": [request]})
    };
    let mut world = World::default();
    refused(
        &world,
        &[
            (gpu(json!({"count": -1})), Unsupported, "nvidia-ctk cdi generate"),
            (gpu(json!({"driver": "cdi", "device_ids": ["a.com/b=c"]})), Unsupported, "describes a.com/b"),
            (gpu(json!({"driver": "cdi"})), Invalid, "device_ids"),
            (gpu(json!({"driver": "cdi", "device_ids": ["x"]})), Invalid, "`x` is no CDI name"),
            (gpu(json!({"driver": "acme"})), Unsupported, "driver acme"),
            (gpu(json!({"options": {"a": "b"}})), Unsupported, "option `a`"),
        ],
    );
    let file = br#"{"cdiVersion": "1.0.0", "kind": "a.com/b", "devices": [{"name": "c"}]}"#;
    world.cdi.add(Path::new("/etc/cdi/a.json"), Ok(file.to_vec()));
    refused(&world, &[(gpu(json!({"device_ids": ["a.com/b=d"]})), Unsupported, "only c")]);
}

#[test]
fn a_damaged_file_of_cdi_stops_only_who_asks_for_its_devices() {
    let devices = |ids: &[&str]| json!({"device_requests": [{"device_ids": ids, "capabilities": [], "options": {}}]});
    let good = br#"{"cdiVersion": "1.0.0", "kind": "a.com/b", "devices": [{"name": "c"}, {"name": "d"}]}"#;
    let unknown = br#"{"kind": "a.com/b", "devices": [{"name": "d"}, {"name": 7}], "containerEdits": {"netDevices": []}}"#;
    let mut world = World::default();
    world.cdi.add(Path::new("/etc/cdi/a.json"), Ok(good.to_vec()));
    world.cdi.add(Path::new("/etc/cdi/b.json"), Ok(unknown.to_vec()));
    world.cdi.add(Path::new("/etc/cdi/c.yaml"), Ok(b"kind: [".to_vec()));
    world.cdi.add(Path::new("/etc/cdi/d.json"), Err(std::io::Error::other("is a directory")));
    let reasons: Vec<&str> = world.cdi.damaged.iter().map(|it| it.reason.as_str()).collect();
    for (reason, words) in reasons.iter().zip([["b.json", "netDevices"], ["c.yaml", ""], ["d.json", "is a directory"]]) {
        assert!(words.iter().all(|it| reason.contains(it)), "{reason}");
    }
    assert_eq!(reasons.len(), 3);
    for fine in [json!({}), devices(&["a.com/b=c"])] {
        world.lower(&spec(&fine)).unwrap();
    }
    refused(
        &world,
        &[
            (devices(&["a.com/b=d"]), Invalid, "device a.com/b=d: the CDI file /etc/cdi/b.json"),
            // What cannot be read at all may have described it.
            (devices(&["a.com/b=e"]), Unsupported, "/etc/cdi/c.yaml"),
            (devices(&["x.com/y=z"]), Unsupported, "/etc/cdi/d.json"),
        ],
    );
}

//! Words, variables, folder, names, signals.

use super::*;

#[test]
fn entrypoint_and_command_follow_docker() {
    // What Docker 20.10 runs for these, by `docker inspect` of the path and arguments.
    let cases = [
        (json!({}), &["run", "-x"] as &[&str]),
        (json!({"command": ["a", "b"]}), &["run", "a", "b"]),
        (json!({"command": []}), &["run", "-x"]),
        (json!({"entrypoint": ["echo"]}), &["echo"]),
        (json!({"entrypoint": ["echo"], "command": []}), &["echo"]),
        (json!({"entrypoint": ["echo"], "command": ["a b", "c"]}), &["echo", "a b", "c"]),
        (json!({"entrypoint": []}), &["-x"]),
        (json!({"entrypoint": [], "command": ["sh"]}), &["sh"]),
        (json!({"entrypoint": [""], "command": ["sh"]}), &["sh"]),
    ];
    let mut world = World::default();
    world.image.entrypoint = vec!["run".to_owned()];
    world.image.command = vec!["-x".to_owned()];
    for (process, words) in cases {
        assert_eq!(world.with(&json!({"process": process})).args, words, "{process}");
    }
    let lowered = world.with(&json!({"process": {"entrypoint": ["/my program"], "command": ["a b", "c"]}}));
    assert_eq!(lowered.command, "/my program 'a b' c");
}

#[test]
fn init_goes_before_the_words_and_is_not_shown() {
    let world = World { init: Some("/var/lib/x/init".into()), ..World::default() };
    let lowered = world.with(&json!({"init": true}));
    let words = lowered.spec.process().as_ref().unwrap().args().clone().unwrap();
    assert_eq!(words, ["/sbin/docker-init", "--", "sleep", "60"]);
    assert_eq!((lowered.command.as_str(), lowered.args.len()), ("sleep 60", 2));
    assert_eq!(world.options(&json!({"init": true}), "/sbin/docker-init"), "bind,ro");
}

#[test]
fn variables_come_in_dockers_order() {
    let mut world = World::default();
    world.image.environment =
        BTreeMap::from([("LANG", "C"), ("PATH", "/image"), ("A", "image")].map(|(k, v)| (k.to_owned(), v.to_owned())));
    world.links.insert("DB_NAME".to_owned(), "/web/db".to_owned());
    let change =
        json!({"process": {"tty": true, "environment": {"A": "own", "Z": "", "DB_NAME": "x"}, "without": ["LANG"]}, "hostname": "box"});
    assert_eq!(world.with(&change).env, ["PATH=/image", "HOSTNAME=box", "TERM=xterm", "DB_NAME=x", "A=own", "Z="]);
    world.image.environment.clear();
    let plain = world.with(&json!({})).env;
    assert_eq!(plain[0], "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    assert_eq!(plain[1], "HOSTNAME=0123456789ab");
}

#[test]
fn the_folder_is_clean_and_the_images_unless_given() {
    let mut world = World::default();
    world.image.working_dir = "/srv".to_owned();
    for (given, folder) in [
        (json!(null), "/srv"),
        (json!(""), "/srv"),
        (json!("/a/../b/./c/"), "/b/c"),
        (json!("/"), "/"),
        (json!("/.."), "/"),
    ] {
        assert_eq!(world.with(&json!({"process": {"working_dir": given}})).cwd, folder, "{given}");
    }
}

#[test]
fn the_signal_is_the_specs_else_the_images() {
    let mut world = World::default();
    assert_eq!(world.with(&json!({})).stop_signal, 15);
    world.image.stop_signal = Some("SIGQUIT".to_owned());
    assert_eq!(world.with(&json!({})).stop_signal, 3);
    assert_eq!(world.with(&json!({"stop_signal": "SIGRTMIN+3"})).stop_signal, 37);
}

#[test]
fn names_and_namespaces_follow_the_network() {
    let shared = World { hostname: Some("other".to_owned()), ..World::default() };
    let mut joined = shared;
    joined.joined = Joined {
        network: Some("/proc/7/ns/net".into()),
        ipc: Some("/proc/7/ns/ipc".into()),
        pid: Some("/proc/7/ns/pid".into()),
    };
    joined.shm = Some("/state/other/shm".to_owned());
    let change = json!({
        "network": {"mode": "container", "container": "other"},
        "namespaces": {"ipc": "container:other", "pid": "container:other", "cgroup": "host"}
    });
    let lowered = joined.with(&change);
    let spaces = serde_json::to_value(linux(&lowered).namespaces()).unwrap();
    let expected = json!([
        {"type": "mount"}, {"type": "network", "path": "/proc/7/ns/net"}, {"type": "uts"},
        {"type": "pid", "path": "/proc/7/ns/pid"}, {"type": "ipc", "path": "/proc/7/ns/ipc"}
    ]);
    assert_eq!(spaces, expected);
    assert_eq!((lowered.hostname.as_str(), lowered.spec.hostname().as_deref()), ("other", Some("other")));
    assert_eq!(*linux(&lowered).sysctl(), Some(std::collections::HashMap::new()), "the other's network is as it is");
    assert_eq!(joined.options(&change, "/dev/shm"), "rbind,rprivate");
}

#[test]
fn a_container_of_v2_sees_its_own_cgroup() {
    let mut world = World::default();
    let has_own = |world: &World, change: &Value| {
        let lowered = world.with(change);
        serde_json::to_value(linux(&lowered).namespaces())
            .unwrap()
            .as_array()
            .unwrap()
            .contains(&json!({"type": "cgroup"}))
    };
    assert!(!has_own(&world, &json!({})));
    world.host.cgroups = unified();
    assert!(has_own(&world, &json!({})));
    assert!(!has_own(&world, &json!({"namespaces": {"cgroup": "host"}})));
}

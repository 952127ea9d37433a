//! Capabilities, system calls, security modules.

use std::collections::BTreeSet;

use oci_spec::runtime::LinuxSeccompAction;

use super::*;

fn capabilities(world: &World, security: Value) -> BTreeSet<String> {
    let lowered = world.with(&json!({"security": security}));
    let sets = lowered.spec.process().as_ref().unwrap().capabilities().clone().unwrap();
    assert!(sets.inheritable().is_none() && sets.ambient().is_none());
    sets.bounding().iter().flatten().map(ToString::to_string).collect()
}

#[test]
fn all_counts_before_names() {
    let world = World::default();
    let set = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<BTreeSet<String>>();
    assert_eq!(capabilities(&world, json!({"cap_drop": ["all"], "cap_add": ["cap_kill", "Chown"]})), set(&["KILL", "CHOWN"]));
    assert_eq!(capabilities(&world, json!({"cap_drop": ["ALL"]})), set(&[]));
    assert_eq!(capabilities(&world, json!({"cap_drop": ["ALL"], "cap_add": ["ALL"]})).len(), 38);
    assert_eq!(capabilities(&world, json!({"cap_add": ["ALL"], "cap_drop": ["CHOWN", "CAP_KILL"]})).len(), 36);
    assert_eq!(capabilities(&world, json!({"privileged": true, "cap_drop": ["ALL"]})).len(), 38);
    let without = capabilities(&world, json!({"cap_drop": ["NET_RAW"], "cap_add": ["SYS_TIME"]}));
    assert!(without.len() == 14 && !without.contains("NET_RAW") && without.contains("SYS_TIME"));
}

#[test]
fn the_default_filter_follows_the_capabilities_and_options_replace_it() {
    let world = World::default();
    let filter = |security: Value| linux(&world.with(&json!({"security": security}))).seccomp().clone();
    let allows = |security: Value, name: &str| {
        let filter = filter(security).unwrap();
        let allowed = |it: &&oci_spec::runtime::LinuxSyscall| it.action() == LinuxSeccompAction::ScmpActAllow && it.args().is_none();
        filter.syscalls().iter().flatten().filter(allowed).any(|it| it.names().iter().any(|it| it == name))
    };
    assert!(!allows(json!({}), "mount") && allows(json!({"cap_add": ["SYS_ADMIN"]}), "mount"));
    assert!(allows(json!({"security_opt": ["seccomp=builtin"]}), "read"));
    assert!(filter(json!({"security_opt": ["seccomp:unconfined"]})).is_none());
    assert!(filter(json!({"privileged": true})).is_none());
    let own = r#"seccomp={"defaultAction":"SCMP_ACT_LOG"}"#;
    let given = filter(json!({"privileged": true, "security_opt": [own]})).unwrap();
    assert_eq!(given.default_action(), LinuxSeccompAction::ScmpActLog);
}

#[test]
fn security_modules_are_asked_only_where_they_are() {
    let mut world = World::default();
    let labels = |world: &World, options: &[&str]| {
        let lowered = world.with(&json!({"security": {"security_opt": options}}));
        let process = lowered.spec.process().clone().unwrap();
        (process.apparmor_profile().clone(), process.selinux_label().clone())
    };
    assert_eq!(labels(&world, &["apparmor=unconfined", "label=disable", "no-new-privileges"]), (None, None));
    world.host.rights.apparmor = true;
    world.host.rights.selinux = true;
    assert_eq!(labels(&world, &[]), (None, None));
    assert_eq!(labels(&world, &["apparmor=strict"]).0.as_deref(), Some("strict"));
    assert_eq!(labels(&world, &["apparmor:unconfined"]).0.as_deref(), Some("unconfined"));
    assert_eq!(labels(&world, &["label=type:spc_t", "label:level:s0:c1"]).1.as_deref(), Some("system_u:system_r:spc_t:s0:c1"));
}

#[test]
fn privileges_can_be_left_open() {
    let world = World::default();
    let new = |options: &[&str]| {
        let lowered = world.with(&json!({"security": {"security_opt": options}}));
        lowered.spec.process().as_ref().unwrap().no_new_privileges()
    };
    assert_eq!(new(&[]), Some(false));
    assert_eq!(new(&["no-new-privileges"]), Some(true));
    assert_eq!(new(&["no-new-privileges:true", "no-new-privileges=false"]), Some(false));
}

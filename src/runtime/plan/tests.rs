//! Whole specs as plans.

use super::*;
use crate::plan::cgroup::{Hierarchy, Layout};

fn host() -> Host {
    let hierarchy = |name: &str| Hierarchy {
        mount: PathBuf::from("/sys/fs/cgroup").join(name),
        controllers: vec![name.to_owned()],
        own: PathBuf::new(),
    };
    Host {
        rights: Rights { capabilities: u64::MAX, known: u64::MAX, apparmor: false, selinux: false },
        cgroups: Layout { v1: vec![hierarchy("devices"), hierarchy("memory")], v2: None },
        has_kcore: true,
    }
}

fn planned(extra: &str, linux: &str) -> Result<Plan> {
    let namespaces = if linux.contains("namespaces") {
        ""
    } else {
        r#""namespaces":[{"type":"mount"},{"type":"network"},{"type":"uts"}],"#
    };
    let linux = format!("{namespaces}{linux}").trim_end_matches(',').to_owned();
    let text = format!(
        r#"{{"ociVersion":"1.0.2","root":{{"path":"rootfs","readonly":true}},"process":{{"user":{{"uid":0,"gid":0}},"args":["a"],"cwd":"/w"}},
            {extra}"linux":{{{linux}}}}}"#
    );
    let spec: Spec = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    plan("x", &spec, Path::new("/b"), &host(), Choices::default())
}

fn labels(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|it| it.label.as_str()).collect()
}

#[test]
fn steps_come_in_the_order_that_each_needs() {
    let plan = planned(
        r#""hostname":"h","hooks":{"prestart":[{"path":"/x"}]},"mounts":[{"destination":"/proc","type":"proc","source":"proc"},
            {"destination":"/run","type":"tmpfs","source":"tmpfs","options":["ro","size=1k"]},
            {"destination":"/run/x/../y","type":"bind","source":"data","options":["rbind","ro"]}],"#,
        r#""sysctl":{"net.ipv4.ip_forward":"1"},"maskedPaths":["/proc/kcore"],"readonlyPaths":["/proc/sys"]"#,
    )
    .unwrap();
    let at = |label: &str| {
        labels(&plan)
            .iter()
            .position(|it| it.starts_with(label))
            .unwrap_or_else(|| panic!("{label}: {:?}", labels(&plan)))
    };
    let order = [
        "bring up the loopback",
        "mount /proc",
        "mount /run (tmpfs)",
        "mount /run/y (/b/data)",
        "make the device /dev/null",
        "run the hooks of the host",
        "make the working folder /w",
        "make /run read-only",
        "set the sysctl",
        "make /proc/sys read-only",
        "mask /proc/kcore",
        "make the root read-only",
        "enter the root",
        "set the hostname",
    ];
    assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{:?}", labels(&plan));
    assert_eq!(plan.trees[0].path, Path::new("/b/data"));
    assert_eq!(plan.rootfs, Path::new("/b/rootfs"));
}

#[test]
fn the_same_spec_gives_the_same_plan() {
    let linux = r#""sysctl":{"net.a":"1","net.b":"2","net.c":"3","net.d":"4"}"#;
    let one = planned("", linux).unwrap();
    assert!((0..20).all(|_| planned("", linux).unwrap().steps == one.steps));
}

#[test]
fn a_cgroup_mount_follows_the_host_and_the_namespace() {
    let mount = r#""mounts":[{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["ro","nosuid"]}],"#;
    let bound = planned(mount, r#""cgroupsPath":"/docker/x""#).unwrap();
    assert!(bound.trees.iter().any(|it| it.path == Path::new("/sys/fs/cgroup/memory/docker/x")), "{:?}", bound.trees);
    let own = planned(mount, r#""namespaces":[{"type":"mount"},{"type":"cgroup"}]"#).unwrap();
    assert!(own.trees.is_empty() && labels(&own).contains(&"mount /sys/fs/cgroup/memory (cgroup)"), "{:?}", labels(&own));
}

#[test]
fn what_is_wrong_or_not_done_is_named() {
    for (extra, linux, field) in [
        (r#""hostname":"h","#, r#""namespaces":[{"type":"mount"}]"#, "`hostname`"),
        ("", r#""sysctl":{"kernel.panic":"1"}"#, "linux.sysctl[kernel.panic]"),
        ("", r#""sysctl":{"net/../kernel/panic":"1"}"#, "linux.sysctl[net/../kernel/panic]"),
        ("", r#""sysctl":{"net.a":"1"},"namespaces":[{"type":"mount"}]"#, "network namespace"),
        ("", r#""rootfsPropagation":"hidden""#, "linux.rootfsPropagation"),
        ("", r#""intelRdt":{}"#, "linux.intelRdt"),
        ("", r#""devices":[{"path":"/dev/x","type":"c","major":-5,"minor":0}]"#, "linux.devices[0].major"),
        (r#""mounts":[{"destination":"/","type":"tmpfs"}],"#, "", "mounts[0].destination"),
        (r#""mounts":[{"destination":"/x","type":"bind"}],"#, "", "mounts[0].source"),
        (r#""mounts":[{"destination":"/x"}],"#, "", "mounts[0].type"),
        (r#""hooks":{"poststop":[{"path":"x"}]},"#, "", "hooks.poststop[0].path"),
        (r#""hooks":{"poststart":[{"path":"/x","timeout":0}]},"#, "", "hooks.poststart[0].timeout"),
        (r#""vm":{"kernel":{"path":"/k"}},"#, "", "`vm`"),
    ] {
        let error = planned(extra, linux).unwrap_err().to_string();
        assert!(error.contains(field), "{extra} {linux}: {error}");
    }
}

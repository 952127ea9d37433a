//! Limits of specs as files.

use super::*;

fn layout(v1: &[&str], v2: &[&str]) -> Layout {
    let hierarchy = |mount: &str, controllers: &[&str]| Hierarchy {
        mount: PathBuf::from(format!("/sys/fs/cgroup/{mount}")),
        controllers: controllers.iter().map(|it| (*it).to_owned()).collect(),
        own: PathBuf::from("me"),
    };
    Layout {
        v1: v1.iter().map(|name| hierarchy(name, &[name])).collect(),
        v2: (!v2.is_empty()).then(|| hierarchy("unified", v2)),
    }
}

fn written(layout: &Layout, json: &str) -> Result<Vec<String>> {
    let resources = serde_json::from_str(json).unwrap();
    let plan = plan(layout, Some(Path::new("/docker/x")), "x", Some(&resources), &mut Vec::new())?;
    let line = |folder: &Folder, write: &Write| {
        format!("{}/{}={}", folder.path.strip_prefix("/sys/fs/cgroup").unwrap().display(), write.file, write.text)
    };
    let lines = plan.folders.iter().flat_map(|folder| folder.writes.iter().map(move |write| line(folder, write)));
    Ok(lines.filter(|it| !it.contains("devices.")).collect())
}

const LIMITS: &str = r#"{"memory":{"limit":1000,"swap":3000,"reservation":500},"cpu":{"shares":1024,"quota":5000,"period":20000,"cpus":"0"},
    "pids":{"limit":-1},"blockIO":{"weight":500,"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":7}]},
    "hugepageLimits":[{"pageSize":"2MB","limit":9}]}"#;

#[test]
fn v1_and_v2_get_their_own_files() {
    let v1 = written(&layout(&["cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "devices"], &[]), LIMITS).unwrap();
    assert_eq!(
        v1,
        [
            "cpu/docker/x/cpu.shares=1024",
            "cpu/docker/x/cpu.cfs_period_us=20000",
            "cpu/docker/x/cpu.cfs_quota_us=5000",
            "cpuset/docker/x/cpuset.cpus=0",
            "memory/docker/x/memory.limit_in_bytes=1000",
            "memory/docker/x/memory.memsw.limit_in_bytes=3000",
            "memory/docker/x/memory.soft_limit_in_bytes=500",
            "pids/docker/x/pids.max=max",
            "blkio/docker/x/blkio.weight=500",
            "blkio/docker/x/blkio.throttle.read_bps_device=8:0 7",
            "hugetlb/docker/x/hugetlb.2MB.limit_in_bytes=9",
        ]
    );
    let v2 = written(&layout(&[], &["cpu", "cpuset", "memory", "pids", "io", "hugetlb"]), LIMITS).unwrap();
    let names: Vec<&str> = v2.iter().map(|it| it.strip_prefix("unified/docker/x/").unwrap()).collect();
    assert_eq!(
        names,
        [
            "cpu.weight=39",
            "cpu.max=5000 20000",
            "cpuset.cpus=0",
            "memory.swap.max=2000",
            "memory.max=1000",
            "memory.low=500",
            "pids.max=max",
            "io.weight=default 4950",
            "io.max=8:0 rbps=7",
            "hugetlb.2MB.max=9",
        ]
    );
}

#[test]
fn a_limit_without_its_controller_is_named() {
    for (json, field) in [
        (r#"{"memory":{"limit":1}}"#, "linux.resources.memory.limit"),
        (r#"{"pids":{"limit":5}}"#, "linux.resources.pids.limit"),
        (r#"{"unified":{"memory.high":"1"}}"#, "linux.resources.unified"),
    ] {
        let error = written(&layout(&["cpu", "devices"], &[]), json).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }
    let error = written(&layout(&[], &["cpu"]), r#"{"unified":{"../x.y":"1"}}"#).unwrap_err().to_string();
    assert!(error.contains("../x.y"), "{error}");
    assert_eq!(
        written(&layout(&[], &["cpu"]), r#"{"unified":{"memory.high":"1"}}"#).unwrap(),
        ["unified/docker/x/memory.high=1"]
    );
}

#[test]
fn paths_stay_below_the_hierarchy() {
    let layout = layout(&["devices"], &[]);
    let path = |path: Option<&str>| plan(&layout, path.map(Path::new), "id", None, &mut Vec::new()).map(|it| it.folders[0].path.clone());
    assert_eq!(path(None).unwrap(), Path::new("/sys/fs/cgroup/devices/me/id"));
    assert_eq!(path(Some("a/b")).unwrap(), Path::new("/sys/fs/cgroup/devices/me/a/b"));
    assert_eq!(path(Some("/a")).unwrap(), Path::new("/sys/fs/cgroup/devices/a"));
    assert!(path(Some("/a/../../x")).unwrap_err().to_string().contains("linux.cgroupsPath"));
    assert!(path(Some("system.slice:docker:x")).unwrap_err().to_string().contains("systemd"));
}

#[test]
fn device_rules_are_followed_in_order() {
    let rules = |json: &str| devices::normalise(&serde_json::from_str::<Vec<_>>(json).unwrap());
    let lines = |json: &str| {
        devices::writes(&rules(json).unwrap())
            .into_iter()
            .map(|it| format!("{} {}", it.file, it.text))
            .collect::<Vec<_>>()
    };
    let docker = lines(
        r#"[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":10,"minor":229,"access":"rw"},
            {"allow":false,"type":"c","major":10,"minor":229,"access":"w"},{"allow":true,"type":"b","major":7,"access":"r"}]"#,
    );
    assert_eq!(docker[..3], ["devices.deny a", "devices.allow c 10:229 r", "devices.allow b 7:* r"]);
    assert!(docker.contains(&"devices.allow c 136:* rwm".to_owned()) && docker.contains(&"devices.allow c *:* m".to_owned()));
    let privileged = lines(r#"[{"allow":true,"access":"rwm"},{"allow":false,"type":"c","major":1,"minor":1,"access":"rw"}]"#);
    assert_eq!(privileged, ["devices.allow a", "devices.deny c 1:1 rw"]);
    assert!(
        rules(r#"[{"allow":true,"type":"c","access":"x"}]"#)
            .unwrap_err()
            .to_string()
            .contains("devices[0].access")
    );
    assert!(rules(r#"[{"allow":true,"type":"a","major":1,"access":"rwm"}]"#).is_err());
}

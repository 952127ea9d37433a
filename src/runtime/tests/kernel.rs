//! What only a kernel can tell: containers made through this room's own functions, as the native engine makes them. Needs root.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "a test that is left out says so")]

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

use oci_spec::runtime::Spec;
use rcompose_runtime::plan::cgroup::Layout;
use rcompose_runtime::plan::{Choices, Host, plan};
use rcompose_runtime::{Container, Created, How, Named, Record, Start, Status, Told, create, host, overlay, start, wait_end};
use serde_json::{Value, json};

/// One stage at a time, also among processes: the control group has one name.
fn turn() -> File {
    let lock = File::create(std::env::temp_dir().join("rcompose-kernel-test.lock")).unwrap();
    lock.lock().unwrap();
    lock
}

struct Stage {
    folder: tempfile::TempDir,
    _turn: File,
}

impl Stage {
    fn set() -> Option<Self> {
        let turn = turn();
        let folder = tempfile::tempdir().unwrap();
        if fs::metadata("/proc/self").unwrap().uid() != 0 {
            println!("skipped: only root makes these containers");
            return None;
        }
        for below in ["rootfs/bin", "rootfs/proc", "rootfs/data"] {
            fs::create_dir_all(folder.path().join(below)).unwrap();
        }
        fs::copy("/bin/busybox", folder.path().join("rootfs/bin/busybox")).unwrap();
        for applet in ["sh", "cat", "sleep", "stat", "head", "id", "kill"] {
            symlink("busybox", folder.path().join("rootfs/bin").join(applet)).unwrap();
        }
        Some(Self { folder, _turn: turn })
    }

    fn path(&self, below: &str) -> std::path::PathBuf {
        self.folder.path().join(below)
    }

    /// A spec with a shell script; `extra` goes on top of `linux`.
    fn spec(&self, script: &str, mounts: Value, extra: Value) -> Spec {
        let mut linux = json!({ "namespaces": [{ "type": "mount" }, { "type": "pid" }, { "type": "ipc" }, { "type": "uts" }, { "type": "network" }],
            "cgroupsPath": "/rcompose-kernel-test" });
        for (key, value) in extra.as_object().unwrap() {
            linux[key] = value.clone();
        }
        let mut all = vec![json!({ "destination": "/proc", "type": "proc" })];
        all.extend(mounts.as_array().unwrap().iter().cloned());
        let spec = json!({ "ociVersion": "1.2.0", "root": { "path": "rootfs" }, "mounts": all, "linux": linux,
            "process": { "user": { "uid": 0, "gid": 0 }, "args": ["/bin/sh", "-c", script], "cwd": "/", "env": ["PATH=/bin"],
                "capabilities": { "bounding": ["CAP_MKNOD"], "effective": ["CAP_MKNOD"], "permitted": ["CAP_MKNOD"] } } });
        serde_json::from_value(spec).unwrap()
    }

    /// Makes a container that awaits its start, its output going to a file.
    fn create(&self, spec: &Spec, host: &Host) -> (Created, Container) {
        let planned = plan("kernel", spec, self.folder.path(), host, Choices::default()).unwrap();
        let (out, null) = (File::create(self.path("out")).unwrap(), File::open("/dev/null").unwrap());
        let socket = self.path("start");
        let how = How {
            start: Start::Later(&socket),
            stdio: Some([null.as_fd(), out.as_fd(), out.as_fd()]),
            ..How::default()
        };
        let created = create(&planned, how).unwrap_or_else(|error| panic!("{}", error.chain()));
        let group = |it: &rcompose_runtime::plan::cgroup::Folder| (it.path.clone(), it.mount.clone(), it.unified, it.controllers.clone());
        let record = Record {
            id: "kernel".to_owned(),
            pid: created.pid,
            began: created.began,
            boot: rcompose_runtime::boot(),
            bundle: planned.bundle.clone(),
            rootfs: planned.rootfs.clone(),
            created: String::new(),
            groups: planned.cgroup.folders.iter().map(group).collect(),
            no_pivot: false,
            hooked: false,
        };
        (created, Container::new(record, socket))
    }

    /// Runs to the end; what it said.
    fn run(&self, spec: &Spec, host: &Host) -> String {
        let (created, container) = self.create(spec, host);
        start(&self.path("start")).unwrap();
        assert!(wait_end(&created.pidfd, Some(std::time::Duration::from_secs(20))).unwrap());
        container.delete(true).unwrap();
        fs::read_to_string(self.path("out")).unwrap()
    }
}

/// The v2 hierarchy alone, as most hosts have it; here it lies beside v1.
fn unified() -> Option<Host> {
    let host = host::read().unwrap();
    if host.cgroups.v2.is_none() {
        println!("skipped: no cgroup v2 here");
        return None;
    }
    Some(Host { cgroups: Layout { v1: Vec::new(), v2: host.cgroups.v2.clone() }, ..host })
}

#[test]
fn devices_are_held_by_a_program_on_v2() {
    let (Some(stage), Some(host)) = (Stage::set(), unified()) else {
        return;
    };
    let script = "head -c 1 /dev/zero >/dev/null && echo zero; mknod /m c 10 229 && echo made; head -c 0 /m && echo open; echo x >/dev/fuse2; head -c 0 /dev/fuse2 && echo read";
    let mut rules = json!({ "devices": [{ "path": "/dev/fuse2", "type": "c", "major": 10, "minor": 229 }],
        "resources": { "devices": [{ "allow": false, "access": "rwm" }, { "allow": true, "type": "c", "major": 10, "minor": 229, "access": "r" }] } });
    symlink("busybox", stage.path("rootfs/bin/mknod")).unwrap();
    let dev = json!([{ "destination": "/dev", "type": "tmpfs", "source": "tmpfs" }]);
    let said = stage.run(&stage.spec(script, dev.clone(), rules.clone()), &host);
    assert!(
        said.contains("zero") && said.contains("made") && said.contains("read") && said.contains("can't create /dev/fuse2"),
        "{said}"
    );
    fs::remove_file(stage.path("rootfs/m")).unwrap();
    rules["resources"] = json!({ "devices": [{ "allow": false, "access": "rwm" }] });
    let said = stage.run(&stage.spec(script, dev.clone(), rules.clone()), &host);
    assert!(said.contains("zero") && said.contains("made") && !said.contains("read") && !said.contains("open"), "{said}");
    fs::remove_file(stage.path("rootfs/m")).unwrap();
    rules["resources"] = json!({ "devices": [{ "allow": true, "access": "rwm" }, { "allow": false, "type": "c", "major": 10, "minor": 229, "access": "rw" }] });
    let said = stage.run(&stage.spec(script, dev, rules), &host);
    assert!(said.contains("made") && !said.contains("read") && !said.contains("open"), "{said}");
}

#[test]
fn v2_freezes_and_kills_a_whole_container() {
    let (Some(stage), Some(host)) = (Stage::set(), unified()) else {
        return;
    };
    let (created, container) = stage.create(&stage.spec("sleep 100 & sleep 100 & sleep 100", json!([]), json!({})), &host);
    assert_eq!(container.status(), Status::Created);
    container.start().unwrap();
    assert_eq!(container.status(), Status::Running);
    while container.processes().len() < 3 {
        std::thread::yield_now();
    }
    container.pause().unwrap();
    assert_eq!(container.status(), Status::Paused);
    container.resume().unwrap();
    container.kill(9, true).unwrap();
    assert!(wait_end(&created.pidfd, Some(std::time::Duration::from_secs(10))).unwrap());
    assert_eq!(container.status(), Status::Stopped);
    container.delete(false).unwrap();
    assert!(!container.record().groups[0].0.exists());
}

#[test]
fn a_cgroup_namespace_of_v2_begins_at_the_container() {
    let (Some(stage), Some(host)) = (Stage::set(), unified()) else {
        return;
    };
    let extra = json!({ "namespaces": [{ "type": "mount" }, { "type": "pid" }, { "type": "cgroup" }] });
    let mounts = json!([{ "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"] }]);
    let said = stage.run(&stage.spec("cat /proc/self/cgroup; cat /sys/fs/cgroup/cgroup.procs", mounts, extra), &host);
    assert!(said.lines().any(|it| it == "0::/") && said.lines().any(|it| it == "1"), "{said}");
}

#[test]
fn ids_of_a_bind_are_shifted_where_asked() {
    let Some(stage) = Stage::set() else { return };
    fs::create_dir(stage.path("source")).unwrap();
    fs::write(stage.path("source/file"), "x").unwrap();
    let mount = json!([{ "destination": "/data", "type": "bind", "source": stage.path("source"), "options": ["bind"],
        "uidMappings": [{ "containerID": 0, "hostID": 5000, "size": 10 }], "gidMappings": [{ "containerID": 0, "hostID": 6000, "size": 10 }] }]);
    let said = stage.run(&stage.spec("stat -c %u:%g /data/file", mount, json!({})), &host::read().unwrap());
    assert_eq!(said.trim(), "5000:6000");
}

#[test]
fn clocks_of_a_time_namespace_are_moved() {
    let Some(stage) = Stage::set() else { return };
    let extra = json!({ "namespaces": [{ "type": "mount" }, { "type": "pid" }, { "type": "time" }], "timeOffsets": { "boottime": { "secs": 10_000_000, "nanosecs": 5 } } });
    let said = stage.run(&stage.spec("cat /proc/uptime", json!([]), extra), &host::read().unwrap());
    let seconds: f64 = said.split(' ').next().unwrap().parse().unwrap();
    assert!(seconds > 10_000_000.0, "{said}");
}

#[test]
fn read_only_reaches_the_mounts_below_where_asked() {
    let Some(stage) = Stage::set() else { return };
    fs::create_dir_all(stage.path("source/below")).unwrap();
    let below = Below::new(&stage.path("source/below"));
    for (option, refused) in [("rro", 2), ("ro", 1)] {
        let mount = json!([{ "destination": "/data", "type": "bind", "source": stage.path("source"), "options": ["rbind", option] }]);
        let said = stage.run(&stage.spec("echo x >/data/f; echo x >/data/below/f && echo wrote", mount, json!({})), &host::read().unwrap());
        assert_eq!(said.matches("Read-only").count(), refused, "{option}: {said}");
    }
    drop(below);
}

/// A tmpfs at a folder, while this lives.
struct Below(std::path::PathBuf);

impl Below {
    fn new(folder: &Path) -> Self {
        assert!(
            std::process::Command::new("mount")
                .args(["-t", "tmpfs", "x"])
                .arg(folder)
                .status()
                .unwrap()
                .success()
        );
        Self(folder.to_owned())
    }
}

impl Drop for Below {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn an_overlay_has_more_layers_than_a_page_of_paths() {
    let Some(stage) = Stage::set() else { return };
    let layers: Vec<_> = (0..120).map(|number| stage.path(&format!("layers/{}/{number}", "long".repeat(40)))).collect();
    for (number, layer) in layers.iter().enumerate() {
        fs::create_dir_all(layer).unwrap();
        fs::write(layer.join(format!("file{number}")), "x").unwrap();
        fs::write(layer.join("same"), number.to_string()).unwrap();
    }
    let tmpfs = Below::new(&stage.path("rootfs/data"));
    let (upper, work, merged) = (stage.path("rootfs/data/upper"), stage.path("rootfs/data/work"), stage.path("merged"));
    for folder in [&upper, &work, &merged] {
        fs::create_dir_all(folder).unwrap();
    }
    let lower: Vec<&Path> = layers.iter().map(std::path::PathBuf::as_path).collect();
    let mount = overlay::mount(&overlay::Overlay { lower: &lower, upper: Some((&upper, &work)), userxattr: false })
        .unwrap_or_else(|error| panic!("{}", error.chain()));
    overlay::attach(&mount, &merged).unwrap();
    let (first, names) = (fs::read_to_string(merged.join("same")).unwrap(), fs::read_dir(&merged).unwrap().count());
    fs::write(merged.join("new"), "x").unwrap();
    let written = upper.join("new").exists();
    drop(Below(merged));
    drop(tmpfs);
    assert_eq!((first.as_str(), names, written), ("0", 121, true), "the first layer is on top");
    let absent = stage.path("absent");
    let error = overlay::mount(&overlay::Overlay { lower: &[&absent], upper: None, userxattr: false }).unwrap_err();
    assert!(error.to_string().contains("absent"), "{error}");
}

/// Told to the process that begins to make a container and is killed.
const DYING: &str = "RCOMPOSE_KERNEL_TEST_DYING";

#[test]
fn a_first_process_whose_maker_is_killed_ends() {
    if let Some(told) = std::env::var_os(DYING) {
        return die(Path::new(&told));
    }
    let Some(stage) = Stage::set() else { return };
    let told = stage.path("told");
    let maker = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_first_process_whose_maker_is_killed_ends"])
        .env(DYING, &told)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(maker.signal(), Some(9));
    let process = Path::new("/proc").join(fs::read_to_string(&told).unwrap());
    let planned = plan(
        "kernel",
        &stage.spec("", json!([]), json!({})),
        stage.folder.path(),
        &host::read().unwrap(),
        Choices::default(),
    );
    let groups = planned.unwrap().cgroup.folders;
    let until = Instant::now() + Duration::from_secs(5);
    // A group can be removed once nobody is in it.
    while groups.iter().any(|it| fs::remove_dir(&it.path).is_err() && it.path.exists()) {
        assert!(Instant::now() < until, "{}", fs::read_to_string(process.join("status")).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Makes a container as far as that its process waits for its maker, and kills the maker.
fn die(told: &Path) {
    let kill = |named: Named| {
        fs::write(told, named.pid.to_string()).unwrap();
        std::process::Command::new("kill").args(["-9", &std::process::id().to_string()]).status().unwrap();
        Ok(())
    };
    let folder = told.parent().unwrap();
    let spec: Spec = serde_json::from_value(json!({ "ociVersion": "1.2.0", "root": { "path": "rootfs" },
        "linux": { "namespaces": [{ "type": "mount" }, { "type": "pid" }], "cgroupsPath": "/rcompose-kernel-test" },
        "process": { "user": { "uid": 0, "gid": 0 }, "args": ["/bin/sh"], "cwd": "/" } }))
    .unwrap();
    let planned = plan("kernel", &spec, folder, &host::read().unwrap(), Choices::default()).unwrap();
    let gate = folder.join("start");
    create(&planned, How { start: Start::Later(&gate), told: Some(Told(&kill)), ..How::default() }).unwrap();
}

//! OCI bundles of a static busybox.

use std::fs;
use std::path::{Path, PathBuf};

use rcompose_supervise::Task;
use serde_json::json;

use crate::rig::Rig;

const BUSYBOX: &str = "/bin/busybox";

/// Returns why no container can be made here; nothing where one can.
pub(crate) fn missing() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("not root");
    }
    if !Path::new(BUSYBOX).exists() {
        Some("no busybox (Debian: busybox-static)")
    } else {
        None
    }
}

pub(crate) fn cgroup(rig: &Rig, name: &str) -> String {
    let unique = rig.folder.path().file_name().unwrap().to_str().unwrap().trim_start_matches('.');
    format!("/supervise-{}-{unique}-{name}", std::process::id())
}

/// A task whose bundle runs a script in namespaces and a group of its own.
pub(crate) fn task(rig: &Rig, name: &str, script: &str, terminal: bool) -> Task {
    let mut task = rig.task(name, &[]);
    task.bundle = rig.folder.path().join("bundles").join(name);
    task.terminal = terminal;
    let root = task.bundle.join("rootfs");
    fs::create_dir_all(root.join("bin")).unwrap();
    fs::create_dir_all(root.join("proc")).unwrap();
    fs::copy(BUSYBOX, root.join("bin/busybox")).unwrap();
    for applet in ["sh", "sleep", "cat", "ls", "seq", "stty", "tty", "readlink"] {
        let _ = std::os::unix::fs::symlink("busybox", root.join("bin").join(applet));
    }
    let namespaces = ["pid", "mount", "ipc", "uts", "network"].map(|it| json!({ "type": it }));
    let spec = json!({
        "ociVersion": "1.2.0",
        "process": {
            "terminal": terminal, "user": { "uid": 0, "gid": 0 }, "cwd": "/",
            "args": ["/bin/sh", "-c", script], "env": ["PATH=/bin"], "noNewPrivileges": true,
        },
        "root": { "path": "rootfs" },
        "hostname": name,
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"] },
            { "destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666", "mode=0620"] },
        ],
        "linux": {
            "cgroupsPath": cgroup(rig, name),
            "namespaces": namespaces,
        },
    });
    fs::write(task.bundle.join("config.json"), serde_json::to_vec(&spec).unwrap()).unwrap();
    task
}

/// Changes the spec of a task's bundle.
pub(crate) fn patch(task: &Task, change: impl FnOnce(&mut serde_json::Value)) {
    let path = task.bundle.join("config.json");
    let mut spec = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut spec);
    fs::write(path, spec.to_string()).unwrap();
}

/// Folders of groups that are left of a container.
pub(crate) fn groups(rig: &Rig, name: &str) -> Vec<PathBuf> {
    let wanted = cgroup(rig, name);
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mounts = mounts.lines().filter(|it| it.contains(" - cgroup")).filter_map(|it| it.split(' ').nth(4));
    let mut found = Vec::new();
    for mount in mounts {
        let mut folders = vec![PathBuf::from(mount)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)
                .into_iter()
                .flatten()
                .flatten()
                .filter(|it| it.file_type().is_ok_and(|it| it.is_dir()))
            {
                if entry.path().ends_with(wanted.trim_start_matches('/')) {
                    found.push(entry.path());
                }
                folders.push(entry.path());
            }
        }
    }
    found
}

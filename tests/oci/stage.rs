//! A bundle, two runtimes, and what they leave.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// One stage at a time, also among processes: control groups have names, and the machine is small.
fn turn() -> File {
    let lock = File::create(std::env::temp_dir().join("rcompose-oci-test.lock")).unwrap();
    lock.lock().unwrap();
    lock
}

pub(crate) struct Stage {
    folder: tempfile::TempDir,
    name: &'static str,
    /// A process with namespaces of its own, for those that join them.
    other: Child,
    _turn: File,
}

pub(crate) struct Ran {
    pub(crate) ok: bool,
    pub(crate) status: Option<i32>,
    pub(crate) text: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = [output.stdout, output.stderr].concat();
        Self {
            ok: output.status.success(),
            status: output.status.code(),
            text: String::from_utf8_lossy(&text).into_owned(),
        }
    }
}

/// Returns whether a link like `net:[4026531840]` is of this process itself.
pub(crate) fn is_of_host(line: &str) -> bool {
    let Some(link) = line.strip_prefix("ns ") else { return false };
    let kind = link.split(':').next().unwrap_or_default();
    fs::read_link(format!("/proc/self/ns/{kind}")).is_ok_and(|own| own == Path::new(link))
}

/// Returns whether there is v2 and nothing else.
pub(crate) fn is_unified() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

impl Stage {
    /// Sets a stage, or says why there can be none.
    pub(crate) fn set(name: &'static str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: only root makes these containers");
            return None;
        }
        let turn = turn();
        let folder = tempfile::tempdir().unwrap();
        let other = Command::new("unshare")
            .args(["--net", "--uts", "--ipc", "sleep", "1000"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let stage = Self { folder, name, other, _turn: turn };
        for below in [
            "bundle/rootfs/bin",
            "bundle/rootfs/etc",
            "bundle/rootfs/tmp",
            "bundle/rootfs/proc",
            "bundle/rootfs/data/below",
            "data",
        ] {
            fs::create_dir_all(stage.path(below)).unwrap();
        }
        let root = stage.rootfs();
        let write = |path: PathBuf, text: &str| fs::write(path, text).unwrap();
        write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n");
        write(root.join("etc/secret"), "secret");
        write(root.join("data/file"), "below");
        write(root.join("data/below/deep"), "deep");
        write(stage.path("data/file"), "bound");
        symlink("/data", root.join("link")).unwrap();
        symlink("../../../../../tmp", root.join("out")).unwrap();
        let built = Command::new("gcc")
            .args(["-static", "-O1", "-o"])
            .arg(root.join("bin/probe"))
            .arg("tests/oci/probe.c")
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
        for applet in ["sh", "cat", "sleep", "ls", "echo", "kill", "touch", "mount", "ps", "id", "stat", "dd", "readlink"] {
            symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        Some(stage)
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(crate) fn bundle_folder(&self) -> PathBuf {
        self.path("bundle")
    }

    pub(crate) fn rootfs(&self) -> PathBuf {
        self.path("bundle/rootfs")
    }

    pub(crate) fn has_runc(&self) -> bool {
        Command::new("runc").arg("--version").output().is_ok_and(|it| it.status.success())
    }

    /// Writes docker's spec with changes: a merge patch, where `key+` adds to a list and `mounts-` takes mounts away.
    pub(crate) fn bundle(&self, patch: &Value) {
        let mut spec: Value = serde_json::from_str(include_str!("docker.json")).unwrap();
        merge(&mut spec, patch);
        let own = |kind: &str| format!("/proc/{}/ns/{kind}", self.other.id());
        let text = serde_json::to_string(&spec).unwrap();
        let text = text.replace("$DATA", self.path("data").to_str().unwrap());
        let text = text.replace("$NETNS", &own("net")).replace("$UTSNS", &own("uts")).replace("$IPCNS", &own("ipc"));
        let text = text.replace("$HOSTNET", &format!("/proc/{}/ns/net", std::process::id()));
        fs::write(self.path("bundle/config.json"), text).unwrap();
    }

    /// A call of a runtime; `ours` or `runc`.
    pub(crate) fn command(&self, runtime: &str) -> Command {
        let mut command = if runtime == "ours" {
            let mut command = Command::new(self.binary());
            command.arg("oci");
            command
        } else {
            Command::new(runtime)
        };
        command.arg("--root").arg(self.path(runtime)).stdin(Stdio::piped());
        command
    }

    /// Runs the bundle in the foreground, on a root as it was.
    pub(crate) fn run(&self, runtime: &str) -> Ran {
        for left in ["made", "made-by-cwd"] {
            let path = self.rootfs().join(left);
            let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
        }
        for entry in fs::read_dir(self.rootfs().join("tmp")).unwrap().flatten() {
            let _ = fs::remove_dir_all(entry.path()).or_else(|_| fs::remove_file(entry.path()));
        }
        Ran::of(
            self.command(runtime)
                .arg("run")
                .arg("--bundle")
                .arg(self.bundle_folder())
                .arg(format!("rcompose-test-{}", self.name))
                .output()
                .unwrap(),
        )
    }

    /// Runs a verb of ours.
    pub(crate) fn ours(&self, words: &[&str]) -> Ran {
        Ran::of(self.command("ours").args(words).output().unwrap())
    }

    /// The program under test; a copy of its own where an attack is aimed at it.
    pub(crate) fn binary(&self) -> PathBuf {
        let copy = self.path("rcompose");
        if copy.exists() { copy } else { PathBuf::from(env!("CARGO_BIN_EXE_rcompose")) }
    }

    /// Reads a file of the container's control group, by its name on v1 with the controller before it, and on v2.
    pub(crate) fn group(v1: &str, v2: &str) -> String {
        let (controller, file) = v1.split_once('/').unwrap();
        let first = Path::new("/sys/fs/cgroup").join(controller).join("rcompose-oci-test/case").join(file);
        let second = Path::new("/sys/fs/cgroup/rcompose-oci-test/case").join(v2);
        fs::read_to_string(first)
            .or_else(|_| fs::read_to_string(second))
            .unwrap_or_default()
            .trim()
            .to_owned()
    }

    /// What a runtime left: folders of its state, and control groups.
    pub(crate) fn leftovers(&self) -> Vec<PathBuf> {
        let state = fs::read_dir(self.path("ours")).into_iter().flatten().flatten().map(|it| it.path());
        let groups = fs::read_dir("/sys/fs/cgroup")
            .into_iter()
            .flatten()
            .flatten()
            .map(|it| it.path().join("rcompose-oci-test/case"))
            .chain([PathBuf::from("/sys/fs/cgroup/rcompose-oci-test/case")]);
        state.chain(groups).filter(|it| it.exists()).collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Also of a test that failed half way.
        for name in ["box".to_owned(), format!("rcompose-test-{}", self.name)] {
            let _ = self.command("ours").args(["delete", "--force", &name]).output();
        }
        let _ = self.other.kill().and_then(|()| self.other.wait());
        for entry in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            let _ = fs::remove_dir(entry.path().join("rcompose-oci-test"));
        }
        let _ = fs::remove_dir("/sys/fs/cgroup/rcompose-oci-test");
    }
}

fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = Value::Object(serde_json::Map::new());
    }
    for (key, value) in patch {
        if let Some(key) = key.strip_suffix('+') {
            let list = into[key].as_array_mut().unwrap();
            list.extend(value.as_array().unwrap().iter().cloned());
        } else if let Some(key) = key.strip_suffix('-') {
            into[key]
                .as_array_mut()
                .unwrap()
                .retain(|it| !value.as_array().unwrap().contains(&it["destination"]));
        } else if value.is_null() {
            into.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut into[key], value);
        }
    }
}

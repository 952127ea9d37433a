//! The first process of containers with `init: true`, in a pid namespace of its own. Needs root.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "a test that is left out says so")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

struct Stage {
    folder: tempfile::TempDir,
    init: PathBuf,
}

impl Stage {
    fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let init = folder.path().join("init");
        let stage = Self { folder, init };
        stage.file("init", rcompose_runtime::INIT, 0o755);
        stage
    }

    fn file(&self, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    /// Runs it as it is, with a search path.
    fn plain(&self, path: &str, words: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new("timeout");
        command.arg("20").arg(&self.init).args(words).env("PATH", path).stdin(Stdio::null());
        told(&command.output().unwrap())
    }

    /// Runs a script below it, which is the first of its pid namespace.
    fn first(&self, script: &str) -> (Option<i32>, String) {
        let mut command = Command::new("timeout");
        command
            .args(["20", "unshare", "--pid", "--fork", "--mount-proc", "--kill-child"])
            .arg(&self.init)
            .args(["--", "sh", "-c", script]);
        told(&command.stdin(Stdio::null()).output().unwrap())
    }
}

fn told(output: &Output) -> (Option<i32>, String) {
    (
        output.status.code(),
        String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned(),
    )
}

fn is(status: i32, text: &str) -> (Option<i32>, String) {
    (Some(status), text.to_owned())
}

#[test]
fn it_reaps_and_hands_signals_on() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        println!("skipped: only root makes namespaces");
        return;
    }
    let stage = Stage::set();
    let orphans =
        stage.first("for i in 1 2 3 4 5; do (sleep 0.05 & ) ; done; sleep 0.6; grep -l 'State:.Z' /proc/[0-9]*/status; echo $$; exit 7");
    assert_eq!(orphans, is(7, "2\n"), "no zombie is left");
    let signalled = stage.first("trap 'echo got; exit 4' TERM; kill -TERM 1; sleep 5 & wait");
    assert_eq!(signalled, is(4, "got\n"));
    assert_eq!(stage.first("kill -KILL $$").0, Some(137));
    // Signals that it holds back do not stay held back, and its own group is not the program's.
    let seen = stage.first("cut -d ' ' -f 5 /proc/1/stat /proc/$$/stat | tr '\\n' ' '; exec grep SigBlk /proc/self/status");
    assert_eq!(seen, is(0, "0 2 SigBlk:\t0000000000000000\n"));
}

#[test]
fn it_finds_the_program_as_a_shell_does() {
    let stage = Stage::set();
    let bin = stage.folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    stage.file("bin/script", b"echo \"got $*\"\n", 0o755);
    stage.file("data", b"echo no\n", 0o644);
    let path = |folders: &[&Path]| folders.iter().map(|it| it.to_str().unwrap()).collect::<Vec<_>>().join(":");
    let both = path(&[stage.folder.path(), Path::new("/no/such"), &bin, Path::new("/bin")]);
    assert_eq!(stage.plain(&both, &["--", "sh", "-c", "exit 3"]), is(3, ""));
    assert_eq!(stage.plain(&both, &["sh", "-c", "exit 3"]), is(3, ""));
    assert_eq!(stage.plain(&both, &["--", "script", "a", "b c"]), is(0, "got a b c\n"), "of no known format: by the shell");
    assert_eq!(stage.plain(&both, &["--", "data"]), is(126, "rcompose-init: data: permission denied\n"));
    assert_eq!(stage.plain(&both, &["--", "absent"]), is(127, "rcompose-init: absent: not found\n"));
    assert_eq!(stage.plain(&both, &["--", "/no/such"]), is(127, "rcompose-init: /no/such: not found\n"));
    assert_eq!(stage.plain(&both, &["--", ""]), is(127, "rcompose-init: : not found\n"));
    assert_eq!(
        stage.plain(&format!("{}:/bin", "x".repeat(5000)), &["--", "sh", "-c", "exit 3"]),
        is(3, ""),
        "a folder too long is passed over"
    );
    let long = "y".repeat(5000);
    assert_eq!(stage.plain(&both, &["--", &long]), is(127, &format!("rcompose-init: {long}: not found\n")));
    assert_eq!(stage.plain(&both, &["--"]), is(127, "rcompose-init: names no program\n"));
}

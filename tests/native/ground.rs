//! A native engine in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rcompose_engine_adapter::{EngineError, ErrorKind};
use rcompose_native::{Native, Setup};

/// The program under test, which is shim and guardian too.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_rcompose");
/// The image that the tests run.
pub(crate) const IMAGE: &str = "rcompose-test/shell:1";

/// What Debian's busybox lacks: prints a variable, and fails where it is not set.
const PRINTENV: &str = "#!/bin/sh\neval \"[ -n \\\"\\${$1+set}\\\" ]\" || exit 1\neval \"echo \\\"\\$$1\\\"\"\n";
/// Programs of busybox that the tests use.
const APPLETS: [&str; 37] = [
    "sh", "sleep", "cat", "seq", "id", "pwd", "true", "false", "stat", "ls", "echo", "env", "grep", "wc", "mkdir", "rm", "touch", "kill",
    "ps", "stty", "tty", "hostname", "ip", "ping", "nc", "nslookup", "mount", "df", "head", "tail", "date", "dd", "chmod", "httpd", "test",
    "mv", "ln",
];

/// Where an engine works; everything of it goes with the value.
pub(crate) struct Ground {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) native: Arc<Native>,
}

impl Ground {
    /// Makes one; nothing where the tests cannot run.
    pub(crate) fn new() -> Option<Self> {
        let required = std::env::var_os("RCOMPOSE_REQUIRE_ENGINE").is_some();
        if !rustix::process::geteuid().is_root() {
            assert!(!required, "the native engine needs root");
            eprintln!("left out: the native engine needs root");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("rcompose-native.").tempdir_in("/var/tmp").unwrap();
        let native = Arc::new(open(&folder.path().join("root")));
        let ground = Self { folder, native };
        ground.import();
        Some(ground)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn import(&self) {
        let archive = archive(self.folder.path());
        self.ok(&["image", "import", "--change", "ENV PATH=/bin", archive.to_str().unwrap(), IMAGE]);
    }

    /// Runs the program on this engine.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.env("RCOMPOSE_ROOT", self.root()).env("RCOMPOSE_ENGINE", "native").args(words);
        command
    }

    /// Runs it; it must succeed.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// Makes the archive of the image that the tests run.
pub(crate) fn archive(folder: &Path) -> PathBuf {
    let tree = folder.join("image");
    for folder in ["bin", "etc", "tmp", "root", "var", "home/user"] {
        std::fs::create_dir_all(tree.join(folder)).unwrap();
    }
    std::fs::copy("/bin/busybox", tree.join("bin/busybox")).unwrap();
    for applet in APPLETS {
        std::os::unix::fs::symlink("busybox", tree.join("bin").join(applet)).unwrap();
    }
    std::fs::write(tree.join("bin/printenv"), PRINTENV).unwrap();
    std::fs::set_permissions(tree.join("bin/printenv"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(tree.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n").unwrap();
    std::fs::write(tree.join("etc/group"), "root:x:0:\nuser:x:1000:\nwheel:x:10:user\n").unwrap();
    let archive = folder.join("image.tar");
    let tar = Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(&tree).arg(".").status().unwrap();
    assert!(tar.success());
    archive
}

pub(crate) fn open(root: &Path) -> Native {
    let unreached = || Err(EngineError::new(ErrorKind::Unreachable, "no registry is asked in this test"));
    let setup = Setup {
        root: root.to_owned(),
        run: root.join("run"),
        program: Some(PROGRAM.into()),
        registries: Arc::new(unreached),
        version: "test".into(),
        ahead: rcompose_native::Ahead::default(),
    };
    Native::open(setup).unwrap()
}

//! A machine for a test: namespaces of processes, mounts and network, and a disk of its own, which can lose its power.
//!
//! Whatever is started through it is in these namespaces, so it goes with them, and what is left there is all that is left. The thread
//! of the test moves into the network and starts its processes there.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::ground::{IMAGE, PROGRAM, archive};

/// How long a command may take that is not measured.
const LONG: Duration = Duration::from_secs(120);
/// The first process: whatever loses its parent is reaped, since nobody asks for its status.
const FIRST: &str = "$SIG{CHLD} = 'IGNORE'; exec 'sleep', '1000000'";
/// Stops a file system as a loss of power does: with `EXT4_GOING_FLAGS_NOLOGFLUSH` nothing more gets to the disk, the journal's last
/// entries included. Source: fs/ext4/ext4.h, `EXT4_IOC_SHUTDOWN`.
const SHUTDOWN: &str = "my $flags = pack('L', 2); open(F, '<', $ARGV[0]) or die; ioctl(F, 0x8004587D, $flags) or die $!;";

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) struct Machine {
    folder: tempfile::TempDir,
    pub(crate) project: String,
    variables: Vec<(String, String)>,
    keeper: Option<Child>,
    init: i32,
    boots: u32,
}

impl Machine {
    /// Makes one with a disk of so many MiB and starts it; nothing where the tests cannot run.
    pub(crate) fn new(name: &str, size: u32, compose: &str) -> Option<Self> {
        let required = std::env::var_os("RCOMPOSE_REQUIRE_ENGINE").is_some();
        let lacking = ["unshare", "nsenter", "mkfs.ext4", "perl", "ip"].into_iter().find(|it| !is_program(it));
        if !rustix::process::geteuid().is_root() || lacking.is_some() || !Path::new("/dev/loop-control").exists() {
            assert!(!required, "a machine of its own needs root, loop devices and {lacking:?}");
            eprintln!("left out: a machine of its own needs root, loop devices and {lacking:?}");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("rcompose-machine.").tempdir_in("/var/tmp").unwrap();
        File::create(folder.path().join("disk.img")).unwrap().set_len(u64::from(size) << 20).unwrap();
        let made = Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(folder.path().join("disk.img")).status();
        assert!(made.unwrap().success());
        fs::create_dir(folder.path().join("disk")).unwrap();
        fs::write(folder.path().join("compose.yaml"), compose).unwrap();
        // Its own on the host, whose control groups all machines share.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let project = format!("rcm{}x{}{name}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut machine = Self { folder, project, variables: Vec::new(), keeper: None, init: 0, boots: 0 };
        machine.start();
        let archive = archive(machine.folder.path());
        machine.bare(&["image", "import", "--change", "ENV PATH=/bin", archive.to_str().unwrap(), IMAGE]);
        Some(machine)
    }

    /// Starts the machine, as another boot than the last one.
    pub(crate) fn start(&mut self) {
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "perl", "-e", FIRST]);
        let keeper = unshare.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let children = format!("/proc/{0}/task/{0}/children", keeper.id());
        self.keeper = Some(keeper);
        let is_first = |pid: &i32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|it| it.starts_with(b"sleep\0"));
        self.init = wait_for("the first process", || fs::read_to_string(&children).ok()?.trim().parse().ok().filter(is_first));
        enter(&self.init.to_string());
        self.boots += 1;
        let boot = self.folder.path().join("boot");
        fs::write(&boot, format!("{:08x}-0000-4000-8000-{:012x}\n", std::process::id(), self.boots)).unwrap();
        let (image, disk) = (self.folder.path().join("disk.img"), self.disk());
        let run = self.root().join("run");
        self.inside(&["mount", "-o", "loop", text(&image), text(&disk)]);
        self.inside(&["mkdir", "-p", text(&run)]);
        self.inside(&["mount", "-t", "tmpfs", "run", text(&run)]);
        self.inside(&["mount", "--bind", text(&boot), "/proc/sys/kernel/random/boot_id"]);
        self.inside(&["ip", "link", "set", "lo", "up"]);
    }

    /// Begins something, and takes the power away after a while: nothing more gets to the disk, and every process is gone. Tells whether
    /// it was still at it.
    pub(crate) fn lose_power_during(&mut self, words: &[&str], moment: Duration, just_before: impl FnOnce()) -> bool {
        let mut child = self.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(moment);
        let ended = child.try_wait().unwrap().is_some();
        just_before();
        self.inside(&["perl", "-e", SHUTDOWN, text(&self.disk())]);
        self.end(Some(child));
        !ended
    }

    /// Ends every process and everything in memory.
    fn end(&mut self, child: Option<Child>) {
        let Some(mut keeper) = self.keeper.take() else { return };
        let _ = kill_process(Pid::from_raw(self.init).unwrap(), Signal::KILL);
        // The first process is gone once all others are, and one is when its parent has asked for its status.
        if let Some(mut child) = child {
            child.wait().unwrap();
        }
        keeper.wait().unwrap();
        // Where there is no first process, nothing can be started.
        enter("self");
        // What holds the disk goes with the last process, which the kernel may still be at.
        let image = fs::canonicalize(self.folder.path().join("disk.img")).unwrap();
        let is_loop = |it: fs::DirEntry| {
            let file = fs::read_to_string(it.path().join("loop/backing_file"));
            file.is_ok_and(|it| Path::new(it.trim_end()) == image)
        };
        wait_for("the disk is let go", || (!fs::read_dir("/sys/block").unwrap().flatten().any(is_loop)).then_some(()));
        groups(&self.project).iter().for_each(|it| remove_group(it));
    }

    pub(crate) fn disk(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.disk().join("root")
    }

    /// The compose file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("compose.yaml")
    }

    /// A path of the machine, as the test reaches it.
    pub(crate) fn seen(&self, path: &Path) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{}", self.init, path.display()))
    }

    /// The first process, by its number here.
    pub(crate) fn first(&self) -> i32 {
        self.init
    }

    /// Sets a variable for every later command.
    pub(crate) fn variable(&mut self, key: &str, value: &str) {
        self.variables.retain(|(name, _)| name != key);
        self.variables.push((key.to_owned(), value.to_owned()));
    }

    fn entered(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.init)).arg(program).stdin(Stdio::null());
        command
    }

    /// Runs another program, which must succeed.
    pub(crate) fn inside(&self, words: &[&str]) {
        let output = self.entered(words[0]).args(&words[1..]).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn program(&self, words: &[&str]) -> Command {
        // A campaign has its own, so that the one under test is not built anew meanwhile.
        let mut command = self.entered(&std::env::var("RCOMPOSE_PROGRAM").unwrap_or(PROGRAM.to_owned()));
        command.args(words).env("RCOMPOSE_ROOT", self.root()).env("RCOMPOSE_ENGINE", "native");
        command
            .env("XDG_STATE_HOME", self.disk().join("state"))
            .envs(self.variables.iter().map(|(key, value)| (key, value)));
        command
    }

    /// Runs the program without a project; it must succeed.
    pub(crate) fn bare(&self, words: &[&str]) -> Said {
        checked(words, finish(self.program(words), words, LONG, self.folder.path()))
    }

    /// The program on the project.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let file = self.file();
        let mut all = vec!["-f", text(&file), "-p", &self.project, "--ansi", "never"];
        all.extend(words);
        self.program(&all)
    }

    /// Runs it to its end, which must come within a time.
    pub(crate) fn run_within(&self, words: &[&str], limit: Duration) -> Said {
        finish(self.command(words), words, limit, self.folder.path())
    }

    pub(crate) fn run(&self, words: &[&str]) -> Said {
        self.run_within(words, LONG)
    }

    /// Runs it; it must succeed.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        checked(words, self.run(words)).out
    }

    /// Runs it, and SIGKILLs it after a while; tells whether it had not ended by then.
    pub(crate) fn cut(&self, words: &[&str], moment: Duration) -> bool {
        let mut child = self.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(moment);
        let ended = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        !ended
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.end(None);
    }
}

/// Moves the thread into the network of a process, and what it starts among the processes there.
fn enter(process: &str) {
    for (name, kind) in [("net", LinkNameSpaceType::Network), ("pid", LinkNameSpaceType::ProcessID)] {
        let namespace = File::open(format!("/proc/{process}/ns/{name}")).unwrap();
        move_into_link_name_space(namespace.as_fd(), Some(kind)).unwrap();
    }
}

fn checked(words: &[&str], said: Said) -> Said {
    assert!(said.status.success(), "{words:?}: {}", said.err);
    said
}

/// Runs a command to its end. Files and not pipes take what it says: whoever it leaves behind must not keep them open for us.
fn finish(mut command: Command, words: &[&str], limit: Duration, folder: &Path) -> Said {
    let paths = ["out", "err"].map(|it| folder.join(it));
    let [out, err] = [0, 1].map(|it| File::create(&paths[it]).unwrap());
    let mut child = command.stdout(out).stderr(err).spawn().unwrap();
    let until = Instant::now() + limit;
    let read = |at: usize| String::from_utf8_lossy(&fs::read(&paths[at]).unwrap()).into_owned();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Said { status, out: read(0), err: read(1) };
        }
        if Instant::now() > until {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{words:?} takes more than {limit:?}: {} {}", read(0), read(1));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn is_program(name: &str) -> bool {
    let folders = std::env::var("PATH").unwrap_or_default();
    folders.split(':').any(|it| Path::new(it).join(name).exists())
}

/// Waits for something.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < until, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The folders of control groups of a project.
pub(crate) fn groups(project: &str) -> Vec<PathBuf> {
    let base = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(base).into_iter().flatten().flatten().map(|it| it.path()).chain([base.to_owned()]);
    hierarchies.map(|it| it.join("rcompose").join(project)).filter(|it| it.is_dir()).collect()
}

/// With the power, the control groups of a real machine are gone; these are the host's.
fn remove_group(group: &Path) {
    for entry in fs::read_dir(group)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|it| it.file_type().is_ok_and(|it| it.is_dir()))
    {
        remove_group(&entry.path());
    }
    // A process may be on its way out.
    wait_for("a control group is empty", || (!group.exists() || fs::remove_dir(group).is_ok()).then_some(()));
}

//! How a container's first process comes to be: behind a narrow seam, in a child that ends when it is made.
//!
//! The child plans and launches, so that all memory this takes goes with it; the shim is a subreaper, and inherits the process.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use oci_spec::runtime::LinuxResources;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::FlockOperation;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{WaitOptions, waitpid};

use crate::error::{Result, SuperviseError};
use crate::exec::Exec;
use crate::identity::Identity;
use crate::kernel;
use crate::parcel::{self, FromLauncher, Held, Tag};
use crate::place::Place;
use crate::record::{Phase, Record};
use crate::task::Task;

/// Standard streams for a container.
#[derive(Debug)]
pub struct Streams {
    /// Standard input.
    pub input: OwnedFd,
    /// Standard output.
    pub output: OwnedFd,
    /// Standard error.
    pub error: OwnedFd,
}

/// A first process that waits at its gate, a child of its maker.
#[derive(Debug)]
pub struct Made {
    /// Its number.
    pub pid: i32,
    /// A descriptor of it.
    pub pidfd: OwnedFd,
    /// The other side of its terminal, if it has one.
    pub master: Option<OwnedFd>,
    /// What is not as asked, though it can run.
    pub warnings: Vec<String>,
}

/// Makes containers. Errors are in words.
pub trait Launcher {
    /// Makes the first process; it waits at [`Place::gate`]. Called in a child of the shim that ends right after.
    ///
    /// # Errors
    /// Nothing of the container is left.
    fn make(&self, place: &Place, task: &Task, streams: Option<Streams>) -> Result<Made, String>;

    /// Opens the gate; an open one stays open. Called in the shim.
    ///
    /// # Errors
    /// The program cannot be run.
    fn open_gate(&self, place: &Place) -> Result<(), String>;

    /// Kills every process of the container, the first one among them.
    fn kill(&self, place: &Place, task: &Task, who: &Identity);

    /// Removes what is left once the first process has ended, further processes among it; without one, what a launch left that was cut off.
    ///
    /// # Errors
    /// Something stays.
    fn clean(&self, place: &Place, task: &Task, who: Option<&Identity>) -> Result<(), String>;

    /// Makes a further process of a container that runs, which runs at once; without streams it has a terminal. Called in a child of the
    /// shim that ends right after.
    ///
    /// # Errors
    /// Nothing of the process is left.
    fn exec(&self, _: &Place, _: &Task, _: &Exec, _: Option<Streams>) -> Result<Made, String> {
        Err("no further process can be run in it".to_owned())
    }

    /// Freezes every process, or lets them go on. Called in the shim.
    ///
    /// # Errors
    /// They cannot be frozen here.
    fn freeze(&self, _: &Place, _: &Task, _: bool) -> Result<(), String> {
        Err("its processes cannot be frozen".to_owned())
    }

    /// Returns whether the processes are frozen.
    fn is_frozen(&self, _: &Place, _: &Task) -> bool {
        false
    }

    /// Sets other limits of a container that runs; returns warnings. Called in the shim.
    ///
    /// # Errors
    /// A limit cannot be set; the field is named.
    fn limit(&self, _: &Place, _: &Task, _: &LinuxResources) -> Result<Vec<String>, String> {
        Err("its limits cannot be changed".to_owned())
    }

    /// Returns how many processes of this run were ended for want of memory; nothing where nobody counts.
    fn memory_kills(&self, _: &Place, _: &Task) -> Option<u64> {
        None
    }

    /// Returns a descriptor that can be read when that number may have changed; the caller reads it empty.
    fn watch_memory(&self, _: &Place, _: &Task) -> Option<OwnedFd> {
        None
    }
}

/// What a launch gave.
pub(crate) struct Launched {
    pub(crate) who: Identity,
    pub(crate) pidfd: OwnedFd,
    pub(crate) master: Option<OwnedFd>,
    pub(crate) warnings: Vec<String>,
}

/// Opens the container's side of a stream. Both ways, so that a writer is never without a reader, and no SIGPIPE ends it when both shim
/// and guardian are gone; a description of its own, so that it blocks while the shim's does not.
fn theirs(path: &Path, both_ways: bool) -> Result<OwnedFd> {
    let opened = File::options().read(true).write(both_ways).open(path);
    opened.map(OwnedFd::from).map_err(SuperviseError::file("open", path))
}

pub(crate) fn launch(launcher: &dyn Launcher, place: &Place, task: &Task, record: &Record) -> Result<Launched> {
    let (ours, child) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(SuperviseError::step("make a pair of sockets"))?;
    let pid = kernel::fork(|| {
        // Nothing of the shim may live on in a process that waits at the gate: its peers would not see it die.
        kernel::close_all_but(&[child.as_fd()]);
        kernel::lower_descriptors();
        let said = inside(&child, launcher, place, task, record);
        let (said, held) = said.unwrap_or_else(|error| (FromLauncher::Failed { reason: error }, Held::new()));
        let sent = parcel::send(&child, &said, &parcel::lend(&held));
        // Nobody hears: the shim was killed, and its successor must find nothing.
        if let (Err(_), FromLauncher::Made { who, .. }) = (sent, &said) {
            launcher.kill(place, task, who);
            let _ = launcher.clean(place, task, Some(who));
        }
        0
    })
    .map_err(SuperviseError::step("fork"))?;
    drop(child);
    let heard = parcel::receive::<FromLauncher>(&ours);
    // Reaped first: from here on the container's first process is a child of this one.
    while let Err(rustix::io::Errno::INTR) = waitpid(Some(pid), WaitOptions::empty()) {}
    match heard {
        Ok((FromLauncher::Made { who, warnings }, mut held)) => {
            let pidfd = held.remove(&Tag::Process);
            let pidfd = pidfd.ok_or_else(|| SuperviseError::Launch { reason: "the launcher sent no process descriptor".to_owned() })?;
            Ok(Launched { who, pidfd, master: held.remove(&Tag::Master), warnings })
        }
        Ok((FromLauncher::Failed { reason }, _)) => Err(SuperviseError::Launch { reason }),
        Err(error) => {
            // It was killed; what it made waits for nobody.
            if let Ok(Some(Record { phase: Phase::Made(who), .. })) = Record::read(&task.record()) {
                launcher.kill(place, task, &who);
            }
            let left = launcher.clean(place, task, None).err().map(|it| format!("; and it left something: {it}"));
            Err(SuperviseError::Launch { reason: format!("the launcher died before it reported: {error}{}", left.unwrap_or_default()) })
        }
    }
}

/// Begins to make a further process; returns where [`FromLauncher`] is heard. Without waiting: in a container that is being frozen this
/// may take for as long as it is.
pub(crate) fn launch_further(
    launcher: &dyn Launcher,
    place: &Place,
    task: &Task,
    exec: &Exec,
    streams: Option<Streams>,
) -> Result<OwnedFd> {
    let (ours, child) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(SuperviseError::step("make a pair of sockets"))?;
    kernel::fork(|| {
        let mut kept = vec![child.as_fd()];
        kept.extend(streams.iter().flat_map(|it| [it.input.as_fd(), it.output.as_fd(), it.error.as_fd()]));
        kernel::close_all_but(&kept);
        kernel::lower_descriptors();
        let made = kernel::unblock_signals()
            .map_err(|error| format!("let signals through: {error}"))
            .and_then(|()| launcher.exec(place, task, exec, streams))
            .and_then(|made| {
                let who = Identity::of(made.pid, made.pidfd.as_fd()).ok_or("the process ended before it began")?;
                Ok((who, made))
            });
        let (said, held) = match made {
            Err(reason) => (FromLauncher::Failed { reason }, Held::new()),
            Ok((who, made)) => {
                let mut held: Held = BTreeMap::from([(Tag::Process, made.pidfd)]);
                held.extend(made.master.map(|it| (Tag::Master, it)));
                (FromLauncher::Made { who, warnings: made.warnings }, held)
            }
        };
        // Nobody hears: the shim was killed, and its successor would not know of the process.
        if let (Err(_), Some(process)) = (parcel::send(&child, &said, &parcel::lend(&held)), held.get(&Tag::Process)) {
            let _ = kernel::signal(process.as_fd(), libc::SIGKILL);
        }
        0
    })
    .map_err(SuperviseError::step("fork"))?;
    rustix::io::ioctl_fionbio(&ours, true).map_err(SuperviseError::step("make a socket non-blocking"))?;
    Ok(ours)
}

/// Waits until no launching child of an earlier shim is at work any more.
pub(crate) fn await_others(place: &Place) -> Result<()> {
    let path = place.launch_lock();
    lock(&path, FlockOperation::LockExclusive).map(drop).map_err(SuperviseError::file("lock", path))
}

/// Takes the lock of launching: one of a process (fcntl(2)), so that the container's own does not inherit it.
fn lock(path: &Path, how: FlockOperation) -> std::io::Result<File> {
    let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    rustix::fs::fcntl_lock(&file, how)?;
    Ok(file)
}

fn inside(shim: &OwnedFd, launcher: &dyn Launcher, place: &Place, task: &Task, record: &Record) -> Result<(FromLauncher, Held), String> {
    kernel::unblock_signals().map_err(|error| format!("let signals through: {error}"))?;
    let words = |error: SuperviseError| error.chain();
    let locked = lock(&place.launch_lock(), FlockOperation::NonBlockingLockExclusive);
    let _locked = locked.map_err(|error| format!("take the lock of launching: {error}"))?;
    // Asked with the lock held: whoever takes the shim's place from here on waits for this child.
    if rustix::event::poll(&mut [PollFd::new(shim, PollFlags::IN)], Some(&Timespec::default())) != Ok(0) {
        return Err("the shim is gone".to_owned());
    }
    let streams = if task.terminal {
        None
    } else {
        let input = match task.input {
            crate::task::Input::None => theirs(Path::new("/dev/null"), false).map_err(words)?,
            crate::task::Input::Open => theirs(&place.pipe("in"), false).map_err(words)?,
        };
        Some(Streams {
            input,
            output: theirs(&place.pipe("out"), true).map_err(words)?,
            error: theirs(&place.pipe("err"), true).map_err(words)?,
        })
    };
    let made = launcher.make(place, task, streams)?;
    let who = Identity::of(made.pid, made.pidfd.as_fd()).ok_or("the first process ended before it began")?;
    // Written before anybody else can know of it, so that a killed shim leaves no process that nobody knows.
    let record = Record { phase: Phase::Made(who.clone()), ..record.clone() };
    if let Err(error) = record.write(&task.record()) {
        launcher.kill(place, task, &who);
        let _ = launcher.clean(place, task, Some(&who));
        return Err(error.chain());
    }
    let mut held: Held = BTreeMap::from([(Tag::Process, made.pidfd)]);
    held.extend(made.master.map(|it| (Tag::Master, it)));
    Ok((FromLauncher::Made { who, warnings: made.warnings }, held))
}

/// Lends nothing.
pub(crate) fn nothing() -> BTreeMap<Tag, BorrowedFd<'static>> {
    BTreeMap::new()
}

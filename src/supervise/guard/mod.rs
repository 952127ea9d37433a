//! The guardian: one for each project, for as long as a shim lives.

mod holding;
mod kept;
mod peers;
mod serving;
mod spoken;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::net::SocketType;
use rustix::process::{Rlimit, getpid, set_child_subreaper};

use crate::error::{Result, SuperviseError};
use crate::identity;
use crate::kernel;
use crate::launch::nothing;
use crate::parcel::{self, FromGuardian, Reaped, ToGuardian};
use crate::place::{self, Project};
use crate::poll::{Poll, Ready};
use crate::record::{Phase, Record};
use crate::socket;
use crate::task::Task;
use holding::Holding;
use kept::Kept;
pub(crate) use kept::tagged;
use peers::Peer;
use serving::Serving;

/// The word under which the program is a shim.
pub(crate) const SHIM: &str = "__shim";
/// The word under which the program is a guardian.
pub(crate) const GUARDIAN: &str = "__guard";
/// The program itself, also when its file was replaced meanwhile.
pub(crate) const SELF: &str = "/proc/self/exe";

/// How long a guardian with nothing to guard waits for somebody to ask.
const IDLE: Duration = Duration::from_secs(1);
/// How long it waits until it looks again for shims that have not said that they are there, at first and at last.
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LAST_LOOK: Duration = Duration::from_secs(5);
/// How long another guardian may take from its lock to its socket.
const OTHER: Duration = Duration::from_secs(3);

const LISTENER: u64 = 0;
const SIGNALS: u64 = 1;
const FIRST_PEER: u64 = 16;

struct Guardian {
    project: Project,
    poll: Poll,
    listener: OwnedFd,
    signals: OwnedFd,
    peers: BTreeMap<u64, Peer>,
    count: u64,
    holdings: BTreeMap<String, Holding>,
    /// Processes that were left to it and are nobody's first: further ones of containers whose shim was killed.
    others: Vec<Reaped>,
    /// Numbers of shims that have said that they go, and are not reaped yet.
    departed: BTreeSet<i32>,
    kept: Kept,
    serving: Serving,
    /// What is served is to be looked at again.
    serves_late: bool,
    /// It was told to go.
    leaving: bool,
    /// The limit of descriptors that it was started with, and that shims get.
    descriptors: Rlimit,
    /// The nice value that it was started with, and that shims get.
    nice: i32,
    /// Since when there is nothing to guard.
    idle: Option<Duration>,
    /// When it looks again for containers that nobody has spoken for, and how long it waits then.
    look: Option<(Duration, Duration)>,
}

/// Starts a guardian, unless one is there. Returns when its socket is.
///
/// # Errors
/// It cannot be started; its words are in the error.
pub(crate) fn start(program: &Path, project: &Project) -> Result<()> {
    let mut command = Command::new(program);
    command
        .arg(GUARDIAN)
        .arg(project.folder())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    kernel::lower_descriptors_of(&mut command);
    let output = command.output().map_err(SuperviseError::file("run", program))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(SuperviseError::NoGuardian { path: project.folder().to_owned(), said })
}

/// Becomes the guardian of a project, in the background; returns in the foreground when its socket is there, or another guardian's.
///
/// # Errors
/// The folder or the socket cannot be made.
pub fn run(folder: &Path) -> Result<()> {
    kernel::close_inherited();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    kernel::block_signals().map_err(SuperviseError::step("hold back signals"))?;
    let project = Project::new(folder.to_owned());
    let Some(mut lock) = lock(&project)? else {
        return other(&project);
    };
    let listener =
        socket::serve(&project.socket(), SocketType::SEQPACKET).map_err(SuperviseError::file("make the socket", project.socket()))?;
    let pid = kernel::fork(|| {
        // Apart from whoever started it: no terminal, no pipe of it is kept open.
        let _ = rustix::process::setsid();
        let apart = apart();
        let _ = lock.set_len(0).and_then(|()| lock.write_all(format!("{}\n", std::process::id()).as_bytes()));
        let guarded = apart.and_then(|()| Guardian::new(project.clone(), listener)).and_then(|mut it| it.attend());
        u8::from(guarded.is_err())
    });
    pid.map(drop).map_err(SuperviseError::step("fork"))
}

/// Takes the lock of a project's guardian; nothing if another has it.
fn lock(project: &Project) -> Result<Option<File>> {
    let path = project.lock();
    loop {
        place::private(project.folder())?;
        let opened = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = opened.map_err(SuperviseError::file("open", &path))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(errno) => return Err(SuperviseError::file("lock", path)(errno.into())),
        }
        // The project may just have been taken away, and the file with it: who locks that locks nothing.
        let (held, there) = (lock.metadata().map(|it| it.ino()), std::fs::metadata(&path).map(|it| it.ino()));
        if matches!((held, there), (Ok(held), Ok(there)) if held == there) {
            return Ok(Some(lock));
        }
    }
}

/// Takes away what a project whose containers are forgotten left: its guardian goes, and its folder. An absent one is away.
///
/// # Errors
/// A container is left, or something is kept; or the folder cannot be removed.
pub fn forget_project(project: &Project) -> Result<()> {
    let refused = |reason: String| SuperviseError::Refused { reason };
    if let Some(place) = project.containers()?.first() {
        return Err(refused(format!("the container {} is left: forget it first", place.name())));
    }
    if let Ok(socket) = socket::call(&project.socket(), SocketType::SEQPACKET)
        && parcel::send(&socket, &ToGuardian::Leave, &nothing()).is_ok()
    {
        while let Ok((said, _)) = parcel::receive::<FromGuardian>(&socket) {
            if let FromGuardian::Refused { reason } = said {
                return Err(refused(reason));
            }
        }
    }
    let until = Instant::now() + OTHER;
    while project.folder().exists() {
        if let Some(_lock) = lock(project)? {
            return std::fs::remove_dir_all(project.folder()).map_err(SuperviseError::file("remove", project.folder()));
        }
        if Instant::now() > until {
            return Err(refused(format!("the guardian of {} does not go", project.folder().display())));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Waits until the guardian that holds the lock can be reached.
fn other(project: &Project) -> Result<()> {
    let until = Instant::now() + OTHER;
    loop {
        match socket::call(&project.socket(), SocketType::SEQPACKET) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > until => return Err(SuperviseError::file("connect to", project.socket())(error)),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn apart() -> Result<()> {
    let null = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(SuperviseError::file("open", "/dev/null"))?;
    let step = || SuperviseError::step::<rustix::io::Errno>("leave the standard streams");
    rustix::stdio::dup2_stdin(&null).map_err(step())?;
    rustix::stdio::dup2_stdout(&null).map_err(step())?;
    rustix::stdio::dup2_stderr(&null).map_err(step())
}

impl Guardian {
    fn new(project: Project, listener: OwnedFd) -> Result<Self> {
        set_child_subreaper(Some(getpid())).map_err(SuperviseError::step("become a subreaper"))?;
        let descriptors = kernel::raise_descriptors();
        let nice = kernel::hurry();
        let poll = Poll::new()?;
        let signals = kernel::signals(&[libc::SIGCHLD, libc::SIGTERM]).map_err(SuperviseError::step("watch signals"))?;
        poll.add(&signals, SIGNALS, Ready::IN)?;
        poll.add(&listener, LISTENER, Ready::IN)?;
        let (peers, holdings) = (BTreeMap::new(), BTreeMap::new());
        let mut guardian = Self {
            project,
            poll,
            listener,
            signals,
            peers,
            count: 0,
            holdings,
            others: Vec::new(),
            departed: BTreeSet::new(),
            kept: Kept::default(),
            serving: Serving::default(),
            serves_late: false,
            leaving: false,
            descriptors,
            nice,
            idle: None,
            look: None,
        };
        guardian.look_around(FIRST_LOOK);
        // Ports that are carried come with what the deputy hands over; that a name server cannot be opened must not keep shims alone.
        let _ = guardian.serve();
        Ok(guardian)
    }

    /// Finds containers whose shim died while no guardian was there. Shims that live say so themselves; one that has not yet may be about to
    /// die, as its lock is held until a killed process is gone: it is looked for again after a pause.
    fn look_around(&mut self, pause: Duration) {
        self.look = None;
        for place in self.project.containers().unwrap_or_default() {
            let record = Task::read(&place).ok().and_then(|task| Record::read(&task.record()).ok().flatten());
            // One that has ended and was not left yet is: its sockets and pipes are to go.
            let is_due = record.is_some_and(|it| it.phase != Phase::Ended || place.socket().exists());
            if !is_due || self.holdings.contains_key(place.name()) {
                continue;
            }
            if holding::is_alone(&place) {
                let holding = Holding { respawn_at: Some(kernel::since_boot()), ..Holding::default() };
                self.holdings.insert(place.name().to_owned(), holding);
            } else {
                self.look = Some((kernel::since_boot() + pause, pause));
            }
        }
    }

    fn attend(&mut self) -> Result<()> {
        loop {
            self.clock();
            let now = kernel::since_boot();
            let idle = if self.holdings.is_empty() && self.peers.is_empty() && self.kept.is_empty() {
                Some(*self.idle.get_or_insert(now) + IDLE)
            } else {
                None
            };
            if idle.is_none() {
                self.idle = None;
            }
            if self.leaving || idle.is_some_and(|it| it <= now) {
                // The lock is still held: whoever connected meanwhile hears nothing, and starts another guardian.
                let _ = std::fs::remove_file(self.project.socket());
                return Ok(());
            }
            let due = self
                .holdings
                .values()
                .filter_map(|it| it.respawn_at)
                .chain(idle)
                .chain(self.look.map(|(at, _)| at))
                .chain(self.serving.deadline())
                .min();
            for (number, ready) in self.poll.wait(due.map(|at| at.saturating_sub(now)))? {
                match number {
                    LISTENER => self.accept(),
                    SIGNALS => self.take_signals(),
                    serving::NAMES | serving::PORTS => self.serving.turn(kernel::since_boot()),
                    peer => {
                        if ready.contains(Ready::OUT) {
                            self.speak_on(peer);
                        }
                        self.hear(peer);
                    }
                }
            }
            if std::mem::take(&mut self.serves_late) {
                // What cannot be served is tried again with the next change.
                let _ = self.serve();
            }
        }
    }

    fn clock(&mut self) {
        let now = kernel::since_boot();
        if self.serving.deadline().is_some_and(|it| it <= now) {
            self.serving.turn(now);
        }
        if let Some((_, pause)) = self.look.filter(|(at, _)| *at <= now) {
            self.look_around((pause * 2).min(LAST_LOOK));
        }
        let due: Vec<String> = self
            .holdings
            .iter()
            .filter(|(_, it)| it.respawn_at.is_some_and(|at| at <= now))
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            self.spawn(&name);
        }
    }

    fn accept(&mut self) {
        if let Some(peer) = socket::accept(&self.listener) {
            let number = FIRST_PEER + self.count;
            if self.poll.add(&peer, number, Ready::IN).is_ok() {
                self.count += 1;
                self.peers.insert(number, peer.into());
            }
        }
    }

    /// Reaps shims, and whatever else was left to this subreaper: first processes of containers whose shim was killed.
    fn take_signals(&mut self) {
        while let Some(signal) = kernel::next_signal(&self.signals) {
            if signal != libc::SIGCHLD {
                continue;
            }
            while let Some(reaped) = identity::reap() {
                self.reaped(reaped);
            }
        }
    }
}

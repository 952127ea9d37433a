//! The shim: parent of one container's first process, and everything that is done for that container.

mod clients;
mod execs;
mod life;
mod link;
mod news;
mod orders;
mod probe;
mod streams;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::net::SocketType;

use crate::error::{Result, SuperviseError};
use crate::exit::Exit;
use crate::identity;
use crate::kernel;
use crate::launch::{self, Launcher};
use crate::log::Log;
use crate::place::Place;
use crate::poll::{Poll, Ready};
use crate::record::{Phase, Record};
use crate::socket;
use crate::task::Task;
use clients::Clients;
use execs::Execs;
use link::Link;
use probe::Probing;
use streams::Pipes;

/// What an event is about; clients come after these.
mod number {
    pub(super) const LISTENER: u64 = 0;
    pub(super) const GUARDIAN: u64 = 1;
    pub(super) const SIGNALS: u64 = 2;
    pub(super) const PROCESS: u64 = 3;
    pub(super) const OUT: u64 = 4;
    pub(super) const ERR: u64 = 5;
    pub(super) const MASTER: u64 = 6;
    pub(super) const IN: u64 = 7;
    pub(super) const MEMORY: u64 = 8;
    pub(super) const PROBE: u64 = 9;
    pub(super) const CLIENTS: u64 = 16;
    /// Further processes come after all clients there can be.
    pub(super) const EXECS: u64 = 1 << 62;
}

/// How long an earlier shim may take to be gone; more than [`LINGER`].
const PREDECESSOR: Duration = Duration::from_secs(10);
/// How long clients may take to read the rest of the log.
const LINGER: Duration = Duration::from_secs(5);
/// When something is tried again that a full disk refused.
const AGAIN: Duration = Duration::from_secs(1);
/// Rounds of taking output until somebody else has a turn: a container that never stops writing must not keep an order to stop waiting.
const ROUNDS: u32 = 8;
/// How long the status of a process that is gone may take to be known from somebody.
const STATUS: Duration = Duration::from_secs(2);

struct Shim<'a> {
    launcher: &'a dyn Launcher,
    place: Place,
    task: Task,
    record: Record,
    poll: Poll,
    log: Log,
    pipes: Pipes,
    link: Link,
    clients: Clients,
    signals: OwnedFd,
    listener: OwnedFd,
    process: Option<OwnedFd>,
    /// Tells that memory ran out.
    memory: Option<OwnedFd>,
    /// Processes that were known to have ended for want of it.
    memory_kills: u64,
    /// When they are counted next.
    memory_at: Option<Duration>,
    execs: Execs,
    probing: Option<Probing>,
    /// Wait status of the first process, told by the guardian or reaped among others.
    reaped: Option<i32>,
    /// It has ended; its status is looked for until then.
    status_by: Option<Duration>,
    /// An end that is not yet written, and when that is tried.
    ending: Option<(Exit, Duration)>,
    /// The log refuses; it is tried again then.
    log_again: Option<Duration>,
    /// When clients that do not read are given up.
    linger: Option<Duration>,
    /// The guardian was told how the start went.
    told: bool,
    /// What follows from the end is still to be done.
    owes_call: bool,
    /// It is to be removed: output that a full disk does not take is lost.
    discards: bool,
}

/// Runs a shim until its container has ended for good. `ticket` names the order to run that it follows; without one it goes on with what
/// the record says.
///
/// # Errors
/// The place, task or record cannot be read, or a system call fails that must not.
pub fn run(folder: &Path, ticket: Option<u64>, launcher: &dyn Launcher) -> Result<()> {
    stand_apart()?;
    let place = Place::of(folder)?;
    let Some(_lock) = lock(&place)? else {
        return Ok(());
    };
    launch::await_others(&place)?;
    let task = Task::read(&place)?;
    let found = Record::read(&task.record())?;
    let poll = Poll::new()?;
    let signals = kernel::signals(&[libc::SIGCHLD, libc::SIGTERM]).map_err(SuperviseError::step("watch signals"))?;
    poll.add(&signals, number::SIGNALS, Ready::IN)?;
    let listener = socket::serve(&place.socket(), SocketType::STREAM).map_err(SuperviseError::file("make the socket", place.socket()))?;
    poll.add(&listener, number::LISTENER, Ready::IN)?;
    let (link, held) = Link::first(&place, &poll);
    let reaped = link.reaped;
    let pipes = Pipes::open(&place, &task, held, &poll)?;
    let log = Log::open(task.log_folder(), task.log)?;
    let known = found.as_ref().map(|it| it.ticket);
    let record = found.unwrap_or_else(|| Record { phase: Phase::Ended, ..Record::new(identity::boot(), 0) });
    let mut shim = Shim {
        launcher,
        place,
        task,
        record,
        poll,
        log,
        pipes,
        link,
        signals,
        listener,
        reaped,
        clients: Clients::default(),
        process: None,
        execs: Execs::default(),
        probing: None,
        memory: None,
        memory_kills: 0,
        memory_at: None,
        status_by: None,
        ending: None,
        log_again: None,
        linger: None,
        told: false,
        owes_call: false,
        discards: false,
    };
    let order = ticket.filter(|ticket| known != Some(*ticket));
    if shim.record.boot == identity::boot() && (order.is_none() || shim.record.phase != Phase::Ended) {
        shim.tell_missing();
    }
    shim.resume(order);
    shim.attend()
}

/// Makes this process one that depends on nobody who started it.
fn stand_apart() -> Result<()> {
    kernel::close_inherited();
    // As a deputy it holds all that the project keeps.
    kernel::raise_descriptors();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    kernel::block_signals().map_err(SuperviseError::step("hold back signals"))?;
    // Fails where the process leads a group already: then it is apart from any terminal, too.
    let _ = rustix::process::setsid();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(SuperviseError::step("become a subreaper"))?;
    Ok(())
}

/// Takes the lock of a container's shim; nothing if another shim is alive and well.
fn lock(place: &Place) -> Result<Option<File>> {
    let path = place.lock();
    let opened = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = opened.map_err(SuperviseError::file("open", &path))?;
    let until = Instant::now() + PREDECESSOR;
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() > until => return Ok(None),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => std::thread::sleep(Duration::from_millis(5)),
            Err(errno) => return Err(SuperviseError::file("lock", path)(errno.into())),
        }
    }
}

impl Shim<'_> {
    /// The loop.
    fn attend(&mut self) -> Result<()> {
        loop {
            self.clock();
            let has_more = self.pump();
            if self.is_done() {
                break;
            }
            let limit = self.next().map(|at| at.saturating_sub(kernel::since_boot()));
            let limit = if has_more { Some(Duration::ZERO) } else { limit };
            for (number, ready) in self.poll.wait(limit)? {
                self.ready(number, ready);
            }
        }
        self.leave();
        Ok(())
    }

    fn ready(&mut self, number: u64, ready: Ready) {
        match number {
            number::LISTENER => self.clients.accept(&self.listener, &self.poll),
            number::GUARDIAN => self.hear_guardian(),
            number::SIGNALS => self.take_signals(),
            number::PROCESS => self.process_ended(),
            // What waits in pipes is taken by `pump`, whoever woke the loop.
            number::OUT | number::ERR => {}
            number::MASTER => {
                self.pipes.master_ready(ready, &self.poll);
                if ready.contains(Ready::OUT) {
                    self.clients.unblock(&mut self.pipes, &self.poll);
                }
            }
            number::MEMORY => self.memory_ran_out(),
            number::IN => self.clients.unblock(&mut self.pipes, &self.poll),
            number::PROBE => self.probe_output(),
            number::EXECS.. => self.exec_ready(number),
            client => self.serve(client, ready),
        }
    }

    /// When something is due next.
    fn next(&self) -> Option<Duration> {
        let kill_at = self.process.is_some().then_some(self.record.stop).flatten().and_then(|it| it.kill_at);
        let until = if let Phase::Pausing { until } = self.record.phase {
            Some(until)
        } else {
            None
        };
        let ending = self.ending.as_ref().map(|(_, at)| *at);
        let soon = self.status_by.map(|_| kernel::since_boot() + Duration::from_millis(20));
        let own = [self.log_again, self.linger, self.link.again, self.pipes.master_again, self.memory_at];
        [kill_at, until, ending, soon, self.execs.due(), self.health_due()]
            .into_iter()
            .chain(own)
            .flatten()
            .min()
    }

    /// Does what is due.
    fn clock(&mut self) {
        let now = kernel::since_boot();
        let due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        if due(self.link.again) {
            self.find_guardian();
        }
        if due(self.pipes.master_again) {
            self.pipes.watch_master(&self.poll);
        }
        if due(self.log_again) {
            self.log_again = None;
            self.pipes.watch(&self.poll, true);
        }
        if due(self.memory_at) {
            self.count_memory_kills();
        }
        if due(self.health_due()) {
            self.attend_health();
        }
        self.look_for_exits();
        if self.status_by.is_some() {
            self.process_ended();
        }
        if self.process.is_some() && due(self.record.stop.and_then(|it| it.kill_at)) {
            self.kill_all();
        }
        if let Some((exit, _)) = self.ending.take_if(|(_, at)| *at <= now) {
            self.end(exit);
        }
        if let Phase::Pausing { until } = self.record.phase
            && until <= now
        {
            self.record.restarts = self.record.restarts.saturating_add(1);
            self.launch();
        }
    }

    /// Takes what waits in the pipes, and sends clients what is new; returns whether there may be more.
    fn pump(&mut self) -> bool {
        let mut has_more = false;
        if self.log_again.is_none() {
            match self.pipes.pump(&mut self.log, ROUNDS) {
                Ok(more) => has_more = more,
                // A full disk. The pipes hold what is written; a writer waits when they are full. Nothing is lost.
                Err(_) => {
                    self.log_again = Some(kernel::since_boot() + AGAIN);
                    self.pipes.watch(&self.poll, false);
                }
            }
        }
        self.clients.follow(&self.log, self.task.log_folder(), &self.poll);
        has_more
    }

    fn take_signals(&mut self) {
        while let Some(signal) = kernel::next_signal(&self.signals) {
            match signal {
                libc::SIGCHLD => self.reap(),
                // As an order to stop with the task's own signal and grace.
                libc::SIGTERM => self.stop(None, None, true),
                _ => {}
            }
        }
    }

    fn is_done(&mut self) -> bool {
        if self.record.phase != Phase::Ended || self.ending.is_some() {
            return false;
        }
        self.clients.answer_waiting(&self.record, &self.poll);
        if self.log_again.is_some() && !self.discards {
            return false;
        }
        let until = *self.linger.get_or_insert_with(|| kernel::since_boot() + LINGER);
        if self.owes_call {
            if self.clients.are_following() && kernel::since_boot() < until {
                return false;
            }
            self.owes_call = false;
            self.tell_caller();
        }
        self.clients.is_quiet(&self.log) || kernel::since_boot() >= until
    }

    /// Removes what it made. Who asks later reads the record.
    fn leave(&self) {
        let pipes = ["out", "err", "in"].map(|it| self.place.pipe(it));
        for path in pipes.into_iter().chain([self.place.socket()]) {
            let _ = std::fs::remove_file(path);
        }
    }
}

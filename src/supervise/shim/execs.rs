//! Further processes of the container: begun for clients and for probes, and followed to their end.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use super::{STATUS, Shim, number};
use crate::event::What;
use crate::exec::{Entry, Exec, Ledger};
use crate::exit::Exit;
use crate::identity::Identity;
use crate::kernel;
use crate::launch::{self, Streams};
use crate::parcel::{self, FromLauncher, Reaped, Tag};
use crate::poll::Ready;
use crate::protocol::Reply;
use crate::record::Phase;

/// How many ends are remembered.
const REMEMBERED: usize = 64;

/// Who wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// A client, by its number.
    Client(u64),
    /// The container's health.
    Health,
}

/// One that is being made.
#[derive(Debug)]
struct Launching {
    socket: OwnedFd,
    wanted: For,
    args: Vec<String>,
}

/// One that runs.
#[derive(Debug)]
struct Running {
    who: Identity,
    process: Option<OwnedFd>,
    wanted: For,
    /// It has ended; its status is looked for until then.
    status_by: Option<Duration>,
}

#[derive(Debug, Default)]
pub(super) struct Execs {
    launching: BTreeMap<u64, Launching>,
    running: BTreeMap<u64, Running>,
    ended: Vec<(u64, Exit)>,
    /// Children that ended before it was heard whose they are: number and wait status.
    strays: Vec<(i32, i32)>,
    /// The last number that was given.
    last: u64,
}

impl Execs {
    /// When something is due.
    pub(super) fn due(&self) -> Option<Duration> {
        let looked_for = self.running.values().any(|it| it.status_by.is_some());
        looked_for.then(|| kernel::since_boot() + Duration::from_millis(20))
    }

    fn id(&mut self) -> u64 {
        // The time, so that a number is never given twice, also by the next shim.
        self.last = (self.last + 1).max(kernel::now());
        self.last
    }

    /// A child was reaped that is not the first process.
    pub(super) fn reaped(&mut self, pid: i32, status: i32) -> Option<u64> {
        let found = self.running.iter().find(|it| it.1.who.pid == pid).map(|it| *it.0);
        if found.is_none() && !self.launching.is_empty() {
            self.strays.push((pid, status));
        }
        found
    }

    /// Returns which one a guardian reaped.
    pub(super) fn is(&self, reaped: &Reaped) -> Option<u64> {
        self.running.iter().find(|it| reaped.is(&it.1.who)).map(|it| *it.0)
    }

    pub(super) fn exit(&self, id: u64) -> Option<&Exit> {
        self.ended.iter().find(|it| it.0 == id).map(|it| &it.1)
    }

    pub(super) fn is_running(&self, id: u64) -> bool {
        self.running.contains_key(&id)
    }
}

/// The streams of a further process: what its client sent, and nothing where that is wanted. A terminal has none.
pub(super) fn streams(exec: &Exec, sent: &mut Vec<OwnedFd>) -> Result<Option<Streams>, String> {
    if sent.len() != exec.streams() {
        return Err(format!("{} descriptors came with a further process that needs {}", sent.len(), exec.streams()));
    }
    if exec.tty {
        return Ok(None);
    }
    let nothing = || File::options().read(true).write(true).open("/dev/null").map(OwnedFd::from);
    let mut next = |is_sent: bool| {
        if is_sent {
            Ok(sent.remove(0))
        } else {
            nothing().map_err(|error| format!("open /dev/null: {error}"))
        }
    };
    let (input, output) = (next(exec.stdin && !exec.detach)?, next(!exec.detach)?);
    Ok(Some(Streams { input, output, error: next(!exec.detach)? }))
}

/// Numbers of events: a further process has two, where it is heard of and its end.
fn numbers(id: u64) -> (u64, u64) {
    // Times fit by far; see `number::EXECS`.
    (number::EXECS + (id << 1), number::EXECS + (id << 1) + 1)
}

impl Shim<'_> {
    /// Begins a further process; returns its number.
    pub(super) fn further(&mut self, exec: &Exec, streams: Option<Streams>, wanted: For) -> Result<u64, String> {
        if !matches!(self.record.phase, Phase::Running { .. }) || self.process.is_none() {
            return Err("the container does not run".to_owned());
        }
        if self.record.paused {
            return Err("the container is paused: let it go on first".to_owned());
        }
        let socket = launch::launch_further(self.launcher, &self.place, &self.task, exec, streams).map_err(|error| error.chain())?;
        let id = self.execs.id();
        self.poll.add(&socket, numbers(id).0, Ready::IN).map_err(|error| error.chain())?;
        self.execs.launching.insert(id, Launching { socket, wanted, args: exec.args.clone() });
        Ok(id)
    }

    /// Something is heard of a further process, or it has ended.
    pub(super) fn exec_ready(&mut self, number: u64) {
        let id = (number - number::EXECS) >> 1;
        if numbers(id).0 == number {
            self.launched(id)
        } else {
            self.exec_ended(id, None)
        }
    }

    fn launched(&mut self, id: u64) {
        let Some(launching) = self.execs.launching.get(&id) else {
            return;
        };
        let heard = parcel::receive::<FromLauncher>(&launching.socket);
        if heard.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock) {
            return;
        }
        self.poll.remove(&launching.socket);
        let Some(Launching { wanted, args, .. }) = self.execs.launching.remove(&id) else {
            return;
        };
        let strays = if self.execs.launching.is_empty() {
            std::mem::take(&mut self.execs.strays)
        } else {
            self.execs.strays.clone()
        };
        match heard {
            Ok((FromLauncher::Made { who, .. }, mut held)) => {
                let process = held.remove(&Tag::Process);
                if let Some(process) = &process {
                    let _ = self.poll.add(process, numbers(id).1, Ready::IN);
                }
                let stray = strays.iter().find(|it| it.0 == who.pid).map(|it| it.1);
                self.execs.running.insert(id, Running { who, process, wanted, status_by: None });
                self.keep_ledger();
                match wanted {
                    For::Client(client) => {
                        self.say(What::ExecStart { id, args });
                        let reply = Reply::Status(serde_json::to_vec(&id).unwrap_or_default());
                        self.clients.reply_with(client, &reply, held.get(&Tag::Master).map(AsFd::as_fd), &self.poll);
                    }
                    For::Health => self.probe_began(id),
                }
                if let Some(status) = stray {
                    self.exec_ended(id, Some(status));
                }
            }
            Ok((FromLauncher::Failed { reason }, _)) => self.not_launched(wanted, reason),
            Err(error) => self.not_launched(wanted, format!("the launcher died before it reported: {error}")),
        }
    }

    fn not_launched(&mut self, wanted: For, reason: String) {
        match wanted {
            For::Client(client) => self.clients.reply_with(client, &Reply::Refused(reason), None, &self.poll),
            For::Health => self.probe_failed(&reason),
        }
    }

    /// A further process has ended; `status` as it was reaped, if it was.
    pub(super) fn exec_ended(&mut self, id: u64, status: Option<i32>) {
        let Some(running) = self.execs.running.get_mut(&id) else {
            return;
        };
        let found = status.or_else(|| running.who.wait_status(running.process.as_ref()?));
        let now = kernel::since_boot();
        let until = *running.status_by.get_or_insert(now + STATUS);
        let exit = match found {
            Some(status) => Exit::from_wait(status),
            None if now >= until || running.process.is_none() => Exit::Unknown,
            None => {
                // Looked at again by the clock.
                running.process.as_ref().into_iter().for_each(|it| self.poll.remove(it));
                return;
            }
        };
        self.exec_over(id, exit);
    }

    fn exec_over(&mut self, id: u64, exit: Exit) {
        let Some(running) = self.execs.running.remove(&id) else {
            return;
        };
        running.process.iter().for_each(|it| self.poll.remove(it));
        match running.wanted {
            For::Health => {
                self.keep_ledger();
                self.probe_ended(&exit);
            }
            For::Client(_) => {
                self.execs.ended.push((id, exit.clone()));
                let surplus = self.execs.ended.len().saturating_sub(REMEMBERED);
                self.execs.ended.drain(..surplus);
                self.keep_ledger();
                let reply = Reply::Status(serde_json::to_vec(&exit).unwrap_or_default());
                // First, so that whoever has the answer finds the event.
                self.say(What::ExecDie { id, exit });
                self.clients.answer_exec(id, &reply, &self.poll);
            }
        }
    }

    /// Looks again for statuses that nobody knew a moment ago.
    pub(super) fn look_for_exits(&mut self) {
        let looked_for: Vec<u64> = self.execs.running.iter().filter(|it| it.1.status_by.is_some()).map(|it| *it.0).collect();
        looked_for.into_iter().for_each(|id| self.exec_ended(id, None));
    }

    pub(super) fn kill_exec(&self, id: u64) {
        if let Some(process) = self.execs.running.get(&id).and_then(|it| it.process.as_ref()) {
            let _ = kernel::signal(process.as_fd(), libc::SIGKILL);
        }
    }

    /// What an earlier shim began goes on; a probe of it is of no use any more.
    pub(super) fn adopt_execs(&mut self) {
        let ledger = Ledger::read(&self.place);
        self.execs.ended = ledger.ended;
        self.execs.last = ledger.running.iter().map(|it| it.id).max().unwrap_or(0);
        let mut gone = Vec::new();
        for Entry { id, who, probe } in ledger.running {
            let process = who.open();
            if probe {
                process.iter().for_each(|it| drop(kernel::signal(it.as_fd(), libc::SIGKILL)));
                continue;
            }
            match &process {
                Some(process) => drop(self.poll.add(process, numbers(id).1, Ready::IN)),
                None => gone.push((id, self.link.others.iter().find(|it| it.is(&who)).map(|it| it.status))),
            }
            self.execs.running.insert(id, Running { who, process, wanted: For::Client(0), status_by: None });
        }
        // With all of them known, since each end is written down together with those that go on.
        gone.into_iter().for_each(|(id, status)| self.exec_ended(id, status));
    }

    /// All have ended with the container; whoever has not been heard of by now is not.
    pub(super) fn end_execs(&mut self) {
        self.reap();
        let left: Vec<u64> = self.execs.running.keys().copied().collect();
        left.into_iter().for_each(|id| self.exec_over(id, Exit::Unknown));
        for (_, launching) in std::mem::take(&mut self.execs.launching) {
            self.poll.remove(&launching.socket);
            self.not_launched(launching.wanted, "the container has ended".to_owned());
        }
    }

    /// A new run knows nothing of those of the last one.
    pub(super) fn forget_execs(&mut self) {
        self.execs.ended.clear();
        let _ = std::fs::remove_file(self.place.execs());
    }

    fn keep_ledger(&self) {
        let entry = |(id, it): (&u64, &Running)| Entry { id: *id, who: it.who.clone(), probe: it.wanted == For::Health };
        let running = self.execs.running.iter().map(entry).collect();
        // Without it the next shim does not know of them; they run all the same.
        let _ = Ledger { running, ended: self.execs.ended.clone() }.write(&self.place);
    }
}

//! What a guardian knows and holds of one container.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::process::Rlimit;

use super::{Guardian, SELF, SHIM};
use crate::exit::Exit;
use crate::identity::Identity;
use crate::kernel;
use crate::parcel::{FromGuardian, Held, Reaped};
use crate::place::Place;
use crate::restart::{Restart, Row, Verdict};

/// Shims that may die in a row before they have said anything, until whoever asked hears of it.
const ATTEMPTS: u32 = 3;
/// Status of a shim that could not be run; the shell's.
const NOT_RUN: u8 = 127;
/// Ends of others that are remembered for shims to come.
const OTHERS: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Holding {
    /// Duplicates of what its shim has.
    pub(super) held: Held,
    /// Its first process.
    pub(super) who: Option<Identity>,
    /// Wait status of that, if the guardian reaped it.
    pub(super) reaped: Option<i32>,
    /// The order that its shim follows.
    pub(super) ticket: Option<u64>,
    /// The order that follows, should the container turn out to have ended.
    pub(super) next: Option<u64>,
    /// Number of the shim that was made last.
    pub(super) shim: Option<i32>,
    /// The shim follows one that died: further processes which that one began may have been left to this guardian.
    pub(super) follows: bool,
    /// The shim's connection.
    pub(super) peer: Option<u64>,
    /// The container runs.
    pub(super) started: bool,
    /// Who waits for it to run.
    pub(super) asked: Vec<u64>,
    /// Shims in a row.
    pub(super) row: Row,
    /// When the last one was made.
    pub(super) since: Duration,
    /// When another is to be made.
    pub(super) respawn_at: Option<Duration>,
}

/// Returns whether no shim is there for a container.
pub(super) fn is_alone(place: &Place) -> bool {
    let Ok(lock) = File::options().read(true).write(true).open(place.lock()) else {
        return true;
    };
    rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok()
}

impl Guardian {
    /// Makes a shim.
    pub(super) fn spawn(&mut self, name: &str) {
        let Some(holding) = self.holdings.get_mut(name) else {
            return;
        };
        holding.follows |= holding.respawn_at.take().is_some();
        holding.since = kernel::since_boot();
        let limit = Rlimit { current: self.descriptors.current, maximum: self.descriptors.maximum };
        let spawned = self.project.container(name).map_err(|error| error.chain()).and_then(|place| {
            let words = File::options()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(place.folder().join("shim.err"));
            let words = words.map_err(|error| format!("open {}/shim.err: {error}", place.folder().display()))?;
            // Not waited for until it runs: of thirty that start at once, others have something to ask meanwhile. Why it does not run, it
            // says in that file.
            let child = kernel::fork(|| {
                // What the guardian holds is let go of when it says so, and not when this one has come to its program.
                kernel::close_all_but(&[words.as_fd()]);
                kernel::set_nice(self.nice);
                let mut command = Command::new(SELF);
                command.arg(SHIM).arg(place.folder()).args(holding.ticket.map(|it| it.to_string()));
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(words).current_dir("/");
                kernel::limit_descriptors(&mut command, limit);
                let error = command.exec();
                // Nobody else hears it.
                let _ = writeln!(std::io::stderr(), "run a shim: {error}");
                NOT_RUN
            });
            child.map_err(|error| format!("make a process for a shim: {error}"))
        });
        match spawned {
            Ok(child) => holding.shim = Some(child.as_raw_nonzero().get()),
            Err(reason) => self.shim_failed(name, &reason),
        }
    }

    /// A shim died before it said anything, or could not be made.
    fn shim_failed(&mut self, name: &str, reason: &str) {
        let Some(holding) = self.holdings.get_mut(name) else {
            return;
        };
        holding.shim = None;
        // Whoever asked for it was killed, and another has forgotten the container: nobody waits for a shim any more.
        let forgotten = !self.project.container(name).is_ok_and(|it| it.task().exists());
        let asked = if forgotten || holding.row.count >= ATTEMPTS {
            std::mem::take(&mut holding.asked)
        } else {
            Vec::new()
        };
        let hopeless = forgotten || (!asked.is_empty() && holding.who.is_none());
        self.respawn_later(name);
        if hopeless {
            self.holdings.remove(name);
        }
        for peer in asked {
            self.tell(peer, FromGuardian::Refused { reason: format!("no shim for {name}: {reason}") });
        }
    }

    /// Plans another shim: at once, and after pauses that grow where they keep dying.
    pub(super) fn respawn_later(&mut self, name: &str) {
        let now = kernel::since_boot();
        if let Some(holding) = self.holdings.get_mut(name) {
            let is_first = holding.row.count == 0 || now.saturating_sub(holding.since) >= crate::restart::SETTLED;
            let verdict = holding.row.after(Restart::Always, &Exit::Unknown, now.saturating_sub(holding.since), false);
            let pause = if let (Verdict::Again(pause), false) = (verdict, is_first) {
                pause
            } else {
                Duration::ZERO
            };
            holding.respawn_at = Some(now + pause);
        }
    }

    /// Takes note of a child that was reaped.
    pub(super) fn reaped(&mut self, reaped: Reaped) {
        let Reaped { pid, status, .. } = reaped;
        let first = self.holdings.iter_mut().find(|(_, it)| it.who.as_ref().is_some_and(|who| who.pid == pid));
        if let Some((_, holding)) = first {
            holding.reaped = Some(status);
            if let Some(peer) = holding.peer {
                self.tell(peer, FromGuardian::Reaped { status });
            }
            return;
        }
        let shim = self
            .holdings
            .iter()
            .find(|(_, it)| it.shim == Some(pid) && (it.peer.is_none() || !it.has_begun()) && it.respawn_at.is_none());
        if let Some(name) = shim.map(|(name, _)| name.clone()) {
            // It may have said who it is, and found then that it cannot go on.
            if let Some(holding) = self.holdings.get_mut(&name) {
                holding.peer = None;
            }
            let place = self.project.container(&name);
            let words = place
                .ok()
                .and_then(|it| std::fs::read_to_string(it.folder().join("shim.err")).ok())
                .unwrap_or_default();
            return self.shim_failed(&name, &format!("it ended ({:?}) before it reported; {}", Exit::from_wait(status), words.trim()));
        }
        // Nobody asks for the status of a shim.
        if self.departed.remove(&pid) {
            return;
        }
        self.others.push(reaped);
        let surplus = self.others.len().saturating_sub(OTHERS);
        self.others.drain(..surplus);
        let peers: Vec<u64> = self.holdings.values().filter(|it| it.follows).filter_map(|it| it.peer).collect();
        peers.into_iter().for_each(|peer| self.tell(peer, FromGuardian::Other { reaped }));
    }
}

//! From one start to the end after it.

use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, waitpid};

use super::{AGAIN, STATUS, Shim, number};
use crate::event::What;
use crate::exit::Exit;
use crate::identity::{self, Identity};
use crate::kernel;
use crate::launch;
use crate::poll::Ready;
use crate::record::{Ended, Phase, Record, Stop};
use crate::restart::Verdict;

/// Rounds in which the pipes of a container that has ended are empty: each takes what a full pipe holds.
const LAST_ROUNDS: u32 = 64;

impl Shim<'_> {
    /// Goes on where the record says an earlier shim was; follows a new order if there is one.
    pub(super) fn resume(&mut self, order: Option<u64>) {
        match self.record.phase.clone() {
            Phase::Running { who, .. } => match order {
                // It ended while nobody looked, or the machine was started anew: the order is to run it, not to say so.
                Some(ticket) if who.open().is_none() => {
                    let exit = self.reaped.take().map_or(Exit::Unknown, Exit::from_wait);
                    self.record.ended = Some(Ended { exit: exit.clone(), at: kernel::now() });
                    self.say(What::Die { exit, oom: self.record.oom });
                    let _ = self.launcher.clean(&self.place, &self.task, Some(&who));
                    self.begin(ticket);
                }
                Some(ticket) => {
                    self.record.ticket = ticket;
                    self.adopt(&who);
                }
                None => self.adopt(&who),
            },
            // Its gate was never opened: it has done nothing yet.
            Phase::Made(who) => {
                self.launcher.kill(&self.place, &self.task, &who);
                let _ = self.launcher.clean(&self.place, &self.task, Some(&who));
                self.begin(order.unwrap_or(self.record.ticket));
            }
            Phase::Starting => {
                let _ = self.launcher.clean(&self.place, &self.task, None);
                self.begin(order.unwrap_or(self.record.ticket));
            }
            Phase::Pausing { until } => match order {
                Some(ticket) => self.begin(ticket),
                None => {
                    // A time of another boot means nothing in this one.
                    if self.record.boot != identity::boot() {
                        self.record.boot = identity::boot();
                        self.record.phase = Phase::Pausing { until: until.min(kernel::since_boot()) };
                    }
                    self.tell_started();
                }
            },
            Phase::Ended => match order {
                Some(ticket) => self.begin(ticket),
                None => self.retire(),
            },
        }
    }

    /// Starts anew.
    fn begin(&mut self, ticket: u64) {
        let (ended, started, health) = (self.record.ended.take(), self.record.started, self.record.health.take());
        self.record = Record { ended, started, health, ..Record::new(identity::boot(), ticket) };
        self.launch();
    }

    /// Takes over a container that an earlier shim started.
    fn adopt(&mut self, who: &Identity) {
        self.adopt_execs();
        self.adopt_health();
        let held = self.pipes.process.take().filter(|it| who.is(it));
        let Some(process) = held.or_else(|| who.open()) else {
            // Nobody held it while it ended, unless the guardian was there.
            self.warn_of_missing();
            let exit = self.reaped.take().map_or(Exit::Unknown, Exit::from_wait);
            self.ending = Some((exit, Duration::ZERO));
            return;
        };
        if who.has_ended() {
            self.warn_of_missing();
        }
        self.watch_process(process);
        self.hold();
        // The gate may not have been opened yet; that the program cannot be run then shows by its end.
        let _ = self.launcher.open_gate(&self.place);
        self.watch_memory();
        self.find_frozen();
        self.tell_started();
        if let Some(stop) = self.record.stop {
            // Whether it was asked, and whether all were killed, is not known: once more does no harm.
            self.send(stop.signal);
            if stop.kill_at.is_none() {
                self.kill_all();
            }
        }
    }

    /// A container that ended while neither shim nor guardian had its pipes took with it what nobody had read.
    fn warn_of_missing(&mut self) {
        if !self.pipes.were_held {
            self.record
                .warnings
                .push("shim and guardian were killed before it ended: its last output may be missing".to_owned());
        }
    }

    fn watch_process(&mut self, process: std::os::fd::OwnedFd) {
        // Without the descriptor in epoll the end is noticed by SIGCHLD only; adding fails for lack of memory alone.
        let _ = self.poll.add(&process, number::PROCESS, Ready::IN);
        self.process = Some(process);
    }

    pub(super) fn launch(&mut self) {
        if let Err(reason) = self.try_launch() {
            self.ending = Some((Exit::NotStarted(reason), Duration::ZERO));
        }
    }

    fn try_launch(&mut self) -> Result<(), String> {
        self.record.phase = Phase::Starting;
        (self.record.stop, self.record.paused, self.record.oom) = (None, false, false);
        self.reaped = None;
        self.forget_execs();
        let again = self.record.restarts;
        let news = if again > 0 { vec![What::Restart { count: again }] } else { Vec::new() };
        self.record(news).map_err(|error| error.chain())?;
        self.tell();
        self.pipes.renew_input(&self.place, &self.task, &self.poll).map_err(|error| error.chain())?;
        let made = launch::launch(self.launcher, &self.place, &self.task, &self.record).map_err(|error| error.chain())?;
        self.record.warnings = made.warnings;
        self.record.phase = Phase::Made(made.who.clone());
        self.watch_process(made.pidfd);
        let terminal = made.master.map_or(Ok(()), |it| self.pipes.set_master(it, &self.poll));
        // Held by the guardian before the program can write a byte.
        self.hold();
        self.record.phase = Phase::Running { who: made.who.clone(), since: kernel::since_boot() };
        self.record.started = Some(kernel::now());
        let opened = terminal
            .and_then(|()| self.begin_health())
            .and_then(|()| self.record(vec![What::Start { pid: made.who.pid }]))
            .map_err(|error| error.chain())
            .and_then(|()| self.launcher.open_gate(&self.place));
        if let Err(reason) = opened {
            self.launcher.kill(&self.place, &self.task, &made.who);
            self.forget_process();
            self.pipes.drop_master(&self.poll);
            let _ = self.launcher.clean(&self.place, &self.task, Some(&made.who));
            return Err(reason);
        }
        self.tell();
        if self.record.restarts > 0 {
            self.tell_caller();
        }
        self.watch_memory();
        self.tell_started();
        Ok(())
    }

    /// Reaps whatever was left to this subreaper, but not the first process: as long as its end is not written, it is to tell the guardian
    /// of it should this shim be killed.
    pub(super) fn reap(&mut self) {
        let first = self.who().map(|it| it.pid);
        if let Some((_, status)) = first.and_then(|it| kernel::ended_child(Some(it))) {
            self.first_ended(status);
            return;
        }
        while let Some((pid, status)) = kernel::ended_child(None) {
            if Some(pid) == first {
                self.first_ended(status);
                return;
            }
            let _ = waitpid(Pid::from_raw(pid), WaitOptions::NOHANG);
            if let Some(id) = self.execs.reaped(pid, status) {
                self.exec_ended(id, Some(status));
            }
        }
    }

    fn first_ended(&mut self, status: i32) {
        if self.process.is_some() {
            self.reaped = Some(status);
            self.process_ended();
        }
    }

    pub(super) fn who(&self) -> Option<Identity> {
        match &self.record.phase {
            Phase::Running { who, .. } | Phase::Made(who) => Some(who.clone()),
            Phase::Starting | Phase::Pausing { .. } | Phase::Ended => None,
        }
    }

    /// Looks for the status of a process that has ended, with whoever may know it.
    pub(super) fn process_ended(&mut self) {
        let (Some(who), Some(process)) = (self.who(), &self.process) else {
            return;
        };
        let status = self.reaped.take().or_else(|| who.wait_status(process));
        let now = kernel::since_boot();
        let until = *self.status_by.get_or_insert(now + STATUS);
        if let Some(status) = status {
            self.ending = Some((Exit::from_wait(status), Duration::ZERO));
        } else if now >= until {
            self.ending = Some((Exit::Unknown, Duration::ZERO));
        } else {
            self.poll.remove(process);
            return;
        }
        self.forget_process();
    }

    fn forget_process(&mut self) {
        self.status_by = None;
        self.forget_memory();
        if let Some(process) = self.process.take() {
            self.poll.remove(&process);
        }
    }

    /// Ends a run: what is left of it is removed, its last words are taken, and then its status is written.
    pub(super) fn end(&mut self, exit: Exit) {
        let now = kernel::since_boot();
        self.end_health();
        // Asked while its groups are there.
        self.count_memory_kills();
        if let Some(who) = self.who()
            && let Err(reason) = self.launcher.clean(&self.place, &self.task, Some(&who))
            && !self.record.warnings.contains(&reason)
        {
            self.record.warnings.push(reason);
        }
        if !self.take_last_words(now) {
            self.ending = Some((exit, now + AGAIN));
            return;
        }
        let up = if let Phase::Running { since, .. } = self.record.phase {
            now.saturating_sub(since)
        } else {
            Duration::ZERO
        };
        let never_ran = matches!(exit, Exit::NotStarted(_)) && self.record.restarts == 0;
        let first = self.who().map(|it| it.pid);
        let mut next = self.record.clone();
        let verdict = next.row.after(self.task.restart, &exit, up, never_ran || next.stop.is_some());
        next.phase = match verdict {
            Verdict::Stay => Phase::Ended,
            Verdict::Again(pause) => Phase::Pausing { until: now + pause },
        };
        next.ended = Some(Ended { exit: exit.clone(), at: kernel::now() });
        next.paused = false;
        let mut news = vec![What::Die { exit: exit.clone(), oom: next.oom }];
        news.extend(next.stop.map(|_| What::Stop));
        next.news = news.into_iter().map(|it| self.event(it)).collect();
        if next.write(&self.task.record()).is_err() {
            if never_ran && self.record.ended.is_none() {
                self.give_up(next);
            } else {
                self.ending = Some((exit, now + AGAIN));
            }
            return;
        }
        self.record = next;
        if let Some(first) = first.and_then(Pid::from_raw) {
            let _ = waitpid(Some(first), WaitOptions::NOHANG);
        }
        self.end_execs();
        self.tell();
        self.pipes.drop_master(&self.poll);
        if self.record.phase == Phase::Ended {
            self.retire();
        } else {
            self.hold();
            self.tell_caller();
        }
    }

    /// Takes what waits in the pipes; tells whether the end can be written down.
    fn take_last_words(&mut self, now: Duration) -> bool {
        if self.pipes.pump(&mut self.log, LAST_ROUNDS).is_ok() && self.pipes.is_empty() {
            let _ = self.log.cut();
            return true;
        }
        if self.record.stop.is_some() {
            // A full disk. It stays ended: whoever stopped it need not wait until there is space, and this shim does.
            self.log_again = Some(now + AGAIN);
            return true;
        }
        // What waits in the pipes is older than what the next run writes.
        self.discards
    }

    /// Leaves a container that a full disk kept from starting for the first time, and of which not even that can be written down: whoever
    /// ordered it hears why, and what was written says nothing that is worth keeping.
    fn give_up(&mut self, record: Record) {
        let _ = std::fs::remove_file(self.task.record());
        self.record = record;
        self.retire();
    }

    /// It has ended and stays so: the guardian lets go, and may give the container to another shim once this one has left.
    fn retire(&mut self) {
        self.owes_call = true;
        let reason = self.record.ended.as_ref().and_then(|it| {
            if let Exit::NotStarted(reason) = &it.exit {
                Some(reason.clone())
            } else {
                None
            }
        });
        self.link.gone(self.place.name(), reason.filter(|_| !self.told));
    }

    /// Runs what is to be run after a change, beside this shim.
    pub(super) fn tell_caller(&mut self) {
        let Some((program, arguments)) = self.task.changed.split_first() else {
            return;
        };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        kernel::lower_descriptors_of(&mut command);
        // Reaped with all that is left to this subreaper, or by the guardian.
        if let Err(error) = command.spawn() {
            self.record.warnings.push(format!("run {} after a change: {error}", program.display()));
        }
    }

    /// Follows an order to stop. It is written first, so that no later shim starts the container again.
    pub(super) fn stop(&mut self, signal: Option<u8>, grace: Option<u32>, by_signal: bool) {
        let now = kernel::since_boot();
        let signal = signal.unwrap_or(self.task.stop_signal);
        let grace = Duration::from_millis(u64::from(grace.unwrap_or(self.task.grace)));
        // A second order may shorten the first, never lengthen it.
        let kill_at = match self.record.stop {
            Some(Stop { kill_at: None, .. }) => None,
            Some(Stop { kill_at: Some(earlier), .. }) => Some(earlier.min(now + grace)),
            None => Some(now + grace),
        };
        // Who told first counts: a client that stops what a signal has stopped already does so for the machine.
        let by_signal = self.record.stop.map_or(by_signal, |it| it.by_signal);
        self.record.stop = Some(Stop { signal, kill_at, by_signal });
        let is_waiting = matches!(self.record.phase, Phase::Pausing { .. });
        let news = if is_waiting {
            self.record.phase = Phase::Ended;
            vec![What::Stop]
        } else {
            vec![What::Kill { signal }]
        };
        // Without a record a later shim might start it again; it is stopped all the same.
        let _ = self.record(news);
        self.tell();
        if is_waiting {
            self.retire();
        }
        self.send(signal);
        self.thaw();
    }

    pub(super) fn send(&self, signal: u8) {
        if let Some(process) = &self.process {
            // One that has just ended is noticed by its descriptor.
            let _ = kernel::signal(process.as_fd(), i32::from(signal));
        }
    }

    /// Kills every process: the grace is over.
    pub(super) fn kill_all(&mut self) {
        if let Some(stop) = &mut self.record.stop {
            stop.kill_at = None;
        }
        let _ = self.record(vec![What::Kill { signal: 9 }]);
        self.tell();
        if let Some(who) = self.who() {
            self.launcher.kill(&self.place, &self.task, &who);
        }
        self.send(9);
    }
}

//! Probes of the container's health: further processes whose output is kept, and whose ends drive the monitor.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rcompose_health::{Check, Monitor, Probe, Test};
use rustix::pipe::{PipeFlags, pipe_with};

use super::execs::For;
use super::{Shim, number};
use crate::error::Result;
use crate::event::What;
use crate::exec::Exec;
use crate::exit::Exit;
use crate::health::{Checked, Health, OUTPUT};
use crate::kernel;
use crate::launch::Streams;
use crate::poll::Ready;

/// A probe that is under way.
#[derive(Debug)]
pub(super) struct Probing {
    /// Number of its process; 0 until that is begun.
    id: u64,
    /// When it began: nanoseconds since 1970.
    began: u64,
    kill_at: Duration,
    timed_out: bool,
    pipe: OwnedFd,
    output: Vec<u8>,
    /// It wrote more than is kept.
    cut: bool,
}

fn words(check: &Check) -> Option<Vec<String>> {
    match check.test.as_ref()? {
        Test::None => None,
        Test::Command(words) => Some(words.clone()).filter(|it| !it.is_empty()),
        Test::Shell(line) => Some(["/bin/sh", "-c", line].map(str::to_owned).to_vec()),
    }
}

impl Shim<'_> {
    /// Begins to look after the health of a run. Whoever waits for it must be able to read it.
    pub(super) fn begin_health(&mut self) -> Result<()> {
        let Some(check) = self.task.health.clone().filter(|it| words(it).is_some()) else {
            self.record.health = None;
            return Ok(());
        };
        let log = self.record.health.take().map(|it| it.log).unwrap_or_default();
        let health = self.record.health.insert(Health { monitor: Monitor::new(check, kernel::since_boot()), log });
        health.write(&self.place)
    }

    /// Goes on where an earlier shim was. A probe of it that was cut off is made again.
    pub(super) fn adopt_health(&mut self) {
        self.record.health = Health::read(&self.place);
        if self.record.health.is_none() {
            // The container runs; the next probe tries again.
            let _ = self.begin_health();
        }
    }

    /// The container has ended: what a probe says of it now is nothing.
    pub(super) fn end_health(&mut self) {
        if let Some(probing) = self.probing.take() {
            self.poll.remove(&probing.pipe);
        }
    }

    fn keep_health(&self) {
        if let Some(health) = &self.record.health {
            // Where it cannot be written the next shim begins anew.
            let _ = health.write(&self.place);
        }
    }

    /// When a probe is due, or its end.
    pub(super) fn health_due(&self) -> Option<Duration> {
        match &self.probing {
            Some(probing) => (!probing.timed_out).then_some(probing.kill_at),
            None if self.process.is_none() || self.record.paused || self.ending.is_some() => None,
            None => self.record.health.as_ref().map(|it| it.monitor.due()),
        }
    }

    pub(super) fn attend_health(&mut self) {
        let Some(probing) = &mut self.probing else {
            self.probe();
            return;
        };
        probing.timed_out = true;
        let id = probing.id;
        self.kill_exec(id);
    }

    fn probe(&mut self) {
        let (Some(health), Some(words)) = (&self.record.health, self.task.health.as_ref().and_then(words)) else {
            return;
        };
        let timeout = health.monitor.check().timeout();
        match probe_streams() {
            Err(reason) => self.checked(Probe::Failed, kernel::now(), -1, reason),
            Ok((pipe, streams)) => {
                let _ = self.poll.add(&pipe, number::PROBE, Ready::IN);
                let kill_at = kernel::since_boot() + timeout;
                let output = Vec::new();
                self.probing = Some(Probing { id: 0, began: kernel::now(), kill_at, timed_out: false, pipe, output, cut: false });
                let exec = Exec { args: words, ..Exec::default() };
                match self.further(&exec, Some(streams), For::Health) {
                    Ok(id) => self.probing.iter_mut().for_each(|it| it.id = id),
                    Err(reason) => self.probe_failed(&reason),
                }
            }
        }
    }

    pub(super) fn probe_began(&mut self, id: u64) {
        if self.probing.as_ref().is_none_or(|it| it.timed_out || it.id != id) {
            self.kill_exec(id);
        }
    }

    /// Takes what the probe wrote.
    pub(super) fn probe_output(&mut self) {
        let Some(probing) = &mut self.probing else {
            return;
        };
        let mut bytes = [0u8; OUTPUT];
        loop {
            match rustix::io::read(&probing.pipe, &mut bytes) {
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return,
                Ok(0) | Err(_) => return self.poll.remove(&probing.pipe),
                Ok(length) => {
                    let kept = length.min(OUTPUT - probing.output.len());
                    probing.output.extend_from_slice(&bytes[..kept]);
                    probing.cut |= kept < length;
                }
            }
        }
    }

    pub(super) fn probe_failed(&mut self, reason: &str) {
        if let Some(probing) = self.probing.take() {
            self.poll.remove(&probing.pipe);
            self.checked(Probe::Failed, probing.began, -1, reason.to_owned());
        }
    }

    pub(super) fn probe_ended(&mut self, exit: &Exit) {
        self.probe_output();
        let Some(probing) = self.probing.take() else {
            return;
        };
        self.poll.remove(&probing.pipe);
        let mut output = String::from_utf8_lossy(&probing.output).into_owned();
        if probing.cut {
            output.push_str("...");
        }
        if probing.timed_out {
            let timeout = self.record.health.as_ref().map(|it| it.monitor.check().timeout()).unwrap_or_default();
            let late = format!("Health check exceeded timeout ({timeout:?})");
            let output = if output.is_empty() { late } else { format!("{late}: {output}") };
            self.checked(Probe::TimedOut, probing.began, -1, output);
        } else {
            let probe = if *exit == Exit::Code(0) { Probe::Passed } else { Probe::Failed };
            self.checked(probe, probing.began, exit.status().unwrap_or(-1), output);
        }
    }

    fn checked(&mut self, probe: Probe, began: u64, exit: i32, output: String) {
        let Some(health) = &mut self.record.health else {
            return;
        };
        let changed = health.monitor.record(probe, kernel::since_boot());
        health.keep(Checked { began, ended: kernel::now(), exit, output });
        self.keep_health();
        if let Some(status) = changed {
            self.say(What::HealthStatus { status });
            self.tell_caller();
        }
    }
}

/// The pipe of both output streams: the end that is read, without blocking, and the probe's.
fn probe_streams() -> Result<(OwnedFd, Streams), String> {
    let words = |error: std::io::Error| format!("make the streams of a probe: {error}");
    let (pipe, output) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| words(errno.into()))?;
    rustix::io::ioctl_fionbio(&pipe, true).map_err(|errno| words(errno.into()))?;
    let error = output.try_clone().map_err(words)?;
    let input = File::open("/dev/null").map_err(words)?.into();
    Ok((pipe, Streams { input, output, error }))
}

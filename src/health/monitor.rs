//! What the results of probes mean.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Check, Status};

/// The result of one probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Probe {
    /// Status 0 in time.
    Passed,
    /// Any other status.
    Failed,
    /// No end in time.
    TimedOut,
}

/// Follows one container from its start. Serialisable, since it outlives the process that drives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitor {
    check: Check,
    started: Duration,
    due: Duration,
    status: Status,
    failures: u32,
}

impl Monitor {
    /// Starts at a container's start; the first probe comes after one interval, as with Docker.
    pub fn new(check: Check, now: Duration) -> Self {
        let mut monitor = Self { check, started: now, due: now, status: Status::Starting, failures: 0 };
        monitor.due = now.saturating_add(monitor.pause(now));
        monitor
    }

    /// Returns the time of the next probe, since boot.
    pub fn due(&self) -> Duration {
        self.due
    }

    /// Returns how the container stands.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Returns what is probed, and how often.
    pub fn check(&self) -> &Check {
        &self.check
    }

    /// Returns how many failures in a row count.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Takes in a result; returns the status if it changed.
    pub fn record(&mut self, probe: Probe, now: Duration) -> Option<Status> {
        let before = self.status;
        match probe {
            Probe::Passed => {
                self.failures = 0;
                self.status = Status::Healthy;
            }
            Probe::Failed | Probe::TimedOut => self.fail(now),
        }
        self.due = now.saturating_add(self.pause(now));
        (self.status != before).then_some(self.status)
    }

    fn fail(&mut self, now: Duration) {
        // Within the start period failures do not count, until a first probe has passed.
        if self.status == Status::Starting && self.in_start_period(now) {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.check.retries() {
            self.status = Status::Unhealthy;
        }
    }

    fn in_start_period(&self, now: Duration) -> bool {
        now.saturating_sub(self.started) < self.check.start_period()
    }

    fn pause(&self, now: Duration) -> Duration {
        if self.status == Status::Starting && self.in_start_period(now) {
            self.check.start_interval()
        } else {
            self.check.interval()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn check() -> Check {
        Check {
            interval: Some(seconds(10)),
            retries: Some(2),
            start_period: Some(seconds(20)),
            start_interval: Some(seconds(1)),
            ..Check::default()
        }
    }

    #[test]
    fn failures_in_the_start_period_do_not_count() {
        let mut monitor = Monitor::new(check(), seconds(100));
        assert_eq!(monitor.due(), seconds(101));
        for now in 101..120 {
            assert_eq!(monitor.record(Probe::Failed, seconds(now)), None);
        }
        assert_eq!(monitor.record(Probe::Failed, seconds(121)), None);
        assert_eq!(monitor.due(), seconds(131));
        assert_eq!(monitor.record(Probe::TimedOut, seconds(131)), Some(Status::Unhealthy));
        assert_eq!(monitor.record(Probe::Passed, seconds(141)), Some(Status::Healthy));
    }

    #[test]
    fn one_success_forgets_earlier_failures() {
        let mut monitor = Monitor::new(check(), Duration::ZERO);
        assert_eq!(monitor.record(Probe::Passed, seconds(1)), Some(Status::Healthy));
        assert_eq!(monitor.due(), seconds(11));
        assert_eq!(monitor.record(Probe::Failed, seconds(11)), None);
        assert_eq!(monitor.record(Probe::Passed, seconds(21)), None);
        assert_eq!(monitor.record(Probe::Failed, seconds(31)), None);
        assert_eq!(monitor.record(Probe::Failed, seconds(41)), Some(Status::Unhealthy));
    }

    #[test]
    fn zero_values_mean_the_defaults() {
        let zero = Check { interval: Some(Duration::ZERO), retries: Some(0), ..Check::default() };
        assert_eq!((zero.interval(), zero.retries()), (seconds(30), 3));
    }
}

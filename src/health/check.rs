//! What is probed, how often, and how it stands.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A healthcheck; `None` leaves the image's or the engine's value. Source: Docker `HealthConfig`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What is run; `None` is the image's.
    pub test: Option<Test>,
    /// Time between the end of a probe and the next; default 30 s.
    pub interval: Option<Duration>,
    /// Time after which a probe has failed; default 30 s.
    pub timeout: Option<Duration>,
    /// Failures in a row that make unhealthy; default 3.
    pub retries: Option<u32>,
    /// Time after the start in which failures do not count; default 0.
    pub start_period: Option<Duration>,
    /// Interval during the start period; default 5 s.
    pub start_interval: Option<Duration>,
}

impl Check {
    /// Returns the time between probes.
    pub fn interval(&self) -> Duration {
        self.interval.filter(|it| !it.is_zero()).unwrap_or(Duration::from_secs(30))
    }

    /// Returns the time after which a probe has failed.
    pub fn timeout(&self) -> Duration {
        self.timeout.filter(|it| !it.is_zero()).unwrap_or(Duration::from_secs(30))
    }

    /// Returns how many failures in a row make unhealthy.
    pub fn retries(&self) -> u32 {
        self.retries.filter(|it| *it > 0).unwrap_or(3)
    }

    /// Returns the time after the start in which failures do not count.
    pub fn start_period(&self) -> Duration {
        self.start_period.unwrap_or(Duration::ZERO)
    }

    /// Returns the time between probes during the start period.
    pub fn start_interval(&self) -> Duration {
        self.start_interval.filter(|it| !it.is_zero()).unwrap_or(Duration::from_secs(5))
    }
}

/// What a probe runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// Nothing, also where the image has a healthcheck.
    None,
    /// Program and arguments.
    Command(Vec<String>),
    /// A line for the container's shell.
    Shell(String),
}

/// How a container stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// No probe has passed yet, and not enough have failed.
    Starting,
    /// The last probes passed.
    Healthy,
    /// Too many probes in a row failed.
    Unhealthy,
}

impl Status {
    /// Returns the Docker API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

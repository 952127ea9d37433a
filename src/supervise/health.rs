//! How healthy a container is: what is kept of it, in a file of the container's place beside its record. It is written as often as it is
//! probed, and of this boot only, so that no disk waits for it.

use std::fs;

use rcompose_health::{Monitor, Status};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::place::Place;
use crate::record;

/// Results that are kept, and bytes of the output of each. Source: Docker, `HealthcheckResult`.
pub(crate) const KEPT: usize = 5;
pub(crate) const OUTPUT: usize = 4096;

/// How healthy a container is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Where it stands, and when it is probed next.
    pub monitor: Monitor,
    /// The last five results, oldest first.
    pub log: Vec<Checked>,
}

/// A result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// When the probe began: nanoseconds since 1970.
    pub began: u64,
    /// When it ended, as `began`.
    pub ended: u64,
    /// Its status; -1 where it could not be run, or took too long.
    pub exit: i32,
    /// The first 4096 bytes of what it wrote to both streams, or why there is no status.
    pub output: String,
}

impl Health {
    /// Returns how the container stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.monitor.status()
    }

    /// Reads what is kept of a container; nothing where it is not probed.
    #[must_use]
    pub fn read(place: &Place) -> Option<Self> {
        serde_json::from_slice(&fs::read(place.health()).ok()?).ok()
    }

    /// Written at once or not at all.
    pub(crate) fn write(&self, place: &Place) -> Result<()> {
        record::exchange(&place.health(), &serde_json::to_vec(self).unwrap_or_default(), false)
    }

    pub(crate) fn keep(&mut self, checked: Checked) {
        self.log.push(checked);
        let surplus = self.log.len().saturating_sub(KEPT);
        self.log.drain(..surplus);
    }
}

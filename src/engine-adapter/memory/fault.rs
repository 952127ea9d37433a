//! What goes wrong on purpose.

use std::fmt;
use std::time::Duration;

use rcompose_engine_adapter::{EngineError, ErrorKind, Result};

use crate::Call;

/// How long calls take; the same seed gives the same order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pace {
    /// Each call ends without yielding to other tasks.
    #[default]
    Immediate,
    /// Each call yields up to 7 times.
    Yields {
        /// Of the order.
        seed: u64,
    },
    /// Each call sleeps up to so long.
    Sleeps {
        /// Of the order.
        seed: u64,
        /// The longest sleep.
        longest: Duration,
    },
}

type Predicate = Box<dyn Fn(&Call) -> bool + Send + Sync>;

/// All that goes wrong on purpose for one client.
#[derive(Default)]
pub(crate) struct Faults {
    rules: Vec<(Predicate, ErrorKind)>,
    crash_after: Option<u64>,
    mutations: u64,
    pace: Pace,
    random: u64,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("crash_after", &self.crash_after)
            .field("mutations", &self.mutations)
            .finish_non_exhaustive()
    }
}

impl Faults {
    pub(crate) fn fail_when(&mut self, predicate: Predicate, kind: ErrorKind) {
        self.rules.push((predicate, kind));
    }

    pub(crate) fn crash_after(&mut self, mutations: u64) {
        self.crash_after = Some(mutations);
    }

    pub(crate) fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
        self.random = match pace {
            Pace::Immediate => 0,
            Pace::Yields { seed } | Pace::Sleeps { seed, .. } => seed,
        };
    }

    /// Tells whether the client is cut off.
    pub(crate) fn has_crashed(&self) -> bool {
        self.crash_after.is_some_and(|limit| self.mutations >= limit)
    }

    /// Lets a call through, or fails it.
    pub(crate) fn admit(&mut self, call: &Call) -> Result<()> {
        if self.has_crashed() {
            return Err(unreachable());
        }
        if let Some((_, kind)) = self.rules.iter().find(|(matches, _)| matches(call)) {
            return Err(EngineError::new(kind.clone(), format!("{call} failed on purpose")));
        }
        self.mutations += u64::from(call.kind.is_mutating());
        Ok(())
    }

    /// Returns how often to yield and how long to sleep before the next call.
    pub(crate) fn next_pause(&mut self) -> (u64, Duration) {
        match self.pace {
            Pace::Immediate => (0, Duration::ZERO),
            Pace::Yields { .. } => (self.draw() % 8, Duration::ZERO),
            Pace::Sleeps { longest, .. } => {
                let most = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX).saturating_add(1);
                (0, Duration::from_micros(self.draw() % most))
            }
        }
    }

    /// Draws a number; source: the SplitMix64 generator of Steele, Lea and Flood, "Fast splittable pseudorandom number
    /// generators" (2014).
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// The answer of an engine that is gone.
pub(crate) fn unreachable() -> EngineError {
    EngineError::new(ErrorKind::Unreachable, "the engine in memory was cut off on purpose")
}

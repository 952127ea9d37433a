//! Healthchecks as a state machine: [`Check`] says what to probe and how often, [`Monitor`] what the probes mean.
//!
//! This room never sleeps, never runs a probe and has no clock: time is a [`std::time::Duration`] since boot, passed in.

mod check;
mod monitor;

pub use check::{Check, Status, Test};
pub use monitor::{Monitor, Probe};

//! Plan in, engine calls and events out; no policy.
//!
//! The same loop for every verb and engine. It never compares what is wanted with what is there, never asks, and never
//! prints: new behaviour is a new [`rcompose_planner::Action`] or a better plan.

mod call;
mod cancel;
mod event;
mod hook;
mod job;
mod outcome;
mod output;
mod run;
mod schedule;
mod verdict;
mod wait;
mod watch;

pub use cancel::{Cancel, Level};
pub use event::{Event, EventKind, Progress, SkipCause};
pub use outcome::Outcome;
pub use output::LastOutput;
pub use run::{Engines, Options, run};

//! Output of several containers as one: in the order of time, each line with its container's name.

mod deaths;
mod follow;
mod merge;
mod printer;
mod when;

pub(crate) use deaths::{Deaths, LOOK};
pub(crate) use follow::{Follower, From, Piece};
pub(crate) use merge::merged;
pub(crate) use printer::{Lines, Printer};
pub(crate) use when::point_in_time;

use rcompose_engine_adapter::LogLine;

/// Returns a line's time in nanoseconds since 1970, to sort by; `None` where the engine wrote none that can be read.
pub(crate) fn time_of(line: &LogLine) -> Option<i128> {
    line.timestamp.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_nanosecond)
}

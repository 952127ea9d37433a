//! One ordered stream of what happens, from which every display is made.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rcompose_engine_adapter::{ContainerState, EngineError, HealthStatus, ImageProgress};
use rcompose_planner::StepId;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

/// Something that happened to a step.
#[derive(Debug, Clone)]
pub struct Event {
    /// Counts from 0 without a gap.
    pub seq: u64,
    /// Time since the run's start.
    pub at: Duration,
    /// The step.
    pub step: StepId,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to a step. Each step ends in exactly one of `Done`, `Failed` and `Skipped`.
#[derive(Debug, Clone)]
pub enum EventKind {
    /// Its engine call is made now.
    Started,
    /// It moved on; only between `Started` and its end.
    Progress(Progress),
    /// It succeeded.
    Done,
    /// It failed; a warning only where the step is optional.
    Failed(Arc<EngineError>),
    /// It was not done, or not done to its end.
    Skipped(SkipCause),
}

impl EventKind {
    /// Tells whether this is the last event of its step.
    pub fn is_end(&self) -> bool {
        match self {
            Self::Started | Self::Progress(_) => false,
            Self::Done | Self::Failed(_) | Self::Skipped(_) => true,
        }
    }
}

/// How a step moves on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Of a pull or build; never [`ImageProgress::Done`].
    Image(ImageProgress),
    /// A line that a hook put out.
    Output {
        /// From standard error.
        stderr: bool,
        /// The line without its newline; bytes that are no UTF-8 are replaced.
        line: String,
    },
    /// What a container that is waited for does now; sent when it changes.
    Waiting {
        /// Its state.
        state: ContainerState,
        /// Its health, where it has a healthcheck.
        health: Option<HealthStatus>,
    },
}

/// Why a step was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipCause {
    /// This step failed before.
    Failed(StepId),
    /// The run was asked to stop before the step started, or while it only waited.
    Cancelled,
    /// The run was dropped while the step ran: how far it got is unknown.
    Dropped,
    /// The plan gives no order in which the step could come: its edges form a circle or name no step.
    Unordered,
}

impl fmt::Display for SkipCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(step) => write!(f, "step {step} failed"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Dropped => f.write_str("interrupted"),
            Self::Unordered => f.write_str("the plan never lets it start"),
        }
    }
}

/// Numbers the events and sends them.
#[derive(Debug)]
pub(crate) struct Emitter {
    start: Instant,
    next: AtomicU64,
    sender: UnboundedSender<Event>,
}

impl Emitter {
    pub(crate) fn new(sender: UnboundedSender<Event>) -> Self {
        Self { start: Instant::now(), next: AtomicU64::new(0), sender }
    }

    /// Sends one event. All steps are polled by one task, so that numbers and the order of sending agree.
    pub(crate) fn emit(&self, step: StepId, kind: EventKind) {
        let seq = self.next.fetch_add(1, Ordering::Relaxed);
        let event = Event { seq, at: self.start.elapsed(), step, kind };
        // Nobody has to listen: the outcome tells the end all the same.
        let _ = self.sender.send(event);
    }
}

//! How a run ended.

use std::sync::Arc;

use rcompose_engine_adapter::EngineError;
use rcompose_planner::StepId;

use crate::SkipCause;

/// How a run ended: each step of the plan is in exactly one list, in the order in which the steps ended.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Steps that succeeded.
    pub done: Vec<StepId>,
    /// Steps that failed, with why.
    pub failed: Vec<(StepId, Arc<EngineError>)>,
    /// Optional steps that failed, with why.
    pub warnings: Vec<(StepId, Arc<EngineError>)>,
    /// Steps that were not done, with why.
    pub skipped: Vec<(StepId, SkipCause)>,
    /// Somebody asked the run to end before it had.
    pub cancelled: bool,
}

impl Outcome {
    /// Tells whether all that had to be done was done; failures of optional steps, and what hangs on them, are no obstacle.
    pub fn is_success(&self) -> bool {
        let unordered = self.skipped.iter().any(|(_, cause)| *cause == SkipCause::Unordered);
        self.failed.is_empty() && !self.cancelled && !unordered
    }
}

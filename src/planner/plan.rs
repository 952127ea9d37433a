//! The plan: typed steps with reasons, in an order that a graph gives.

use std::collections::BTreeSet;
use std::fmt;

use rcompose_engine_adapter::{ContainerName, EngineInfo};
use serde::Serialize;

use crate::{Action, Reason};

/// Names a step within its plan; steps are numbered from 1 in the order of the listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct StepId(pub u32);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One engine call, why it is made, and what must have ended before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Its number.
    pub id: StepId,
    /// What is done.
    pub action: Action,
    /// Why.
    pub because: Reason,
    /// Steps that must have succeeded before.
    pub after: BTreeSet<StepId>,
    /// Steps that must have ended before, however they did: dependencies with `required: false`, and teardown.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub after_end: BTreeSet<StepId>,
    /// What could be lost; somebody has to accept it before the plan is executed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// Its failure is a warning, not the failure of the run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// What a step could lose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// The content of a volume.
    DataLoss(rcompose_engine_adapter::VolumeName),
}

/// What the executor does after a failure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Starts nothing new: set-up.
    #[default]
    Stop,
    /// Tries everything and reports all errors: teardown. What comes after a failed step is tried too.
    Continue,
}

/// Steps in an order that respects `after`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Plan {
    /// The project.
    pub project: String,
    /// The engine it was made for.
    pub engine: EngineInfo,
    /// The steps; each comes after all it depends on.
    pub steps: Vec<Step>,
    /// What happens after a failure.
    pub on_failure: OnFailure,
    /// Containers that are as wanted already.
    pub unchanged: Vec<ContainerName>,
    /// What a user should know; none of it stops the plan.
    pub notices: Vec<Notice>,
}

impl Plan {
    /// Tells whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Returns every risk, in order.
    pub fn risks(&self) -> impl Iterator<Item = (&Step, &Risk)> {
        self.steps.iter().filter_map(|step| step.risk.as_ref().map(|risk| (step, risk)))
    }

    /// Returns a step by its number.
    pub fn step(&self, id: StepId) -> Option<&Step> {
        // Steps are listed by rising number.
        let index = self.steps.binary_search_by_key(&id, |step| step.id).ok()?;
        self.steps.get(index)
    }
}

/// Something a user should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// The place in the project, such as `services.web.cpu_count`, for file and line; empty where there is none.
    pub path: String,
    /// A whole sentence without the final full stop.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

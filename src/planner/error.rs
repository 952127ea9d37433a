//! Why there is no plan.

use thiserror::Error;

/// Everything that stands against a plan, all at once, in the order of the project.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", join(.problems))]
pub struct PlanError {
    /// At least one.
    pub problems: Vec<Problem>,
}

/// One thing that stands against a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The kind, for tests and exit codes.
    pub kind: ProblemKind,
    /// The place in the project, such as `services.web.ports[0]`; empty where there is none.
    pub path: String,
    /// Lower-case fragment: what is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The kind of a [`Problem`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// Services depend on each other in a circle.
    Cycle,
    /// A service that no file names.
    UnknownService,
    /// An external network, volume, secret or container is not there.
    ExternalMissing,
    /// A host port is held by somebody else.
    PortTaken,
    /// Several replicas want the same port, or the same name.
    ReplicaConflict,
    /// The name of a container is taken by somebody else.
    NameTaken,
    /// Another folder's project of the same name would be changed.
    ForeignProject,
    /// The engine cannot honour an attribute.
    Unsupported,
    /// A value does not fit what it is for.
    Invalid,
    /// The verb needs a container that is not there.
    NoContainer,
    /// Content of a secret or config is not to be had.
    ContentMissing,
}

impl PlanError {
    /// Makes an error of one problem.
    pub fn one(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl Problem {
    /// Makes a problem without a hint.
    pub fn new(kind: ProblemKind, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, path: path.into(), message: message.into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

fn join(problems: &[Problem]) -> String {
    problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; ")
}

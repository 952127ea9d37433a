//! Everything that ends a verb before its time; [`crate::report`] turns it into words and an exit status.

use std::io;
use std::sync::Arc;

use rcompose_engine_adapter::EngineError;
use rcompose_executor::Outcome;
use rcompose_planner::{Plan, PlanError};
use rcompose_spec::{Origins, SpecErrors};
use thiserror::Error;

use crate::holder::Holders;

/// Why a verb ended before its time.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The words make no sense; the text is complete.
    #[error("{0}")]
    Clap(String),
    /// The words make no sense together.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// Docker compose has it, this version does not.
    #[error("{0}: not in this version")]
    NotInThisVersion(String),
    /// The compose files are wrong.
    #[error(transparent)]
    Spec(#[from] SpecErrors),
    /// There is no plan.
    #[error("{error}")]
    Plan {
        /// Everything that stands against it.
        error: PlanError,
        /// Where each value was written.
        origins: Box<Origins>,
    },
    /// The engine failed outside a plan.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// An image of our own store, or a registry.
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Image(#[from] rcompose_image::ImageError),
    /// Credentials for a registry.
    #[error(transparent)]
    Credentials(#[from] rcompose_credentials::CredentialsError),
    /// A plan was not done to its end.
    #[error("not everything was done")]
    Run(Box<RunFailure>),
    /// A file or stream failed.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system answered.
        source: io::Error,
    },
    /// Something asked for is not there, or not in the state it must be in.
    #[error("{message}")]
    Refused {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Somebody pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Nobody reads standard output any more.
    #[error("standard output is closed")]
    OutputClosed,
}

/// A plan that was not done to its end.
#[derive(Debug)]
pub(crate) struct RunFailure {
    /// The plan.
    pub(crate) plan: Plan,
    /// How far it got.
    pub(crate) outcome: Outcome,
    /// Who holds the ports that were taken.
    pub(crate) holders: Holders,
    /// Where each value was written.
    pub(crate) origins: Box<Origins>,
}

impl RunFailure {
    /// Returns the errors, each with its step.
    pub(crate) fn errors(&self) -> impl Iterator<Item = (&rcompose_planner::Step, &Arc<EngineError>)> {
        self.outcome.failed.iter().filter_map(|(id, error)| Some((self.plan.step(*id)?, error)))
    }
}

impl Failure {
    /// Makes a failure of words that make no sense together.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: Some(hint.into()) }
    }

    /// Makes a failure about the state of things.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), hint: None }
    }

    /// Makes a failure about the state of things, with what to do.
    pub(crate) fn refused_with(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), hint: Some(hint.into()) }
    }

    /// Makes a failure of a file or stream.
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }

    /// Makes a failure of the planner.
    pub(crate) fn plan(error: PlanError, origins: &Origins) -> Self {
        Self::Plan { error, origins: Box::new(origins.clone()) }
    }
}

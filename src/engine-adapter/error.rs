//! What can go wrong on an engine.

use std::error::Error as StdError;

use thiserror::Error;

/// A result whose error is an [`EngineError`].
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

/// What went wrong, as far as a caller can act on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// The object named is not there.
    NotFound,
    /// The object is there already, is in use, or is in a state that forbids the call.
    Conflict,
    /// Rights or credentials are missing.
    Denied,
    /// The engine cannot do this, by design or by version.
    Unsupported,
    /// The engine did not answer.
    Unreachable,
    /// A host port is taken already.
    PortTaken {
        /// The port on the host.
        port: u16,
    },
    /// The image is neither on the engine nor in its registry.
    ImageMissing,
    /// The request is malformed: the engine refused a value.
    Invalid,
    /// The engine failed in a way it alone can explain.
    Other,
}

/// One failed engine call: a kind to act on, a message to read, and the cause.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct EngineError {
    /// What a caller can act on.
    pub kind: ErrorKind,
    /// Lower-case fragment that names the object and what was tried or answered.
    pub message: String,
    /// The cause, where there is one below the engine's own answer.
    #[source]
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

impl EngineError {
    /// Makes an error without a deeper cause.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Tells whether the object named is absent.
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }
}

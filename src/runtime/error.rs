//! What can go wrong with a container, and where.

use std::io;
use std::path::PathBuf;

/// Any error of this room.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A file of the bundle or of the state cannot be read or written.
    #[error("{doing} {}", path.display())]
    File {
        /// What was tried, as `read` or `create the folder`.
        doing: &'static str,
        /// Of which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file is not the JSON that it must be.
    #[error("{}: `{field}` is malformed", path.display())]
    Malformed {
        /// Of which file.
        path: PathBuf,
        /// Path of the field, as `process.user.uid`.
        field: String,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A field holds what no container can be made of.
    #[error("`{field}`: {reason}")]
    Field {
        /// Path of the field, as `linux.namespaces`.
        field: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A field asks for what this version, this kernel or these rights cannot give.
    #[error("`{field}` is not supported: {reason}")]
    Unsupported {
        /// Path of the field.
        field: String,
        /// Who cannot, and why.
        reason: String,
    },
    /// A step on the way into the container failed.
    #[error("{step}")]
    Step {
        /// The step, in words.
        step: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The program of the container cannot be run.
    #[error("exec: {name:?}: {reason}")]
    Program {
        /// `process.args[0]`.
        name: String,
        /// In the words that callers of an OCI runtime look for.
        reason: String,
    },
    /// A hook ended with failure.
    #[error("hook {kind} {} failed: {reason}", path.display())]
    Hook {
        /// As in the spec: `prestart`.
        kind: &'static str,
        /// The program of the hook.
        path: PathBuf,
        /// Its status, and what it said.
        reason: String,
    },
    /// There is no container of that name.
    #[error("container {id:?} does not exist")]
    Absent {
        /// Its name.
        id: String,
    },
    /// There already is a container of that name.
    #[error("container with id exists: {id}")]
    Exists {
        /// Its name.
        id: String,
    },
    /// A container's name is not one.
    #[error("invalid container id {id:?}: letters, digits, `_`, `+`, `-` and `.` only, and at most 255 of them")]
    Name {
        /// What was given.
        id: String,
    },
    /// The container is not in a state in which this can be done.
    #[error("{reason}")]
    State {
        /// The state, and what would be needed.
        reason: String,
    },
    /// The process died before it could report.
    #[error("the container's first process ended while {during}: {how}")]
    Died {
        /// The last thing known of it.
        during: String,
        /// Its wait status in words.
        how: String,
    },
}

/// Result of this room.
pub type Result<T, E = RuntimeError> = std::result::Result<T, E>;

impl RuntimeError {
    /// Makes an error of a field of the spec.
    pub(crate) fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Field { field: field.into(), reason: reason.into() }
    }

    /// Makes a refusal by name.
    pub(crate) fn unsupported(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Unsupported { field: field.into(), reason: reason.into() }
    }

    /// Wraps the error of a file.
    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::File { doing, path: path.into(), source }
    }

    /// Wraps the error of a step.
    pub(crate) fn step(step: impl Into<String>, source: io::Error) -> Self {
        Self::Step { step: step.into(), source }
    }

    /// Returns the error and its causes in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// Writes an error and its causes in one line.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

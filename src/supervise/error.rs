//! What can go wrong beside a container, and where.

use std::io;
use std::path::PathBuf;

use crate::protocol::Malformed;

/// Any error of this room.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// A file, folder or socket refuses.
    #[error("{doing} {}", path.display())]
    File {
        /// What was tried, as `read` or `make the folder`.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A system call fails that must not.
    #[error("{step}")]
    Step {
        /// What it was for.
        step: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A file is not the JSON that it must be.
    #[error("{}: malformed; it was written by another version, or by hand", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A file was written by a later version.
    #[error("{} was written by a newer rcompose (form {form}); use that version; nothing was changed", path.display())]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its form.
        form: u32,
    },
    /// What was said on a control socket is no message.
    #[error("control socket")]
    Protocol(#[from] Malformed),
    /// A container cannot be made.
    #[error("cannot start: {reason}")]
    Launch {
        /// What the launcher says.
        reason: String,
    },
    /// The other side refused.
    #[error("{reason}")]
    Refused {
        /// What it says.
        reason: String,
    },
    /// A container's name cannot be that of a folder.
    #[error("{name:?} cannot name a container: letters, digits, `_`, `-` and `.` only, at most 128 of them, and not `.` or `..`")]
    Name {
        /// What was given.
        name: String,
    },
    /// A guardian that was started does not answer.
    #[error("the guardian of {} does not answer; what it said: {said}", path.display())]
    NoGuardian {
        /// Its project's folder.
        path: PathBuf,
        /// Its last words.
        said: String,
    },
    /// A guardian was stopped by a signal.
    #[error("the guardian of {} (process {pid}) is stopped and does not answer; `kill -CONT {pid}` lets it go on", path.display())]
    Stopped {
        /// Its project's folder.
        path: PathBuf,
        /// Its process.
        pid: u32,
    },
}

/// Result of this room.
pub type Result<T, E = SuperviseError> = std::result::Result<T, E>;

impl SuperviseError {
    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }

    pub(crate) fn step<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Step { step, source: source.into() }
    }

    /// Returns the error and its causes in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        rcompose_runtime::chain(self)
    }
}

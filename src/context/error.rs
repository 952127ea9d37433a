//! What can go wrong with a build context.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a build context cannot be read.
#[derive(Debug, Error)]
pub enum ContextError {
    /// The folder is not there.
    #[error("build context {} does not exist", path.display())]
    Missing {
        /// The folder asked for.
        path: PathBuf,
    },
    /// What is there is not a folder.
    #[error("build context {} is not a folder", path.display())]
    NotAFolder {
        /// The path asked for.
        path: PathBuf,
    },
    /// The Dockerfile is not there.
    #[error("Dockerfile {} does not exist", path.display())]
    MissingDockerfile {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A line of an ignore file is malformed.
    #[error("{}:{line}: malformed pattern `{pattern}`", path.display())]
    Pattern {
        /// The ignore file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The text of the line.
        pattern: String,
    },
    /// A file got shorter or longer while it was read.
    #[error("{} changed while the build context was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A file or folder cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The archive cannot be written where it was asked to go.
    #[error("cannot write the build context")]
    Write(#[source] io::Error),
}

impl ContextError {
    /// Wraps a failure to read a path.
    pub(crate) fn read(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Read { path: path.into(), source }
    }
}

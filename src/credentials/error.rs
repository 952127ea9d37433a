//! What goes wrong with credentials. No text of it holds a secret.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// What went wrong with credentials.
#[derive(Debug, Error)]
pub enum CredentialsError {
    /// The configuration is no JSON of the expected form. The parser's own words may quote a secret, so only the place is told.
    #[error("{} cannot be understood as JSON (line {line}, column {column})", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where it goes wrong.
        line: usize,
        /// Where in that line.
        column: usize,
    },
    /// The configuration cannot be read or written.
    #[error("{} cannot be {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system answered.
        source: io::Error,
    },
    /// An entry of the configuration makes no sense.
    #[error("the credentials for {server} in config.json are malformed")]
    Entry {
        /// For which registry.
        server: String,
    },
    /// A helper is named with a path; helpers are found on the search path only.
    #[error("the credential helper `{name}` is named with a path in config.json")]
    HelperPath {
        /// Its name.
        name: String,
    },
    /// A helper cannot be started or did not end well.
    #[error("the credential helper {program} {what}")]
    Helper {
        /// The program.
        program: String,
        /// What it did.
        what: String,
        /// What the system answered.
        source: Option<io::Error>,
    },
}

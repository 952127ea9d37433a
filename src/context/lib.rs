//! Build contexts: which files of a folder go to a builder, as a reproducible tar archive and as a digest.
//!
//! This room reads files and knows `.dockerignore`; it knows no engine, prints nothing, and follows no symbolic link below
//! the folder it is given.

mod archive;
mod context;
mod digest;
mod error;
mod ignore;
mod pattern;
mod walk;

pub use context::{Context, Instructions};
pub use error::ContextError;
pub use ignore::Ignore;

//! Compose sources in, one resolved [`Project`](model::Project) out.
//!
//! This room reads nothing by itself (all IO goes through [`Files`]), prints nothing, and knows neither engine nor clock.

mod error;
pub mod model;
mod sources;
mod span;
mod units;

pub use error::{Code, Note, SpecError, SpecErrors, Warning};
pub use sources::{Files, Kind, LoadOptions, Sources};
pub use span::{Origins, Source, Span};

/// A project, with what was noticed and where each value was written.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The project.
    pub project: model::Project,
    /// What is worth saying.
    pub warnings: Vec<Warning>,
    /// Where each value was written.
    pub origins: Origins,
}

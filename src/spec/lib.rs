//! Compose sources in, one resolved [`Project`](model::Project) out.
//!
//! This room reads nothing by itself (all IO goes through [`Files`]), prints nothing, and knows neither engine nor clock.

mod canonical;
mod consistency;
mod decode;
mod defaults;
mod discover;
mod dotenv;
mod environment;
mod error;
mod extends;
mod findings;
pub mod hash;
mod include;
mod interpolate;
mod load;
mod lower;
mod merge;
pub mod model;
mod name;
mod normalize;
mod path;
mod paths;
mod profiles;
mod project;
pub mod render;
mod report;
mod reset;
mod resolve;
mod schema;
mod sources;
mod span;
mod template;
mod tree;
mod unique;
mod units;
mod words;
mod yaml;

pub use discover::{Discovered, Given, discover};
pub use error::{Code, Note, SpecError, SpecErrors, Warning};
pub use report::{Place, Report};
pub use resolve::{Selection, load, select};
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

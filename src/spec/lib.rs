//! Compose sources in, one resolved [`Project`](model::Project) out.
//!
//! This room reads nothing by itself (all IO goes through [`Files`]), prints nothing, and knows neither engine nor clock.
//! [`discover`] finds the files, [`load`] runs the stages over them, [`select`] narrows to the services named on a command line.
//!
//! The stages of one file: parse, reset, interpolate, include, extends, merge, unique, schema, canonical.
//! Then those of the whole: defaults, paths, normalize, lower, decode, profiles, consistency, lint, environment.

// Stages; their order stands above.
mod canonical;
mod consistency;
mod decode;
mod defaults;
mod discover;
mod environment;
mod extends;
mod include;
mod interpolate;
mod lint;
mod load;
mod lower;
mod merge;
mod name;
mod normalize;
mod paths;
mod profiles;
mod project;
mod reset;
mod resolve;
mod schema;
mod unique;
mod yaml;

// Grammars of texts.
mod dotenv;
mod go_json;
mod template;
mod units;
mod words;

// What the stages work on, and what they find.
mod error;
mod findings;
mod path;
mod report;
mod routes;
mod sources;
mod span;
mod trace;
mod tree;
mod why;

pub mod hash;
pub mod model;
pub mod render;

pub use discover::{Discovered, Given, discover};
pub use error::{Code, Finding, Note, SpecErrors, strict};
pub use name::check as check_project_name;
pub use report::{Place, Report};
pub use resolve::{Selection, load, select};
pub use schema::attributes;
pub use sources::{Files, InMemory, Kind, LoadOptions, Sources};
pub use span::{Origins, Source, Span};
pub use trace::{Overridden, Owner, Setting, Trace, VariableUse};
pub use why::{By, Claim, Element, Elements, ServiceWhy, Unknown, Why, elements, why};

/// A project, with what was noticed and where each value was written.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The project.
    pub project: model::Project,
    /// What is worth saying.
    pub warnings: Vec<Finding>,
    /// Where each value was written.
    pub origins: Origins,
    /// Where values come from; empty unless [`LoadOptions::trace`] asks for it.
    pub trace: Trace,
    /// How it was loaded.
    pub options: LoadOptions,
}

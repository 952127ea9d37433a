//! Decides, never does: (Project, Observed, options) → Plan, as a pure function.
//!
//! No clock, environment, IO, prompt or log in this room. Same inputs, same plan, byte for byte.

mod action;
mod diff;
mod draft;
mod error;
mod fleet;
mod gate;
mod graph;
mod identity;
mod lower;
mod options;
mod plan;
mod private;
mod reason;
mod scope;
pub mod support;
mod verbs;

pub use action::{Action, Condition, Subject};
pub use error::{PlanError, Problem, ProblemKind};
pub use graph::{DependencyGraph, graph};
pub use options::{
    Build, BuildOptions, Down, ImageOptions, Input, Kill, LabelFilter, PathKind, Prune, Recreate, Remove, RemoveImages, Run, Select, Up,
    Wait, World,
};
pub use plan::{Notice, OnFailure, Plan, Risk, Step, StepId};
pub use private::is_private;
pub use reason::{FieldChange, Reason, Shown};
pub use scope::{paths, scope};
pub use verbs::{Discarding, RunPlan, down, images, kill, pause, prune, restart, resume, rm, run, start, stop, unpause, up};

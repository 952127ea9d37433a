//! Decides, never does: (Project, Observed, options) → Plan, as a pure function.
//!
//! No clock, environment, IO, prompt or log in this room. Same inputs, same plan, byte for byte.

mod action;
mod error;
mod options;
mod plan;
mod reason;

pub use action::{Action, Condition, Subject};
pub use error::{PlanError, Problem, ProblemKind};
pub use options::{Build, BuildOptions, Down, ImageOptions, Input, Kill, Recreate, Remove, RemoveImages, Run, Select, Up, Wait, World};
pub use plan::{Notice, OnFailure, Plan, Risk, Step, StepId};
pub use reason::{FieldChange, Reason, Shown};

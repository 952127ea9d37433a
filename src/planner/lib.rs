//! Decides, never does: (Project, Observed, options) → Plan, as a pure function.
//!
//! No clock, environment, IO, prompt or log in this room. Same inputs, same plan, byte for byte.

mod action;
mod plan;
mod reason;

pub use action::{Action, Condition, Subject};
pub use plan::{Notice, OnFailure, Plan, Risk, Step, StepId};
pub use reason::{FieldChange, Reason, Shown};

//! What must hold before a service starts.

use rcompose_spec::model::Condition;

use crate::draft::{Draft, Handle};

/// A step that must have succeeded, or only ended, before a service starts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Gate {
    /// It must have succeeded.
    Required(Handle),
    /// It must have ended: `required: false`.
    Optional(Handle),
}

impl Gate {
    /// Makes a gate of a step. A waiting step is optional until somebody requires it; one that starts a container never is.
    pub(crate) fn new(draft: &mut Draft, handle: Handle, required: bool, condition: Condition) -> Self {
        if !required {
            return Self::Optional(handle);
        }
        match condition {
            Condition::Started => {}
            Condition::Healthy | Condition::Completed => draft.optional(handle, false),
        }
        Self::Required(handle)
    }

    /// Makes a step wait at the gate.
    pub(crate) fn hold(self, draft: &mut Draft, step: Handle) {
        match self {
            Self::Required(handle) => draft.after(step, handle),
            Self::Optional(handle) => draft.after_end(step, handle),
        }
    }
}

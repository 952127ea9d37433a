//! Stopping, and the hooks around it.

use std::time::Duration;

use rcompose_engine_adapter::{ContainerName, ContainerState, Exec, ObservedContainer, Stop};
use rcompose_spec::model::{Hook, Service};

use crate::draft::{Draft, Handle};
use crate::{Action, Reason};

/// Returns the step that stops a container; `None` leaves the container its own time before SIGKILL.
pub(crate) fn stop_action(name: &ContainerName, grace: Option<Duration>) -> Action {
    Action::StopContainer { name: name.clone(), stop: Stop { signal: None, grace } }
}

/// Adds a service's `pre_stop` hooks, one after the other; returns the last. Their failure does not keep anything running.
pub(crate) fn pre_stop_steps(
    draft: &mut Draft,
    service: Option<&Service>,
    container: &ObservedContainer,
    because: &Reason,
    after: Option<Handle>,
) -> Option<Handle> {
    if container.state != ContainerState::Running {
        return None;
    }
    let mut last = after;
    let hooks = service.map(|it| it.pre_stop.as_slice()).unwrap_or_default();
    for hook in hooks {
        let action = Action::RunHook { name: container.name.clone(), exec: Box::new(exec(hook)) };
        let step = draft.add(action, because.clone(), []);
        draft.optional(step, true);
        if let Some(before) = last {
            draft.after_end(step, before);
        }
        last = Some(step);
    }
    if hooks.is_empty() { None } else { last }
}

/// Returns what a hook runs.
pub(crate) fn exec(hook: &Hook) -> Exec {
    Exec {
        command: hook.command.clone().unwrap_or_default(),
        environment: hook.environment.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect(),
        user: (!hook.user.is_empty()).then(|| hook.user.clone()),
        working_dir: (!hook.working_dir.is_empty()).then(|| hook.working_dir.clone()),
        privileged: hook.privileged,
        ..Exec::default()
    }
}

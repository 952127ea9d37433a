//! Stopping, and the hooks around it.

use std::time::Duration;

use rcompose_engine_adapter::{ContainerState, Exec, ObservedContainer, Stop};
use rcompose_spec::model::{Hook, Service};

use crate::draft::{Draft, Handle};
use crate::{Action, Reason};

/// The steps that stop one container: from its first hook to the stop itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopping {
    /// What must wait for whatever comes before.
    pub(crate) first: Handle,
    /// What others wait for.
    pub(crate) last: Handle,
}

/// Adds a service's `pre_stop` hooks, one after the other, and the stop; `None` where nothing is there to be stopped.
/// A hook's failure keeps nothing running. No `grace` leaves the container its own time before SIGKILL.
pub(crate) fn stop_steps(
    draft: &mut Draft,
    service: Option<&Service>,
    container: &ObservedContainer,
    grace: Option<Duration>,
    because: &Reason,
) -> Option<Stopping> {
    if !container.state.is_up() {
        return None;
    }
    let runs = container.state == ContainerState::Running;
    let hooks = service.filter(|_| runs).map(|it| it.pre_stop.as_slice()).unwrap_or_default();
    let mut steps: Vec<Handle> = Vec::new();
    for hook in hooks {
        let action = Action::RunHook { name: container.name.clone(), exec: Box::new(exec(hook)) };
        let step = draft.add(action, because.clone(), []);
        draft.optional(step, true);
        steps.push(step);
    }
    let stop = Stop { signal: None, grace, drain: *because == Reason::Excess };
    let stop = Action::StopContainer { name: container.name.clone(), stop };
    steps.push(draft.add(stop, because.clone(), []));
    for (before, after) in steps.iter().zip(steps.iter().skip(1)) {
        draft.after_end(*after, *before);
    }
    Some(Stopping { first: *steps.first()?, last: *steps.last()? })
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

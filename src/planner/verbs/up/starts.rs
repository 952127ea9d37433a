//! Steps that start containers, each after what its service depends on.

use rcompose_engine_adapter::{ContainerState, HealthStatus, ObservedContainer};

use super::Builder;
use super::unit::{Fate, Unit};
use crate::draft::Handle;
use crate::gate::Gate;
use crate::verbs::stop::exec;
use crate::{Action, Condition, Reason};

impl Builder<'_> {
    pub(super) fn start_steps(&mut self) {
        for name in self.order() {
            let Some(mut replicas) = self.services.remove(&name) else {
                continue;
            };
            let starts = replicas.units.iter().any(|unit| unit.start_reason().is_some() || unit.fate == Fate::Unpause);
            let gates = if starts { self.gates(&name) } else { Vec::new() };
            let jobs = match self.project.services.get(&name) {
                Some(service) if starts && !service.pre_start.is_empty() => self.pre_start(service, &replicas, &gates),
                _ => Vec::new(),
            };
            for (at, unit) in replicas.units.iter_mut().enumerate() {
                self.start(&name, unit, &gates, jobs.get(at).map_or(&[], Vec::as_slice));
            }
            self.services.insert(name, replicas);
        }
    }

    fn start(&mut self, service: &str, unit: &mut Unit<'_>, gates: &[Gate], jobs: &[Handle]) {
        let action = match (&unit.fate, unit.start_reason()) {
            (Fate::Unpause, None) => Some((Action::UnpauseContainer { name: unit.name.clone() }, Reason::Stopped)),
            (_, Some(reason)) => Some((Action::StartContainer { name: unit.name.clone() }, reason)),
            (_, None) => None,
        };
        let Some((action, because)) = action else { return };
        let after: Vec<Handle> = unit.made.into_iter().chain(unit.stopped).chain(jobs.iter().copied()).collect();
        let thawed = matches!(action, Action::UnpauseContainer { .. });
        let start = self.draft.add(action, because.clone(), after);
        unit.start = Some(start);
        for gate in gates {
            gate.hold(&mut self.draft, start);
        }
        let hooks = self
            .project
            .services
            .get(service)
            .filter(|_| !thawed)
            .map(|it| it.post_start.as_slice())
            .unwrap_or_default();
        let mut last = start;
        for hook in hooks {
            let action = Action::RunHook { name: unit.name.clone(), exec: Box::new(exec(hook)) };
            last = self.draft.add(action, because.clone(), [last]);
        }
        unit.started = Some(last);
    }

    /// With `--wait`: until what was named is ready.
    pub(super) fn wait_steps(&mut self) {
        let Some(wait) = self.options.wait else { return };
        for name in self.order() {
            let Some(replicas) = self.services.get(&name).filter(|_| self.targets.contains(&name)) else {
                continue;
            };
            let pending: Vec<_> = replicas
                .units
                .iter()
                .filter(|unit| !is_ready(unit))
                .map(|unit| (unit.name.clone(), unit.started))
                .collect();
            for (container, started) in pending {
                let handle = self.wait_for(&container, Condition::Ready, wait.limit, Reason::Requested);
                self.draft.optional(handle, false);
                if let Some(started) = started {
                    self.draft.after(handle, started);
                }
            }
        }
    }
}

/// Tells whether a container that nothing happens to is ready by what was observed.
fn is_ready(unit: &Unit<'_>) -> bool {
    let runs = |container: &ObservedContainer| container.state == ContainerState::Running;
    let healthy = |container: &ObservedContainer| matches!(container.health, None | Some(HealthStatus::Healthy));
    unit.is_untouched() && unit.existing.is_some_and(|container| runs(container) && healthy(container))
}

//! Steps of `pre_start`: containers that do a job to its end before a service starts.

use rcompose_engine_adapter::ContainerState;
use rcompose_spec::model::Service;

use super::Builder;
use super::unit::{Fate, Replicas, Unit};
use crate::draft::Handle;
use crate::gate::Gate;
use crate::verbs::stop::stop_steps;
use crate::{Action, Reason, identity, lower};

/// What runs, in whose container, and after which steps.
struct Job<'a> {
    service: &'a Service,
    /// Its place in the file.
    index: usize,
    /// Only for this replica, by number.
    replica: Option<usize>,
}

impl Builder<'_> {
    /// Adds the jobs of a service; returns for each of its containers the steps after which it may start.
    ///
    /// A job runs before the first container of its service, and so not when the service is scaled up, nor when a container that ran
    /// is started again. One with `per_replica` runs before each container that never ran.
    pub(super) fn pre_start(&mut self, service: &Service, replicas: &Replicas<'_>, gates: &[Gate]) -> Vec<Vec<Handle>> {
        let mut last: Vec<Vec<Handle>> = vec![Vec::new(); replicas.units.len()];
        let fresh: Vec<usize> = (0..).zip(&replicas.units).filter(|(_, unit)| never_ran(unit)).map(|(at, _)| at).collect();
        let alone = fresh.first().copied().filter(|_| fresh.len() == replicas.units.len());
        for (index, hook) in service.pre_start.iter().enumerate() {
            if hook.per_replica {
                for &at in &fresh {
                    let job = Job { service, index, replica: Some(at) };
                    let done = self.job(&job, &replicas.units[at], &last[at], gates);
                    last[at] = vec![done];
                }
            } else if let Some(first) = alone {
                let before: Vec<Handle> = last.iter().flatten().copied().collect();
                let done = self.job(&Job { service, index, replica: None }, &replicas.units[first], &before, gates);
                last.fill(vec![done]);
            }
        }
        last
    }

    /// Adds the steps of one job for a container; returns the one in which it does its work.
    fn job(&mut self, job: &Job<'_>, unit: &Unit<'_>, before: &[Handle], gates: &[Gate]) -> Handle {
        let separator = identity::separator(self.lowering.world);
        let replica = job.replica.map(|at| format!("{}{separator}", at + 1)).unwrap_or_default();
        let name =
            format!("{}{separator}{}{separator}{replica}pre_start{separator}{}", self.project.name, job.service.name, job.index).into();
        let because = Reason::NeededBy(job.service.name.clone());
        let mut after: Vec<Handle> = before.iter().copied().chain(unit.made).collect();
        // What failed stays there to be looked at, and what was cut off may still run.
        if let Some(found) = self.observed.containers.get(&name) {
            let stopping = stop_steps(&mut self.draft, None, found, self.options.timeout, &Reason::Replaced);
            let remove = Action::RemoveContainer { name: name.clone(), volumes: true };
            after.push(self.draft.add(remove, Reason::Replaced, stopping.map(|it| it.last)));
        }
        let spec = lower::job(&unit.spec, &job.service.pre_start[job.index], name.clone());
        let create = self.draft.add(Action::CreateContainer(Box::new(spec)), because.clone(), after);
        for gate in gates {
            gate.hold(&mut self.draft, create);
        }
        let run = self.draft.add(Action::RunJob { name: name.clone() }, because.clone(), [create]);
        let remove = self.draft.add(Action::RemoveContainer { name, volumes: true }, because, [run]);
        // It has done its work.
        self.draft.optional(remove, true);
        run
    }
}

/// Tells whether no process of what will be the container has run yet.
fn never_ran(unit: &Unit<'_>) -> bool {
    let created = || unit.existing.is_some_and(|container| container.state == ContainerState::Created);
    unit.fate.makes() || matches!(unit.fate, Fate::Start(_)) && created()
}

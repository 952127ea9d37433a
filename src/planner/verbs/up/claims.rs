//! Names and host ports that change hands: whoever takes one waits for whoever lets it go.

use rcompose_engine_adapter::{ContainerName, ObservedContainer, PortHolder};

use super::Builder;
use super::ports::clashes;
use super::unit::Unit;
use crate::draft::Handle;
use crate::verbs::foreign::is_orphan;
use crate::{Problem, ProblemKind};

impl Builder<'_> {
    /// Notes a container that goes.
    pub(super) fn goes(&mut self, container: &ObservedContainer, stopped: Handle, removed: Handle) {
        self.going.insert(container.name.clone(), (stopped, removed));
    }

    pub(super) fn claim(&mut self) {
        let mut edges: Vec<(Handle, Handle)> = Vec::new();
        for unit in self.services.values().flat_map(|replicas| &replicas.units) {
            let own = unit.existing.map(|it| &it.name);
            if let (Some(&(_, removed)), true) = (self.going.get(&unit.name), own != Some(&unit.name)) {
                edges.extend(unit.made.map(|made| (made, removed)));
            }
            let Some(start) = unit.start else { continue };
            let freed = self.holders_of(unit).filter(|name| own != Some(*name)).filter_map(|name| self.going.get(name));
            edges.extend(freed.map(|&(stopped, _)| (start, stopped)));
        }
        edges.into_iter().for_each(|(step, before)| self.draft.after(step, before));
    }

    /// Returns who holds a port that a container wants.
    fn holders_of<'b>(&'b self, unit: &'b Unit<'_>) -> impl Iterator<Item = &'b ContainerName> {
        let wants = |holder: &&PortHolder| {
            unit.spec.ports.iter().any(|port| {
                let within = port.published.is_some_and(|(first, last)| (first..=last).contains(&holder.port));
                within && clashes(port, holder.host_ip, holder.protocol)
            })
        };
        self.observed.ports.iter().filter(wants).map(|holder| &holder.container)
    }

    /// Tells whether a container is gone once the plan is done.
    pub(super) fn leaves(&self, container: &ObservedContainer) -> bool {
        if is_orphan(self.project, container) {
            return self.options.remove_orphans;
        }
        if container.project() != Some(&self.project.name) || container.is_oneoff() {
            return false;
        }
        let Some(replicas) = container.service().and_then(|service| self.services.get(service)) else {
            return false;
        };
        let replaced = replicas.units.iter().filter(|unit| unit.fate.makes()).filter_map(|unit| unit.existing);
        let going = replaced.chain(replicas.excess.iter().copied()).chain(replicas.leftovers.iter().copied());
        going.into_iter().any(|other| other.name == container.name)
    }

    /// A name that somebody else has, and keeps, is found out before anything is done.
    pub(super) fn check_names(&mut self) {
        let mut problems = Vec::new();
        for (service, replicas) in &self.services {
            for unit in replicas.units.iter().filter(|unit| unit.existing.is_none_or(|it| it.name != unit.name)) {
                let Some(holder) = self.observed.containers.get(&unit.name).filter(|it| !self.leaves(it)) else {
                    continue;
                };
                let owner = match (holder.project(), holder.service()) {
                    (Some(project), Some(owner)) => format!("service {owner} of project {project}"),
                    _ => "a container of no project".to_owned(),
                };
                let message = format!("the name `{}` is taken by {owner}", unit.name);
                let problem = Problem::new(ProblemKind::NameTaken, format!("services.{service}.container_name"), message);
                let hint = format!("remove that container (`docker rm {}`) or choose another name", unit.name);
                problems.push(problem.hint(hint));
            }
        }
        problems.into_iter().for_each(|problem| self.lowering.problem(problem));
    }
}

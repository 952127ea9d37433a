//! Which containers stay, change, come and go.

use std::collections::BTreeMap;

use rcompose_engine_adapter::{ContainerState, MountKind, ObservedContainer};
use rcompose_spec::model::Service;

use super::Builder;
use super::unit::{Fate, Replicas, Unit};
use crate::lower::{self, Instance};
use crate::{Problem, ProblemKind, Reason, identity};

impl<'a> Builder<'a> {
    /// Dependencies first, so that references to them mean what they will be.
    pub(super) fn decide_services(&mut self) {
        for name in self.order() {
            if let Some(service) = self.project.services.get(&name) {
                let replicas = self.decide(service);
                let names = replicas.units.iter().map(|unit| unit.name.clone()).collect();
                self.lowering.peers.insert(name.clone(), names);
                self.services.insert(name, replicas);
            }
        }
    }

    fn decide(&mut self, service: &Service) -> Replicas<'a> {
        let wanted = self.wanted(service);
        let (found, leftovers) = self.found(service);
        let next = found.keys().max().copied().map_or(1, |highest| highest.saturating_add(1));
        let mut units: Vec<(u32, Unit<'a>)> = found
            .into_iter()
            .map(|(number, container)| (number, self.unit(service, number, Some(container))))
            .collect();
        // The up-to-date and lowest numbers stay.
        units.sort_by_key(|(number, unit)| (unit.fate.makes(), *number));
        let excess = units.split_off(wanted.min(units.len())).into_iter().filter_map(|(_, unit)| unit.existing).collect();
        let missing = wanted.saturating_sub(units.len());
        let numbers = (next..).take(missing);
        for number in numbers {
            units.push((number, self.unit(service, number, None)));
        }
        units.sort_by_key(|(number, _)| *number);
        let units: Vec<Unit<'a>> = units.into_iter().map(|(_, unit)| unit).collect();
        Replicas { units, excess, leftovers }
    }

    fn wanted(&mut self, service: &Service) -> usize {
        let asked = self.options.scale.get(&service.name).copied();
        let wanted = asked.map_or_else(|| usize::try_from(service.replicas()).unwrap_or(0), |count| count as usize);
        if wanted > 1 && !service.container_name.is_empty() {
            let path = format!("services.{}.container_name", service.name);
            let message = format!("{wanted} containers cannot all be named `{}`", service.container_name);
            let problem = Problem::new(ProblemKind::ReplicaConflict, path, message);
            self.lowering.problem(problem.hint("take `container_name` out, or run one container"));
        }
        wanted
    }

    /// Returns the service's containers by number, and those left over by a replacement that was cut off.
    fn found(&self, service: &Service) -> (BTreeMap<u32, &'a ObservedContainer>, Vec<&'a ObservedContainer>) {
        let own = self.own.get(service.name.as_str()).into_iter().flatten().copied();
        let (temporary, proper): (Vec<_>, Vec<_>) = own.partition(|container| is_temporary(container));
        let mut found: BTreeMap<u32, &ObservedContainer> = BTreeMap::new();
        let mut leftovers = Vec::new();
        for container in proper.into_iter().chain(temporary) {
            // A temporary one whose predecessor is gone takes its place; it may hold the only copy of anonymous volumes.
            let number = container.number().unwrap_or(1);
            match found.entry(number) {
                std::collections::btree_map::Entry::Vacant(place) => drop(place.insert(container)),
                std::collections::btree_map::Entry::Occupied(_) => leftovers.push(container),
            }
        }
        (found, leftovers)
    }

    fn unit(&mut self, service: &Service, number: u32, existing: Option<&'a ObservedContainer>) -> Unit<'a> {
        let name = identity::container_name(self.project, service, number, self.lowering.world);
        let carry = match existing {
            Some(container) if !self.options.renew_anonymous_volumes => lower::anonymous(container),
            _ => BTreeMap::new(),
        };
        let spec = lower::container(&mut self.lowering, service, &Instance { name: name.clone(), number: Some(number), carry });
        let fate = match existing {
            None => Fate::Create(Reason::Missing),
            Some(container) => self.fate(service, &spec, container),
        };
        let (restart, created, made) = (None, None, None);
        let (stopping, stopped, removed, start, started) = (None, None, None, None, None);
        Unit { name, spec, existing, fate, restart, created, made, stopping, stopped, removed, start, started }
    }

    fn fate(&mut self, service: &Service, spec: &rcompose_engine_adapter::ContainerSpec, container: &ObservedContainer) -> Fate {
        let wanted = spec.mounts.iter().filter_map(|mount| match &mount.kind {
            MountKind::Volume { name, .. } => Some(name),
            MountKind::Bind { .. }
            | MountKind::Anonymous { .. }
            | MountKind::Tmpfs(_)
            | MountKind::Image { .. }
            | MountKind::Npipe { .. } => None,
        });
        let used = container.mounts.iter().filter_map(|mount| mount.volume.as_ref());
        let replaced = wanted.chain(used).find(|name| self.volume_removals.contains_key(*name));
        if let Some(volume) = replaced {
            return Fate::Rebuild(Reason::Follows(format!("volume {volume}")));
        }
        if let Some(reason) = self.divergence(service, spec, container) {
            return Fate::Recreate(reason);
        }
        match container.state {
            ContainerState::Running | ContainerState::Restarting => Fate::Keep,
            ContainerState::Paused => Fate::Unpause,
            ContainerState::Created => Fate::Start(Reason::Stopped),
            ContainerState::Exited { code } => Fate::Start(Reason::Ended(code)),
            ContainerState::Dead | ContainerState::Removing => Fate::Recreate(Reason::Stopped),
        }
    }
}

/// `<12 digits of the old id>_<name>`: the name while a container is being replaced.
fn is_temporary(container: &ObservedContainer) -> bool {
    let prefix = container.name.as_str().split_once('_').map(|(prefix, _)| prefix);
    prefix.is_some_and(|it| it.len() == 12 && it.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

//! Steps that make containers.

use std::collections::BTreeSet;

use rcompose_engine_adapter::{ContainerSpec, MountKind, NetworkMode, ObservedContainer, labels};

use super::Builder;
use super::unit::{Fate, Unit};
use crate::draft::Handle;
use crate::verbs::stop::stop_steps;
use crate::{Action, Reason, lower};

impl<'a> Builder<'a> {
    /// Dependencies first: what is borrowed must be there when the borrower is made.
    pub(super) fn container_steps(&mut self) {
        for name in self.order() {
            let Some(mut replicas) = self.services.remove(&name) else {
                continue;
            };
            let mut before = self.lenders(&name);
            for leftover in &replicas.leftovers {
                let remove = Action::RemoveContainer { name: leftover.name.clone(), volumes: false };
                let removed = self.draft.add(remove, Reason::Replaced, []);
                self.free_volumes(leftover, removed);
                // What comes may take the very name.
                before.insert(removed);
            }
            for unit in &mut replicas.units {
                self.take_name(unit);
                self.make(unit, &before);
            }
            self.services.insert(name, replicas);
        }
    }

    /// A replacement that was cut off before the last step gets its name.
    fn take_name(&mut self, unit: &mut Unit<'_>) {
        let Some(existing) = unit.existing.filter(|it| !unit.fate.makes() && it.name != unit.name) else {
            return;
        };
        let rename = Action::RenameContainer { from: existing.name.clone(), to: unit.name.clone() };
        unit.made = Some(self.draft.add(rename, Reason::Replaced, []));
    }

    fn make(&mut self, unit: &mut Unit<'_>, before: &BTreeSet<Handle>) {
        let needs: BTreeSet<Handle> = self.needs(&unit.spec).chain(before.iter().copied()).collect();
        match &unit.fate {
            Fate::Keep | Fate::Start(_) | Fate::Unpause => {}
            Fate::Create(reason) => {
                let handle = self.draft.add(Action::CreateContainer(Box::new(unit.spec.clone())), reason.clone(), needs);
                unit.created = Some(handle);
                unit.made = Some(handle);
            }
            Fate::Recreate(reason) => {
                let Some(existing) = unit.existing else { return };
                let temporary = replacement(&unit.spec, existing);
                let from = temporary.name.clone();
                let created = self.draft.add(Action::CreateContainer(Box::new(temporary)), reason.clone(), needs);
                let removed = self.draft.add(self.removal(existing), Reason::Replaced, [created]);
                let rename = Action::RenameContainer { from, to: unit.name.clone() };
                unit.created = Some(created);
                unit.removed = Some(removed);
                unit.made = Some(self.draft.add(rename, Reason::Replaced, [removed]));
            }
            Fate::Rebuild(reason) => {
                let Some(existing) = unit.existing else { return };
                let removed = self.draft.add(self.removal(existing), reason.clone(), []);
                self.free_volumes(existing, removed);
                let needs = needs.into_iter().chain([removed]);
                let handle = self.draft.add(Action::CreateContainer(Box::new(unit.spec.clone())), Reason::Replaced, needs);
                unit.removed = Some(removed);
                unit.created = Some(handle);
                unit.made = Some(handle);
            }
        }
    }

    /// A volume that is made anew goes once nothing uses it.
    pub(super) fn free_volumes(&mut self, container: &ObservedContainer, removed: Handle) {
        let volumes = container.mounts.iter().filter_map(|mount| mount.volume.as_ref());
        let removals: Vec<Handle> = volumes.filter_map(|name| self.volume_removals.get(name).copied()).collect();
        removals.into_iter().for_each(|removal| self.draft.after(removal, removed));
    }

    fn removal(&self, existing: &ObservedContainer) -> Action {
        Action::RemoveContainer { name: existing.name.clone(), volumes: self.options.renew_anonymous_volumes }
    }

    /// Steps that make the networks and volumes a container needs.
    pub(super) fn needs(&self, spec: &ContainerSpec) -> impl Iterator<Item = Handle> {
        let attachments = match &spec.network {
            NetworkMode::Networks { attachments } => attachments.as_slice(),
            NetworkMode::None | NetworkMode::Host | NetworkMode::Bridge | NetworkMode::Container { .. } | NetworkMode::Other { .. } => &[],
        };
        let networks = attachments.iter().filter_map(|it| self.networks.get(&it.network).copied());
        let volumes = spec.mounts.iter().filter_map(|mount| match &mount.kind {
            MountKind::Volume { name, .. } => self.volumes.get(name).copied(),
            MountKind::Bind { .. }
            | MountKind::Anonymous { .. }
            | MountKind::Tmpfs(_)
            | MountKind::Image { .. }
            | MountKind::Npipe { .. } => None,
        });
        networks.chain(volumes).collect::<Vec<_>>().into_iter()
    }

    /// Steps that make the containers a service borrows namespaces, mounts or link names from.
    pub(super) fn lenders(&self, service: &str) -> BTreeSet<Handle> {
        let Some(service) = self.project.services.get(service) else {
            return BTreeSet::new();
        };
        let lenders = lower::made_first(service).into_iter().filter_map(|name| self.services.get(name));
        lenders.flat_map(|replicas| &replicas.units).filter_map(|unit| unit.made).collect()
    }

    /// Steps that take away what is more than wanted.
    pub(super) fn excess_steps(&mut self) {
        let excess: Vec<&'a ObservedContainer> = self.services.values().flat_map(|replicas| replicas.excess.iter().copied()).collect();
        for container in excess {
            self.take_away(container, &Reason::Excess);
        }
    }

    /// Stops a container where it runs, and removes it.
    pub(super) fn take_away(&mut self, container: &'a ObservedContainer, because: &Reason) {
        let service = container.service().and_then(|service| self.project.services.get(service));
        let stopping = stop_steps(&mut self.draft, service.map(AsRef::as_ref), container, self.options.timeout, because);
        let remove = Action::RemoveContainer { name: container.name.clone(), volumes: false };
        let removed = self.draft.add(remove, because.clone(), stopping.map(|it| it.last));
        self.free_volumes(container, removed);
        self.goes(container, stopping.map_or(removed, |it| it.last), removed);
    }
}

/// What takes a container's place, under a name of its own until that container is gone.
fn replacement(spec: &ContainerSpec, existing: &ObservedContainer) -> ContainerSpec {
    let id = existing.id.get(..12).unwrap_or(&existing.id);
    let mut temporary = spec.clone();
    temporary.name = format!("{id}_{}", spec.name).into();
    temporary.labels.insert(labels::REPLACE.into(), existing.name.to_string());
    temporary
}

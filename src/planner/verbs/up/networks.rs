//! Networks: made where missing, made anew where they differ, with the same containers on them.

use rcompose_engine_adapter::{Attachment, ContainerName, NetworkMode, NetworkName, ObservedNetwork, labels};
use rcompose_spec::model::Network;

use super::Builder;
use super::unit::Fate;
use crate::draft::Handle;
use crate::verbs::stop::stop_steps;
use crate::{Action, Problem, ProblemKind, Reason, lower};

impl Builder<'_> {
    pub(super) fn decide_networks(&mut self) {
        for (key, network) in &self.project.networks {
            let name = NetworkName::from(network.name.as_str());
            let found = self.observed.networks.get(&name);
            match found {
                _ if network.external => self.external_network(key, &name, found.is_some()),
                None => self.create_network(key, network, Reason::Missing),
                Some(found) => self.existing_network(key, network, &name, found),
            }
        }
    }

    fn external_network(&mut self, key: &str, name: &NetworkName, found: bool) {
        if !found {
            let message = format!("external network `{name}` is not there");
            let problem = Problem::new(ProblemKind::ExternalMissing, format!("networks.{key}"), message);
            self.lowering
                .problem(problem.hint(format!("make it with `docker network create {name}`, or take `external` out")));
        }
    }

    fn create_network(&mut self, key: &str, network: &Network, because: Reason) {
        let spec = lower::network(&self.lowering, key, network);
        let name = spec.name.clone();
        let handle = self.draft.add(Action::CreateNetwork(Box::new(spec)), because, []);
        self.networks.insert(name, handle);
    }

    fn existing_network(&mut self, key: &str, network: &Network, name: &NetworkName, found: &ObservedNetwork) {
        if found.labels.get(labels::PROJECT) != Some(&self.project.name) {
            let message = format!("network `{name}` was not made by this project and is used as it is");
            return self
                .lowering
                .notice(format!("networks.{key}"), message, Some("say `external: true` if that is meant"));
        }
        let spec = lower::network(&self.lowering, key, network);
        let same = found.labels.get(labels::CONFIG_HASH).is_none_or(|label| spec.config_hash.matches(label, |_| None));
        if !same {
            self.replaced_networks.insert(name.clone());
            self.create_network(key, network, Reason::Replaced);
        }
    }

    /// What stays on a network that is made anew is stopped and started again.
    pub(super) fn mark_attached(&mut self) {
        for network in self.replaced_networks.clone() {
            let attached = self.observed.networks.get(&network).map(|it| it.containers.clone()).unwrap_or_default();
            let units = self.services.values_mut().flat_map(|it| &mut it.units);
            let kept = units.filter(|unit| unit.fate == Fate::Keep && unit.restart.is_none());
            for unit in kept.filter(|unit| unit.existing.is_some_and(|it| attached.contains(&it.name))) {
                unit.restart = Some(Reason::Follows(format!("network {network}")));
            }
        }
    }

    /// For networks made anew: detach, remove, make, attach the same containers.
    pub(super) fn network_steps(&mut self) {
        for name in self.replaced_networks.clone() {
            let Some(&created) = self.networks.get(&name) else { continue };
            let removal = self.draft.add(Action::RemoveNetwork { name: name.clone() }, Reason::Changed(Vec::new()), []);
            self.draft.after(created, removal);
            let attached = self.observed.networks.get(&name).map(|it| it.containers.clone()).unwrap_or_default();
            for container in attached {
                let detach = Action::Disconnect { container: container.clone(), network: name.clone() };
                let detached = self.draft.add(detach, Reason::Follows(format!("network {name}")), []);
                self.draft.after(removal, detached);
                if !self.reattach(&name, &container, detached, created) {
                    self.reattach_outsider(&name, &container, detached, created);
                }
            }
        }
    }

    /// Attaches a container of this plan again; false where it is none.
    fn reattach(&mut self, network: &NetworkName, container: &ContainerName, detached: Handle, created: Handle) -> bool {
        let draft = &mut self.draft;
        let units = self.services.values_mut().flat_map(|it| &mut it.units);
        let mut found = false;
        for unit in units.filter(|unit| unit.existing.is_some_and(|it| it.name == *container)) {
            found = true;
            if let Some(stopped) = unit.stopped {
                draft.after(detached, stopped);
            }
            if let (false, Some(attachment)) = (unit.fate.makes(), attachment(&unit.spec.network, network)) {
                let attach = Action::Connect { container: unit.name.clone(), attachment: Box::new(attachment) };
                let before = [created, detached].into_iter().chain(unit.made);
                unit.made = Some(draft.add(attach, Reason::Follows(format!("network {network}")), before));
            }
        }
        found
    }

    /// A container that is not in this plan goes through the same; one of another project cannot be asked to.
    fn reattach_outsider(&mut self, network: &NetworkName, name: &ContainerName, detached: Handle, created: Handle) {
        if let Some(&(gone, _)) = self.going.get(name) {
            return self.draft.after(detached, gone);
        }
        let Some(container) = self.observed.containers.get(name).filter(|it| it.project() == Some(&self.project.name)) else {
            let message = format!("network `{network}` must be made anew, but {name}, which is not of this project, is attached to it");
            let problem = Problem::new(ProblemKind::Invalid, "networks", message);
            return self
                .lowering
                .problem(problem.hint(format!("detach it: `docker network disconnect {network} {name}`")));
        };
        let because = Reason::Follows(format!("network {network}"));
        let service = container
            .service()
            .and_then(|it| self.project.services.get(it).or_else(|| self.project.disabled.get(it)));
        let stopping = stop_steps(&mut self.draft, service.map(AsRef::as_ref), container, self.options.timeout, &because);
        if let Some(stopping) = stopping {
            self.draft.after(detached, stopping.last);
        }
        let Some(attachment) = container.spec.as_ref().and_then(|spec| attachment(&spec.network, network)) else {
            return;
        };
        let attach = Action::Connect { container: name.clone(), attachment: Box::new(attachment) };
        let attached = self.draft.add(attach, because.clone(), [created, detached]);
        if stopping.is_some() && self.options.start {
            self.draft.add(Action::StartContainer { name: name.clone() }, because, [attached]);
        }
    }
}

fn attachment(mode: &NetworkMode, network: &NetworkName) -> Option<Attachment> {
    match mode {
        NetworkMode::Networks { attachments } => attachments.iter().find(|it| it.network == *network).cloned(),
        NetworkMode::None | NetworkMode::Host | NetworkMode::Bridge | NetworkMode::Container { .. } | NetworkMode::Other { .. } => None,
    }
}

//! Networks: made where missing, made anew where they differ, with the same containers on them.

use rcompose_engine_adapter::{Attachment, ContainerName, NetworkMode, NetworkName, ObservedNetwork, labels};
use rcompose_spec::model::Network;

use super::Builder;
use super::unit::Fate;
use crate::draft::Handle;
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

    /// For networks made anew: stop, detach, remove, make, attach the same containers.
    pub(super) fn network_steps(&mut self) {
        for name in self.replaced_networks.clone() {
            let Some(&created) = self.networks.get(&name) else { continue };
            let removal = self.draft.add(Action::RemoveNetwork { name: name.clone() }, Reason::Changed(Vec::new()), []);
            self.draft.after(created, removal);
            let attached = self.observed.networks.get(&name).map(|it| it.containers.clone()).unwrap_or_default();
            for container in attached {
                self.reattach(&name, &container, removal, created);
            }
        }
    }

    fn reattach(&mut self, network: &NetworkName, container: &ContainerName, removal: Handle, created: Handle) {
        let because = || Reason::Follows(format!("network {network}"));
        let detach = Action::Disconnect { container: container.clone(), network: network.clone() };
        let detached = self.draft.add(detach, because(), []);
        self.draft.after(removal, detached);
        let draft = &mut self.draft;
        let units = self.services.values_mut().flat_map(|it| &mut it.units);
        for unit in units.filter(|unit| unit.existing.is_some_and(|it| it.name == *container)) {
            let is_up = unit.is_up();
            if is_up && unit.stopped.is_none() {
                let stop = crate::verbs::stop::stop_action(container, None);
                let stopped = draft.add(stop, because(), []);
                unit.stopped = Some(stopped);
            }
            if let Some(stopped) = unit.stopped {
                draft.after(detached, stopped);
            }
            if let (false, Some(attachment)) = (unit.fate.makes(), attachment(&unit.spec.network, network)) {
                let attach = Action::Connect { container: unit.name.clone(), attachment: Box::new(attachment) };
                let attached = draft.add(attach, because(), [created, detached]);
                unit.made = Some(attached);
                if is_up && unit.fate == Fate::Keep {
                    unit.restart = Some(because());
                }
            }
        }
    }
}

fn attachment(mode: &NetworkMode, network: &NetworkName) -> Option<Attachment> {
    match mode {
        NetworkMode::Networks { attachments } => attachments.iter().find(|it| it.network == *network).cloned(),
        NetworkMode::None | NetworkMode::Host | NetworkMode::Bridge | NetworkMode::Container { .. } | NetworkMode::Other { .. } => None,
    }
}

//! The container of `run`, among those that `up` brings.

use std::collections::BTreeMap;

use rcompose_engine_adapter::ContainerSpec;
use rcompose_spec::model::Service;

use super::Builder;
use crate::lower::{self, Instance};
use crate::{Action, Reason, identity};

impl Builder<'_> {
    /// Leaves a service's own containers as they are.
    pub(crate) fn leave_out(&mut self, service: &str) {
        self.left_out = Some(service.to_owned());
    }

    /// Lowers one container.
    pub(crate) fn lower(&mut self, service: &Service, instance: &Instance) -> ContainerSpec {
        lower::container(&mut self.lowering, service, instance)
    }

    /// Adds the step that makes the container, after all that its service waits for.
    pub(crate) fn oneoff(&mut self, service: &Service, spec: impl FnOnce(&mut Self) -> ContainerSpec) {
        let spec = spec(self);
        let needs: Vec<_> = self.needs(&spec).chain(self.lenders(&service.name)).collect();
        let create = self.draft.add(Action::CreateContainer(Box::new(spec)), Reason::Requested, needs);
        for gate in self.gates(&service.name) {
            gate.hold(&mut self.draft, create);
        }
    }

    /// References to services that are not in this plan mean the containers that are there.
    pub(super) fn observed_peers(&mut self) {
        for (name, peer) in self.project.services.iter().chain(&self.project.disabled) {
            let own = self.own.get(name.as_str()).into_iter().flatten();
            let by_number: BTreeMap<_, _> = own.map(|container| (container.number(), container.name.clone())).collect();
            let mut names: Vec<_> = by_number.into_values().collect();
            if names.is_empty() {
                names.push(identity::container_name(self.project, peer, 1, self.lowering.world));
            }
            self.lowering.peers.insert(name.clone(), names);
        }
    }
}

//! Whether a container is still what is wanted, and why not.

use rcompose_engine_adapter::{ContainerSpec, MountKind, NetworkMode, ObservedContainer, labels};
use rcompose_spec::model::Service;

use super::Builder;
use crate::{FieldChange, Reason, Recreate, diff, lower};

impl Builder<'_> {
    /// Returns why a container must be replaced; `None` when it may stay.
    pub(super) fn divergence(&self, service: &Service, spec: &ContainerSpec, container: &ObservedContainer) -> Option<Reason> {
        let policy = if self.targets.contains(&service.name) {
            self.options.recreate
        } else {
            self.options.recreate_dependencies
        };
        match policy {
            Recreate::Never => return None,
            Recreate::Force => return Some(Reason::Requested),
            Recreate::Diverged => {}
        }
        self.follows(service)
            .or_else(|| self.changed(service, spec, container))
            .or_else(|| self.image_changed(spec, container))
            .or_else(|| lacks(spec, container))
    }

    /// What it borrows from is made anew.
    fn follows(&self, service: &Service) -> Option<Reason> {
        let mut lenders = lower::borrowed_services(service);
        let lender = lenders.find(|name| self.services.get(*name).is_some_and(super::Replicas::first_is_made))?;
        Some(Reason::Follows(format!("service {lender}")))
    }

    /// Its fields or the content of its files changed, or both.
    fn changed(&self, service: &Service, spec: &ContainerSpec, container: &ObservedContainer) -> Option<Reason> {
        let inputs = lower::inputs_differ(self.lowering.world, service, container.label(labels::INPUTS));
        match self.fields_changed(spec, container) {
            Some(fields) => Some(Reason::Changed(fields.into_iter().chain(inputs).collect())),
            None => (!inputs.is_empty()).then_some(Reason::Changed(inputs)),
        }
    }

    /// `None` where the config-hash says that nothing changed; the fields may be few, or none that an engine tells.
    fn fields_changed(&self, spec: &ContainerSpec, container: &ObservedContainer) -> Option<Vec<FieldChange>> {
        let hash = spec.config_hash.as_ref()?;
        let label = container.label(labels::CONFIG_HASH)?;
        let id = |name: &rcompose_engine_adapter::ContainerName| self.observed.containers.get(name).map(|it| it.id.clone());
        if hash.matches(label, id) {
            return None;
        }
        let image = self.observed.images.get(&container.image).map(|image| &image.config);
        let found = container.spec.as_deref();
        Some(found.map(|found| diff::changes(spec, found, image)).unwrap_or_default())
    }

    fn image_changed(&self, spec: &ContainerSpec, container: &ObservedContainer) -> Option<Reason> {
        let to = &self.observed.images.get(&spec.image)?.id;
        let from = container.image_id.as_ref()?;
        (from != to).then(|| Reason::ImageChanged { from: from.clone(), to: to.clone() })
    }
}

/// Judged in every state: a client that was killed may have left a container that was never started and not yet attached to all, and
/// starting that would leave it so.
fn lacks(spec: &ContainerSpec, container: &ObservedContainer) -> Option<Reason> {
    if let NetworkMode::Networks { attachments } = &spec.network {
        let absent = attachments.iter().find(|attachment| !container.networks.contains_key(&attachment.network));
        if let Some(attachment) = absent {
            return Some(Reason::Lacks(format!("network {}", attachment.network)));
        }
    }
    spec.mounts.iter().find_map(|mount| match &mount.kind {
        MountKind::Volume { name, .. } if !container.mounts.iter().any(|it| it.volume.as_ref() == Some(name)) => {
            Some(Reason::Lacks(format!("volume {name}")))
        }
        _ => None,
    })
}

//! Which services are enabled, and which resources they need.

use std::collections::BTreeSet;

use crate::model::{Project, Service, VolumeKind};

impl Service {
    /// Whether one of the active profiles enables the service.
    fn is_enabled(&self, active: &[String]) -> bool {
        self.profiles.is_empty() || active.iter().any(|profile| profile == "*" || self.profiles.contains(profile))
    }
}

/// Sorts services into enabled and disabled ones.
pub(crate) fn apply(project: &mut Project, active: &[String]) {
    let mut all = std::mem::take(&mut project.services);
    all.append(&mut project.disabled);
    for (name, service) in all {
        if service.is_enabled(active) {
            project.services.insert(name, service);
        } else {
            project.disabled.insert(name, service);
        }
    }
}

/// Removes resources that no enabled service uses.
pub(crate) fn drop_unused(project: &mut Project) {
    let mut networks = BTreeSet::new();
    let mut volumes = BTreeSet::new();
    let mut secrets = BTreeSet::new();
    let mut configs = BTreeSet::new();
    let mut models = BTreeSet::new();
    for service in project.services.values() {
        networks.extend(service.networks.keys().cloned());
        models.extend(service.models.keys().cloned());
        let named = |volume: &&crate::model::ServiceVolume| volume.kind == VolumeKind::Volume;
        volumes.extend(service.volumes.iter().filter(named).map(|volume| volume.source.clone()));
        secrets.extend(service.secrets.iter().map(|mount| mount.source.clone()));
        configs.extend(service.configs.iter().map(|mount| mount.source.clone()));
        if let Some(build) = &service.build {
            secrets.extend(build.secrets.iter().map(|mount| mount.source.clone()));
        }
        if let Some(spec) = &service.credential_spec {
            configs.insert(spec.config.clone());
        }
    }
    project.networks.retain(|name, _| networks.contains(name));
    project.volumes.retain(|name, _| volumes.contains(name));
    project.secrets.retain(|name, _| secrets.contains(name));
    project.configs.retain(|name, _| configs.contains(name));
    project.models.retain(|name, _| models.contains(name));
}

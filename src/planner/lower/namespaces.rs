//! Namespaces and mounts borrowed from other containers.

use rcompose_engine_adapter::Namespaces;
use rcompose_spec::model::Service;

use super::Lowering;

pub(super) fn namespaces(lowering: &mut Lowering<'_>, service: &Service) -> Namespaces {
    Namespaces {
        ipc: resolve(lowering, &service.ipc),
        pid: resolve(lowering, &service.pid),
        uts: resolve(lowering, &service.uts),
        cgroup: resolve(lowering, &service.cgroup),
    }
}

/// Turns `service:X` into `container:<name of its first container>`.
fn resolve(lowering: &Lowering<'_>, mode: &str) -> Option<String> {
    if mode.is_empty() {
        return None;
    }
    let borrowed = mode.strip_prefix("service:").and_then(|name| lowering.first(name));
    Some(borrowed.map_or_else(|| mode.to_owned(), |name| format!("container:{name}")))
}

pub(super) fn volumes_from(lowering: &Lowering<'_>, service: &Service) -> Vec<String> {
    let resolve_one = |entry: &String| {
        if let Some(rest) = entry.strip_prefix("container:") {
            return rest.to_owned();
        }
        let (name, mode) = entry.split_once(':').map_or((entry.as_str(), ""), |(name, mode)| (name, mode));
        let container = lowering.first(name).map_or_else(|| name.to_owned(), |it| it.to_string());
        if mode.is_empty() { container } else { format!("{container}:{mode}") }
    };
    service.volumes_from.iter().map(resolve_one).collect()
}

/// Returns the containers outside the project that a service refers to, each with the attribute that names it.
pub(crate) fn outside(service: &Service) -> Vec<(&'static str, &str)> {
    let modes = [
        ("network_mode", &service.network_mode),
        ("ipc", &service.ipc),
        ("pid", &service.pid),
        ("uts", &service.uts),
        ("cgroup", &service.cgroup),
    ];
    let modes = modes.into_iter().map(|(attribute, mode)| (attribute, mode.as_str()));
    let mounts = service.volumes_from.iter().map(|entry| ("volumes_from", entry.as_str()));
    let named = modes
        .chain(mounts)
        .filter_map(|(attribute, text)| Some((attribute, text.strip_prefix("container:")?)));
    let linked = service.external_links.iter().map(|link| ("external_links", link.as_str()));
    named
        .chain(linked)
        .map(|(attribute, text)| (attribute, text.split(':').next().unwrap_or_default()))
        .collect()
}

/// Returns the services whose containers must be there before a service's own are made: lenders, and those it links to.
pub(crate) fn made_first(service: &Service) -> Vec<&str> {
    let linked = service.links.iter().map(|link| link.split(':').next().unwrap_or_default());
    borrowed_services(service).chain(linked).collect()
}

/// Returns the services whose namespaces or mounts a service borrows: when one is replaced, so is the borrower.
pub(crate) fn borrowed_services(service: &Service) -> impl Iterator<Item = &str> {
    let modes = [&service.network_mode, &service.ipc, &service.pid, &service.uts, &service.cgroup];
    let from_modes = modes.into_iter().filter_map(|mode| mode.strip_prefix("service:"));
    let from_volumes = service.volumes_from.iter().filter(|entry| !entry.starts_with("container:"));
    from_modes.chain(from_volumes.map(|entry| entry.split(':').next().unwrap_or_default()))
}

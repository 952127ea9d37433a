//! Tells what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rcompose_engine_adapter::{
    ContainerName, ContainerState, HealthStatus, MountKind, Observed, ObservedContainer, ObservedEndpoint, ObservedImage, ObservedMount,
    ObservedNetwork, ObservedPort, ObservedVolume, PortHolder, Projects, Protocol, Scope, labels,
};

use crate::state::Container;
use crate::time::epoch;
use crate::world::World;

impl World {
    pub(crate) fn observe(&self, scope: &Scope, now: Duration) -> Observed {
        let mut observed = Observed { engine: self.info.clone(), ..Observed::default() };
        for (name, container) in &self.containers {
            if in_project(&scope.projects, &container.labels) || scope.containers.contains(name) {
                observed
                    .containers
                    .insert(name.clone(), observe_container(name, container, scope.detail, self, now));
            }
        }
        for (name, network) in &self.networks {
            if in_project(&scope.projects, &network.labels) || scope.networks.contains(name) {
                let containers: BTreeSet<ContainerName> = self.attached(name).into_iter().collect();
                let (id, driver, labels) = (network.id.clone(), network.driver.clone(), network.labels.clone());
                observed.networks.insert(name.clone(), ObservedNetwork { id, driver, labels, containers });
            }
        }
        for (name, volume) in &self.volumes {
            if in_project(&scope.projects, &volume.labels) || scope.volumes.contains(name) {
                let (driver, labels) = (volume.driver.clone(), volume.labels.clone());
                observed.volumes.insert(name.clone(), ObservedVolume { driver, labels });
            }
        }
        for reference in &scope.images {
            if let Some(image) = self.find_image(reference) {
                let (id, config) = (image.id.clone(), image.config.clone());
                let pulled = Some(epoch(image.tagged).0);
                observed.images.insert(reference.clone(), ObservedImage { id, pulled, config });
            }
        }
        if scope.ports {
            observed.ports = self.containers.iter().flat_map(|(name, it)| holders(name, it)).collect();
        }
        observed
    }
}

/// Tells whether labels put an object into scope.
pub(crate) fn in_project(projects: &Projects, all: &BTreeMap<String, String>) -> bool {
    match projects {
        Projects::None => false,
        Projects::One(project) => all.get(labels::PROJECT) == Some(project),
        Projects::All => all.contains_key(labels::PROJECT),
    }
}

fn holders<'a>(name: &'a ContainerName, container: &'a Container) -> impl Iterator<Item = PortHolder> + 'a {
    container.ports.iter().map(move |port| PortHolder {
        host_ip: port.host_ip,
        port: port.port,
        protocol: port.protocol,
        container: name.clone(),
        project: container.labels.get(labels::PROJECT).cloned(),
        service: container.labels.get(labels::SERVICE).cloned(),
    })
}

fn observe_container(name: &ContainerName, container: &Container, detail: bool, world: &World, now: Duration) -> ObservedContainer {
    ObservedContainer {
        id: container.id.clone(),
        name: name.clone(),
        image: container.spec.image.clone(),
        image_id: Some(container.image_id.clone()),
        state: container.state,
        health: container.health(),
        status: status(container, now),
        labels: container.labels.clone(),
        created: epoch(container.created).0,
        command: crate::lifecycle::command(container).join(" "),
        ports: ports(container),
        networks: endpoints(container, world),
        mounts: mounts(container),
        spec: detail.then(|| Box::new(crate::detail::read_back(name, container, world))),
        size: None,
    }
}

/// Returns a sentence such as Docker's `Up 3 seconds (healthy)`.
fn status(container: &Container, now: Duration) -> String {
    let up = container.run.as_ref().map_or(0, |run| now.saturating_sub(run.process.started).as_secs());
    match container.state {
        ContainerState::Created => "Created".into(),
        ContainerState::Running => match container.health() {
            None => format!("Up {up} seconds"),
            Some(HealthStatus::Starting) => format!("Up {up} seconds (health: starting)"),
            Some(health @ (HealthStatus::Healthy | HealthStatus::Unhealthy)) => format!("Up {up} seconds ({})", health.as_str()),
        },
        ContainerState::Paused => format!("Up {up} seconds (Paused)"),
        ContainerState::Restarting => "Restarting".into(),
        ContainerState::Removing => "Removal In Progress".into(),
        ContainerState::Exited { code } => format!("Exited ({code})"),
        ContainerState::Dead => "Dead".into(),
    }
}

fn ports(container: &Container) -> Vec<ObservedPort> {
    let mut ports: BTreeSet<ObservedPort> = container
        .ports
        .iter()
        .map(|it| ObservedPort { target: it.target, protocol: it.protocol, host: Some((it.host_ip, it.port)) })
        .collect();
    for exposed in container.spec.expose.iter().chain(&container.defaults.expose) {
        let (target, protocol) = exposed.split_once('/').unwrap_or((exposed, "tcp"));
        let protocol = match protocol {
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            _ => Protocol::Tcp,
        };
        let Ok(target) = target.parse() else { continue };
        if !ports.iter().any(|it| (it.target, it.protocol) == (target, protocol)) {
            ports.insert(ObservedPort { target, protocol, host: None });
        }
    }
    ports.into_iter().collect()
}

fn endpoints(container: &Container, world: &World) -> BTreeMap<rcompose_engine_adapter::NetworkName, ObservedEndpoint> {
    let endpoints = container.endpoints.iter().map(|(name, endpoint)| {
        let observed = ObservedEndpoint {
            network_id: world.networks.get(name).map(|it| it.id.clone()).unwrap_or_default(),
            aliases: endpoint.attachment.aliases.clone(),
            ipv4_address: container.has_process().then(|| endpoint.ipv4.clone()),
            ipv6_address: None,
        };
        (name.clone(), observed)
    });
    endpoints.collect()
}

fn mounts(container: &Container) -> Vec<ObservedMount> {
    let volume = |target: &str, name: &rcompose_engine_adapter::VolumeName| ObservedMount {
        target: target.to_owned(),
        volume: Some(name.clone()),
        source: format!("/var/lib/memory/volumes/{name}"),
        kind: "volume".into(),
    };
    let other = |target: &str, source: &str, kind: &str| ObservedMount {
        target: target.to_owned(),
        volume: None,
        source: source.to_owned(),
        kind: kind.to_owned(),
    };
    let named = container.spec.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Bind { source, .. } => Some(other(&mount.target, source, "bind")),
        MountKind::Volume { name, .. } => Some(volume(&mount.target, name)),
        MountKind::Anonymous { .. } => None,
        MountKind::Tmpfs(_) => Some(other(&mount.target, "", "tmpfs")),
        MountKind::Image { image, .. } => Some(other(&mount.target, image.as_str(), "image")),
        MountKind::Npipe { source } => Some(other(&mount.target, source, "npipe")),
    });
    let mut all: Vec<ObservedMount> = named.chain(container.anonymous.iter().map(|(target, name)| volume(target, name))).collect();
    all.sort_by(|a, b| a.target.cmp(&b.target));
    all
}

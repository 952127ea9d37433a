//! Tells what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use jiff::Timestamp;
use rcompose_engine_adapter::{
    ContainerName, MountKind, NetworkMode, NetworkName, Observed, ObservedContainer, ObservedEndpoint, ObservedImage, ObservedMount,
    ObservedNetwork, ObservedPort, ObservedVolume, PortHolder, Projects, Protocol, Result, Scope, labels,
};
use rcompose_image::ImageError;

use crate::container;
use crate::document::Container;
use crate::engine::Native;
use crate::error;
use crate::found::Found;
use crate::images;
use crate::link::{Joined, Port};
use crate::mend;
use crate::sentence::{self, Standing};

pub(crate) fn observe(native: &Native, scope: &Scope) -> Result<Observed> {
    match look_around(native, scope) {
        Err(error) if mend::is_damage(&error) => {
            mend::mend(native)?;
            look_around(native, scope)
        }
        other => other,
    }
}

fn look_around(native: &Native, scope: &Scope) -> Result<Observed> {
    let places = &native.places;
    // Several threads read; what they read is at hand for the sweep.
    let everything = native.found()?;
    container::sweep(native)?;
    if let Projects::One(project) = &scope.projects
        && places.project(Some(project)).folder().exists()
    {
        // What is left of a project that is gone: whoever took it away was killed at its end.
        native.forget_project(Some(project))?;
    }
    let all: BTreeMap<ContainerName, Found> = everything.into_iter().map(|it| (it.container.name.clone(), it)).collect();
    let networks = networks(native, scope, &all)?;
    let mut observed = Observed { engine: native.info(), networks, ..Observed::default() };
    let ids: BTreeMap<NetworkName, String> = places.all_networks()?.into_iter().map(|it| (it.spec.name, it.id)).collect();
    for (name, found) in &all {
        if in_scope(&scope.projects, &found.container.labels) || is_named(scope, &found.container) {
            observed.containers.insert(name.clone(), look(native, found, scope.detail, &ids));
        }
        if scope.ports {
            observed.ports.extend(holders(&found.container, &found.joined));
        }
    }
    for (name, volume) in places.all_volumes()? {
        if in_scope(&scope.projects, &volume.labels) || scope.volumes.contains(&name) {
            observed.volumes.insert(name, ObservedVolume { driver: "local".into(), labels: volume.labels });
        }
    }
    for reference in &scope.images {
        match native.images.find(reference.as_str()) {
            Ok(image) => {
                let pulled = image.record.added.parse::<Timestamp>().ok().map(Timestamp::as_second);
                let config = images::defaults(&image);
                observed
                    .images
                    .insert(reference.clone(), ObservedImage { id: image.id.to_string().into(), pulled, config });
            }
            // What is no name of an image here names none; whoever pulls it hears why.
            Err(ImageError::NoSuchImage { .. } | ImageError::Reference { .. }) => {}
            Err(error) => return Err(error::image(error)),
        }
    }
    Ok(observed)
}

fn is_named(scope: &Scope, container: &Container) -> bool {
    scope.containers.contains(&container.name)
        || scope.containers.iter().any(|it| it.as_str().len() >= 12 && container.id.starts_with(it.as_str()))
}

/// Tells whether labels put an object into scope.
pub(crate) fn in_scope(projects: &Projects, all: &BTreeMap<String, String>) -> bool {
    match projects {
        Projects::None => false,
        Projects::One(project) => all.get(labels::PROJECT) == Some(project),
        Projects::All => all.contains_key(labels::PROJECT),
    }
}

fn networks(native: &Native, scope: &Scope, all: &BTreeMap<ContainerName, Found>) -> Result<BTreeMap<NetworkName, ObservedNetwork>> {
    let mut found = BTreeMap::new();
    for network in native.places.all_networks()? {
        let name = network.spec.name;
        if in_scope(&scope.projects, &network.labels) || scope.networks.contains(&name) {
            let attached = all
                .values()
                .map(|it| &it.container)
                .filter(|it| it.attachments().iter().any(|it| it.network == name));
            let containers: BTreeSet<ContainerName> = attached.map(|it| it.name.clone()).collect();
            let driver = network.spec.driver.unwrap_or_else(|| "bridge".into());
            found.insert(name, ObservedNetwork { id: network.id, driver, labels: network.labels, containers });
        }
    }
    Ok(found)
}

fn look(native: &Native, found: &Found, detail: bool, ids: &BTreeMap<NetworkName, String>) -> ObservedContainer {
    let Found { container, standing, joined, .. } = found;
    ObservedContainer {
        id: container.id.clone(),
        name: container.name.clone(),
        image: container.spec.image.clone(),
        image_id: Some(container.image_id.clone()),
        state: standing.state,
        health: standing.health,
        status: sentence::say(standing),
        labels: container.labels.clone(),
        created: i64::try_from(container.created / 1_000_000_000).unwrap_or(i64::MAX),
        command: command(container).join(" "),
        ports: ports(container, joined, standing),
        networks: endpoints(container, joined, standing, ids),
        mounts: mounts(native, container),
        spec: detail.then(|| Box::new(read_back(container))),
        size: None,
    }
}

/// What runs: entrypoint and command, the image's where none was given.
pub(crate) fn command(container: &Container) -> Vec<String> {
    let (process, image) = (&container.spec.process, &container.image);
    let entrypoint = process.entrypoint.as_ref().unwrap_or(&image.entrypoint);
    let command = match (&process.command, &process.entrypoint) {
        (Some(command), _) => command.as_slice(),
        // Whoever gives an entrypoint does not mean the image's command to be its arguments.
        (None, Some(_)) => &[],
        (None, None) => &image.command,
    };
    entrypoint.iter().chain(command).cloned().collect()
}

fn read_back(container: &Container) -> rcompose_engine_adapter::ContainerSpec {
    let mut spec = container.spec.clone();
    spec.name = container.name.clone();
    spec.labels = container.labels.clone();
    spec
}

fn holders<'a>(container: &'a Container, joined: &'a Joined) -> impl Iterator<Item = PortHolder> + 'a {
    joined.ports.iter().map(|port| PortHolder {
        host_ip: port.host_ip,
        port: port.port,
        protocol: port.protocol,
        container: container.name.clone(),
        project: container.project().map(str::to_owned),
        service: container.labels.get(labels::SERVICE).cloned(),
    })
}

fn ports(container: &Container, joined: &Joined, standing: &Standing) -> Vec<ObservedPort> {
    if !standing.state.is_up() {
        return Vec::new();
    }
    let bound = joined.ports.iter();
    // A port of every address is one of both families.
    let addresses = |it: &Port| {
        [Some(it.host_ip), it.asked_ip.is_none().then_some(IpAddr::V6(Ipv6Addr::UNSPECIFIED))]
            .into_iter()
            .flatten()
    };
    let mut ports: BTreeSet<ObservedPort> = bound
        .flat_map(|it| addresses(it).map(|host| ObservedPort { target: it.target, protocol: it.protocol, host: Some((host, it.port)) }))
        .collect();
    for exposed in container.spec.expose.iter().chain(&container.image.expose) {
        let (target, protocol) = exposed.split_once('/').unwrap_or((exposed, "tcp"));
        let protocol = match protocol {
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            _ => Protocol::Tcp,
        };
        let Ok(target) = u16::from_str(target) else { continue };
        if !ports.iter().any(|it| (it.target, it.protocol) == (target, protocol)) {
            ports.insert(ObservedPort { target, protocol, host: None });
        }
    }
    ports.into_iter().collect()
}

fn endpoints(
    container: &Container,
    joined: &Joined,
    standing: &Standing,
    ids: &BTreeMap<NetworkName, String>,
) -> BTreeMap<NetworkName, ObservedEndpoint> {
    let one = |attachment: &rcompose_engine_adapter::Attachment| {
        let now = joined.endpoints.get(&attachment.network).filter(|_| standing.state.is_up());
        let endpoint = ObservedEndpoint {
            network_id: ids.get(&attachment.network).cloned().unwrap_or_default(),
            aliases: attachment.aliases.clone(),
            ipv4_address: now.and_then(|it| it.ipv4).map(|it| it.to_string()),
            ipv6_address: now.and_then(|it| it.ipv6).map(|it| it.to_string()),
        };
        (attachment.network.clone(), endpoint)
    };
    match &container.spec.network {
        NetworkMode::Networks { attachments } => attachments.iter().map(one).collect(),
        _ => BTreeMap::new(),
    }
}

fn mounts(native: &Native, container: &Container) -> Vec<ObservedMount> {
    let other = |target: &str, source: &str, kind: &str| ObservedMount {
        target: target.to_owned(),
        volume: None,
        source: source.to_owned(),
        kind: kind.to_owned(),
    };
    let named = container.spec.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Bind { source, .. } => Some(other(&mount.target, source, "bind")),
        MountKind::Tmpfs(_) => Some(other(&mount.target, "", "tmpfs")),
        MountKind::Image { image, .. } => Some(other(&mount.target, image.as_str(), "image")),
        MountKind::Npipe { source } => Some(other(&mount.target, source, "npipe")),
        // Below, with the names that were made up for them.
        MountKind::Volume { .. } | MountKind::Anonymous { .. } => None,
    });
    let volumes = container.volumes.iter().map(|it| ObservedMount {
        target: it.target.clone(),
        volume: Some(it.volume.clone()),
        source: native.places.volume(it.volume.as_str()).join("_data").display().to_string(),
        kind: "volume".into(),
    });
    let mut all: Vec<ObservedMount> = named.chain(volumes).collect();
    all.sort_by(|a, b| a.target.cmp(&b.target));
    all
}

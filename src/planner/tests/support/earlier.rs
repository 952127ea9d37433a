//! What an earlier `up` left, and what happened since.

use std::collections::BTreeMap;

use rcompose_engine_adapter::{
    ContainerName, ContainerSpec, ContainerState, EngineInfo, Feature, HealthStatus, ImageId, MountKind, NetworkMode, Observed,
    ObservedContainer, ObservedEndpoint, ObservedImage, ObservedMount, ObservedNetwork, ObservedVolume, PortHolder, Protocol, labels,
};
use rcompose_planner::{Action, Up, World, up};
use rcompose_spec::model::Project;
use serde::Deserialize;

/// What happened since, by the name of a container.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Since {
    /// Nothing was brought up earlier.
    nothing: bool,
    /// `running`, `paused`, `created`, `exited N`.
    states: BTreeMap<String, String>,
    /// `starting`, `healthy`, `unhealthy`.
    health: BTreeMap<String, String>,
    /// Removed.
    gone: Vec<String>,
    /// Is not, or no longer, attached to this network.
    detached: BTreeMap<String, String>,
    /// Has another name.
    renamed: BTreeMap<String, String>,
    /// Images that were brought again, and so have another id.
    new_images: Vec<String>,
    /// Ports held by containers of other projects.
    ports: BTreeMap<u16, String>,
    /// The folder that the earlier `up` ran in.
    folder: Option<String>,
    /// The engine cannot do these.
    lacks: Vec<String>,
}

/// Carries out what `up` plans for an empty engine, and then what happened since.
pub(crate) fn observed(project: &Project, world: &World, since: &Since) -> Observed {
    let lacks = |feature: &Feature| since.lacks.iter().any(|it| *it == format!("{feature:?}"));
    let features = Feature::ALL
        .iter()
        .copied()
        .filter(|it| ![Feature::SharedPort, Feature::RestartPace, Feature::Windows].contains(it) && !lacks(it));
    let engine = EngineInfo { name: "docker".into(), version: "28.5.2".into(), api: "1.51".into(), features: features.collect() };
    let mut observed = Observed { engine, ..Observed::default() };
    if !since.nothing {
        let plan = up(project, &observed, world, &Up::default()).unwrap_or_else(|error| panic!("{error}"));
        plan.steps.iter().for_each(|step| carry_out(&mut observed, &step.action));
    }
    for image in project.services.values().map(|service| service.image.clone()) {
        let id = if since.new_images.contains(&image) {
            format!("sha256:new-{}", image.replace(':', "-"))
        } else {
            format!("sha256:old-{}", image.replace(':', "-"))
        };
        let config = rcompose_engine_adapter::ImageConfig::default();
        observed.images.insert(image.into(), ObservedImage { id: ImageId::from(id), pulled: None, config });
    }
    happen(&mut observed, since);
    observed
}

fn carry_out(observed: &mut Observed, action: &Action) {
    match action {
        Action::CreateNetwork(spec) => {
            let mut labels = spec.labels.clone();
            labels.insert(labels::CONFIG_HASH.into(), spec.config_hash.digest(|_| None).unwrap());
            let network = ObservedNetwork { id: spec.name.to_string(), driver: "bridge".into(), labels, ..ObservedNetwork::default() };
            observed.networks.insert(spec.name.clone(), network);
        }
        Action::CreateVolume(spec) => {
            let mut labels = spec.labels.clone();
            labels.insert(labels::CONFIG_HASH.into(), spec.config_hash.digest(|_| None).unwrap());
            observed.volumes.insert(spec.name.clone(), ObservedVolume { driver: "local".into(), labels });
        }
        // What ran before a start is gone after it.
        Action::CreateContainer(spec) if spec.config_hash.is_some() => create(observed, spec),
        _ => {}
    }
}

fn create(observed: &mut Observed, spec: &ContainerSpec) {
    let id = |name: &ContainerName| observed.containers.get(name).map(|it| it.id.clone());
    let hash = spec.config_hash.as_ref().and_then(|hash| hash.digest(id)).unwrap();
    let mut all = spec.labels.clone();
    all.insert(labels::CONFIG_HASH.into(), hash);
    let mut networks = BTreeMap::new();
    if let NetworkMode::Networks { attachments } = &spec.network {
        for attachment in attachments {
            networks.insert(attachment.network.clone(), ObservedEndpoint::default());
            observed.networks.get_mut(&attachment.network).unwrap().containers.insert(spec.name.clone());
        }
    }
    let mounts = spec.mounts.iter().map(|mount| ObservedMount {
        target: mount.target.clone(),
        volume: match &mount.kind {
            MountKind::Volume { name, .. } => Some(name.clone()),
            MountKind::Anonymous { .. } => Some("a".repeat(64).into()),
            _ => None,
        },
        source: String::new(),
        kind: String::new(),
    });
    let container = ObservedContainer {
        id: format!("{:0<12}", spec.name.as_str().bytes().map(|it| format!("{it:02x}")).collect::<String>()),
        name: spec.name.clone(),
        image: spec.image.clone(),
        image_id: Some(ImageId::from(format!("sha256:old-{}", spec.image.as_str().replace(':', "-")))),
        state: ContainerState::Running,
        health: spec.healthcheck.as_ref().map(|_| HealthStatus::Healthy),
        status: String::new(),
        labels: all,
        created: 0,
        command: String::new(),
        ports: Vec::new(),
        networks,
        mounts: mounts.collect(),
        spec: Some(Box::new(spec.clone())),
        size: None,
    };
    observed.containers.insert(spec.name.clone(), container);
}

fn happen(observed: &mut Observed, since: &Since) {
    for (name, state) in &since.states {
        let state = match state.split_once(' ') {
            Some(("exited", code)) => ContainerState::Exited { code: code.parse().unwrap() },
            _ if state == "created" => ContainerState::Created,
            _ if state == "paused" => ContainerState::Paused,
            _ => ContainerState::Running,
        };
        let container = observed.containers.get_mut(&ContainerName::from(name.as_str())).unwrap();
        container.state = state;
        container.health = container.health.filter(|_| state == ContainerState::Running);
    }
    for (name, health) in &since.health {
        let health = match health.as_str() {
            "starting" => HealthStatus::Starting,
            "unhealthy" => HealthStatus::Unhealthy,
            _ => HealthStatus::Healthy,
        };
        observed.containers.get_mut(&ContainerName::from(name.as_str())).unwrap().health = Some(health);
    }
    for name in &since.gone {
        observed.containers.remove(&ContainerName::from(name.as_str())).unwrap();
    }
    for (name, network) in &since.detached {
        let container = observed.containers.get_mut(&ContainerName::from(name.as_str())).unwrap();
        container.networks.remove(&network.as_str().into()).unwrap();
    }
    for (from, to) in &since.renamed {
        let mut container = observed.containers.remove(&ContainerName::from(from.as_str())).unwrap();
        container.name = to.as_str().into();
        observed.containers.insert(container.name.clone(), container);
    }
    for folder in since.folder.iter() {
        let labels = observed.containers.values_mut().map(|container| &mut container.labels);
        labels.for_each(|labels| drop(labels.insert(labels::WORKING_DIR.into(), folder.clone())));
    }
    let holder = |(port, container): (&u16, &String)| PortHolder {
        host_ip: "0.0.0.0".parse().unwrap(),
        port: *port,
        protocol: Protocol::Tcp,
        container: container.as_str().into(),
        project: Some("other".into()),
        service: Some("x".into()),
    };
    let foreign = since.ports.iter().map(holder);
    let own = observed.containers.values().flat_map(own_ports).collect::<Vec<_>>();
    observed.ports = own.into_iter().chain(foreign).collect();
}

fn own_ports(container: &ObservedContainer) -> Vec<PortHolder> {
    let ports = container
        .spec
        .iter()
        .flat_map(|spec| &spec.ports)
        .filter_map(|port| Some((port.published?.0, port.protocol)));
    let holder = |(port, protocol)| PortHolder {
        host_ip: "0.0.0.0".parse().unwrap(),
        port,
        protocol,
        container: container.name.clone(),
        project: container.project().map(str::to_owned),
        service: container.service().map(str::to_owned),
    };
    ports.map(holder).collect()
}

//! What is wrong with a container's spec by itself, before anything is looked up.

use std::collections::BTreeSet;
use std::time::Duration;

use rcompose_engine_adapter::{
    Attachment, ContainerSpec, EngineError, EngineInfo, ErrorKind, Feature, MountKind, NetworkMode, Recursive, Restart, Result,
};

use crate::world::invalid;

/// The least memory a container can be limited to. Source: moby `linuxMinMemory`.
const LEAST_MEMORY: i64 = 6 * 1024 * 1024;
/// The least interval of a healthcheck. Source: moby `MinimumDuration`.
const LEAST_INTERVAL: Duration = Duration::from_millis(1);

/// Refuses values that no engine takes.
pub(crate) fn values(spec: &ContainerSpec) -> Result<()> {
    name(spec.name.as_str())?;
    let mut targets = BTreeSet::new();
    for target in spec.mounts.iter().map(|it| &it.target).chain(spec.files.iter().map(|it| &it.target)) {
        if !target.starts_with('/') {
            return Err(invalid(format!("mount target {target} of container {} is not absolute", spec.name)));
        }
        if !targets.insert(target) {
            return Err(invalid(format!("container {} has two mounts at {target}", spec.name)));
        }
    }
    for port in &spec.ports {
        if port.target == 0 || port.published.is_some_and(|(first, last)| first == 0 || last < first) {
            return Err(invalid(format!("container {} publishes no valid port: {port:?}", spec.name)));
        }
    }
    if spec.resources.memory.is_some_and(|bytes| (1..LEAST_MEMORY).contains(&bytes)) {
        return Err(invalid(format!("the memory limit of container {} is below 6 MiB", spec.name)));
    }
    let check = spec.healthcheck.iter();
    if check
        .flat_map(|it| [it.interval, it.timeout])
        .flatten()
        .any(|it| !it.is_zero() && it < LEAST_INTERVAL)
    {
        return Err(invalid(format!("the healthcheck of container {} has a time below 1 ms", spec.name)));
    }
    Ok(())
}

/// Refuses names outside `[a-zA-Z0-9][a-zA-Z0-9_.-]+`. Source: moby `names.RestrictedNamePattern`.
pub(crate) fn name(name: &str) -> Result<()> {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|it| it.is_ascii_alphanumeric());
    let rest = chars.clone().count() > 0 && chars.all(|it| it.is_ascii_alphanumeric() || "_.-".contains(it));
    if first && rest {
        Ok(())
    } else {
        Err(invalid(format!("{name} is no valid name")))
    }
}

/// Refuses what the engine's features do not cover.
pub(crate) fn features(spec: &ContainerSpec, info: &EngineInfo) -> Result<()> {
    for feature in needed(spec) {
        require(info, feature)?;
    }
    Ok(())
}

/// Refuses what the engine's features do not cover in one attachment.
pub(crate) fn attachment_features(attachment: &Attachment, info: &EngineInfo) -> Result<()> {
    if attachment.interface_name.is_some() {
        require(info, Feature::InterfaceName)?;
    }
    if attachment.gateway_priority.is_some() {
        require(info, Feature::GatewayPriority)?;
    }
    if attachment.mac_address.is_some() {
        require(info, Feature::NetworksAtCreate)?;
    }
    Ok(())
}

/// Refuses what the engine does not have.
pub(crate) fn require(info: &EngineInfo, feature: Feature) -> Result<()> {
    if info.has(feature) {
        return Ok(());
    }
    let (attribute, needs) = (feature.attribute(), feature.needs());
    Err(EngineError::new(ErrorKind::Unsupported, format!("{attribute} needs {needs}")))
}

fn needed(spec: &ContainerSpec) -> BTreeSet<Feature> {
    let mut needed: BTreeSet<Feature> = spec.mounts.iter().flat_map(|mount| mount_needs(&mount.kind)).collect();
    let mut need = |asked: bool, feature| {
        if asked {
            needed.insert(feature);
        }
    };
    need(!spec.annotations.is_empty(), Feature::Annotations);
    need(!spec.device_requests.is_empty(), Feature::DeviceRequests);
    need(spec.security.credential_spec.is_some() || spec.isolation.is_some(), Feature::Windows);
    need(spec.resources.cpu_count.is_some() || spec.resources.cpu_percent.is_some(), Feature::Windows);
    need(matches!(spec.restart, Restart::Paced { .. }), Feature::RestartPace);
    need(spec.healthcheck.as_ref().is_some_and(|it| it.start_interval.is_some()), Feature::StartInterval);
    if let NetworkMode::Networks { attachments } = &spec.network {
        need(attachments.iter().any(|it| it.interface_name.is_some()), Feature::InterfaceName);
        need(attachments.iter().any(|it| it.gateway_priority.is_some()), Feature::GatewayPriority);
        need(attachments.iter().any(|it| it.mac_address.is_some()), Feature::NetworksAtCreate);
    }
    needed
}

fn mount_needs(kind: &MountKind) -> Vec<Feature> {
    match kind {
        MountKind::Bind { recursive: Some(Recursive::Writable | Recursive::Readonly), .. } => vec![Feature::RecursiveReadOnly],
        MountKind::Volume { subpath: Some(_), .. } => vec![Feature::VolumeSubpath],
        MountKind::Image { subpath: Some(_), .. } => vec![Feature::ImageMount, Feature::ImageSubpath],
        MountKind::Image { subpath: None, .. } => vec![Feature::ImageMount],
        MountKind::Npipe { .. } => vec![Feature::Windows],
        MountKind::Bind { .. } | MountKind::Volume { .. } | MountKind::Anonymous { .. } | MountKind::Tmpfs(_) => Vec::new(),
    }
}

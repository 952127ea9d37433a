//! Containers as a list shows them, and what an inspection adds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use bollard::models::{ContainerInspectResponse, ContainerSummary, ImageInspect, MountPoint, PortSummary, PortSummaryTypeEnum};
use rcompose_engine_adapter::{
    ContainerName, ImageConfig, ImageId, ImageReference, ObservedContainer, ObservedMount, ObservedPort, Protocol, Result, VolumeName,
};

use super::endpoint::endpoint;
use super::{gather, image, spec, state};
use crate::docker::Docker;
use crate::error::while_trying;
use crate::transport::{Api, Call, path};

/// Reads one entry of a list; `None` is one without a name, which the engine is about to remove.
pub(crate) fn listed(summary: ContainerSummary) -> Option<ObservedContainer> {
    // Legacy links show as further names with two slashes.
    let name = summary
        .names?
        .into_iter()
        .find_map(|name| name.strip_prefix('/').filter(|rest| !rest.contains('/')).map(str::to_owned))?;
    let status = summary.status.unwrap_or_default();
    let networks = summary.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    Some(ObservedContainer {
        id: summary.id.unwrap_or_default(),
        name: ContainerName::new(name),
        image: ImageReference::new(summary.image.unwrap_or_default()),
        image_id: summary.image_id.filter(|id| !id.is_empty()).map(ImageId::new),
        state: state::listed(summary.state, &status),
        health: state::health_in(&status),
        status,
        labels: summary.labels.unwrap_or_default().into_iter().collect(),
        created: summary.created.unwrap_or_default(),
        command: summary.command.unwrap_or_default(),
        ports: ports(summary.ports.unwrap_or_default()),
        networks: networks.into_iter().map(endpoint).collect(),
        mounts: mounts(summary.mounts.unwrap_or_default()),
        spec: None,
        size: summary.size_rw.and_then(|size| u64::try_from(size).ok()),
    })
}

fn ports(listed: Vec<PortSummary>) -> Vec<ObservedPort> {
    let port = |port: PortSummary| {
        let host_ip = port.ip.as_deref().and_then(|ip| ip.parse().ok()).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let protocol = match port.typ {
            Some(PortSummaryTypeEnum::UDP) => Protocol::Udp,
            Some(PortSummaryTypeEnum::SCTP) => Protocol::Sctp,
            Some(PortSummaryTypeEnum::TCP | PortSummaryTypeEnum::EMPTY) | None => Protocol::Tcp,
        };
        ObservedPort { target: port.private_port, protocol, host: port.public_port.map(|public| (host_ip, public)) }
    };
    let ports: BTreeSet<ObservedPort> = listed.into_iter().map(port).collect();
    ports.into_iter().collect()
}

fn mounts(listed: Vec<MountPoint>) -> Vec<ObservedMount> {
    let mount = |mount: MountPoint| {
        let is_volume = mount.typ.as_deref() == Some("volume");
        ObservedMount {
            target: mount.destination.unwrap_or_default(),
            volume: mount.name.filter(|name| is_volume && !name.is_empty()).map(VolumeName::new),
            source: mount.source.unwrap_or_default(),
            kind: mount.typ.unwrap_or_default(),
        }
    };
    let mut mounts: Vec<ObservedMount> = listed.into_iter().map(mount).collect();
    mounts.sort_by(|a, b| a.target.cmp(&b.target));
    mounts
}

/// Looks at containers exactly, without reading their specs back.
pub(super) async fn exact(api: &Api, found: Vec<ObservedContainer>) -> Result<Vec<ObservedContainer>> {
    let enriched = inspect(api, found).await?.into_iter().map(|(mut container, full)| {
        enrich(&mut container, &full);
        container
    });
    Ok(enriched.collect())
}

/// Inspects containers; one that went meanwhile is left out.
async fn inspect(
    api: &Api,
    found: impl IntoIterator<Item = ObservedContainer>,
) -> Result<Vec<(ObservedContainer, ContainerInspectResponse)>> {
    let one = |container: ObservedContainer| async move {
        let call = Call::get(path("containers", &container.id, "/json"));
        let full: ContainerInspectResponse = api
            .json(call)
            .await
            .map_err(|error| while_trying(&format!("cannot inspect container {}", container.name), error))?;
        Ok((container, full))
    };
    gather(found, one).await
}

/// Inspects each container; one that went meanwhile is left out.
pub(super) async fn detailed(
    docker: &Docker,
    found: BTreeMap<ContainerName, ObservedContainer>,
) -> Result<BTreeMap<ContainerName, ObservedContainer>> {
    let api = &docker.api;
    let inspected = inspect(api, found.into_values()).await?;
    let names = names(api, &inspected).await?;
    let images = images(api, &inspected).await?;
    let context = |full: &ContainerInspectResponse| full.image.as_ref().and_then(|id| images.get(id)).cloned().unwrap_or_default();
    let defaults = docker.defaults().await?;
    let merge = |(mut container, full): (ObservedContainer, ContainerInspectResponse)| {
        let image = context(&full);
        enrich(&mut container, &full);
        container.spec = Some(Box::new(spec::spec(&container.name, full, &image, &names, defaults)));
        (container.name.clone(), container)
    };
    Ok(inspected.into_iter().map(merge).collect())
}

/// Takes over what an inspection tells more exactly than a list.
fn enrich(container: &mut ObservedContainer, full: &ContainerInspectResponse) {
    if let Some(found) = &full.state {
        container.state = state::inspected(found).unwrap_or(container.state);
        container.health = state::health_of(found);
    }
    if let Some(image) = full.config.as_ref().and_then(|config| config.image.clone()) {
        container.image = ImageReference::new(image);
    }
    if let Some(id) = &full.image {
        container.image_id = Some(ImageId::new(id.as_str()));
    }
    let networks = full.network_settings.as_ref().and_then(|settings| settings.networks.clone());
    if let Some(networks) = networks {
        container.networks = networks.into_iter().map(endpoint).collect();
    }
}

/// Finds the names of the containers that others refer to by id.
async fn names(api: &Api, inspected: &[(ObservedContainer, ContainerInspectResponse)]) -> Result<BTreeMap<String, ContainerName>> {
    let mut names: BTreeMap<String, ContainerName> =
        inspected.iter().map(|(container, _)| (container.id.clone(), container.name.clone())).collect();
    let referred: BTreeSet<String> = inspected.iter().flat_map(|(_, full)| spec::referred(full)).collect();
    let unknown: Vec<String> = referred.into_iter().filter(|id| !names.contains_key(id)).collect();
    let inspect = |id: String| async move {
        let full: ContainerInspectResponse = api.json(Call::get(path("containers", &id, "/json"))).await?;
        Ok((id, full.name.unwrap_or_default()))
    };
    for (id, name) in gather(unknown, inspect).await? {
        names.insert(id, ContainerName::new(name.trim_start_matches('/')));
    }
    Ok(names)
}

/// Inspects the images that the containers run, for their defaults.
async fn images(api: &Api, inspected: &[(ObservedContainer, ContainerInspectResponse)]) -> Result<BTreeMap<String, ImageConfig>> {
    let ids: BTreeSet<String> = inspected.iter().filter_map(|(_, full)| full.image.clone()).collect();
    let inspect = |id: String| async move {
        match api.json::<ImageInspect>(Call::get(path("images", &id, "/json"))).await {
            Ok(found) => Ok(image::image(found).map(|found| (id, found.config))),
            // Removed by force while its containers live on: its defaults cannot be told from the container's own values.
            Err(error) if error.kind == rcompose_engine_adapter::ErrorKind::ImageMissing || error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    };
    Ok(gather(ids, inspect).await?.into_iter().flatten().collect())
}

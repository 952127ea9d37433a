//! Where the network stack comes from, and how each network is joined.

use std::cmp::Reverse;

use rcompose_engine_adapter::{Attachment, ContainerName, NetworkMode, NetworkName};
use rcompose_spec::model::{Service, ServiceNetwork};

use super::{Lowering, set};

pub(super) fn mode(lowering: &mut Lowering<'_>, service: &Service, name: &ContainerName) -> NetworkMode {
    let mode = service.network_mode.as_str();
    if let Some(peer) = mode.strip_prefix("service:") {
        let container = lowering.first(peer).unwrap_or_else(|| peer.into());
        return NetworkMode::Container { container };
    }
    if let Some(container) = mode.strip_prefix("container:") {
        return NetworkMode::Container { container: container.into() };
    }
    match mode {
        "" => NetworkMode::Networks { attachments: attachments(lowering, service, name) },
        "none" => NetworkMode::None,
        "host" => NetworkMode::Host,
        "bridge" => NetworkMode::Bridge,
        other => NetworkMode::Other { text: other.to_owned() },
    }
}

/// By falling priority, then by key, as docker compose joins them.
fn attachments(lowering: &Lowering<'_>, service: &Service, name: &ContainerName) -> Vec<Attachment> {
    let mut keys: Vec<(&String, Box<ServiceNetwork>)> =
        service.networks.iter().map(|(key, options)| (key, options.clone().unwrap_or_default())).collect();
    keys.sort_by_key(|(key, options)| (Reverse(options.priority), (*key).clone()));
    let links = links(lowering, service);
    keys.into_iter()
        .map(|(key, options)| Attachment {
            network: network_name(lowering, key),
            aliases: aliases(service, name, &options),
            ipv4_address: set(&options.ipv4_address),
            ipv6_address: set(&options.ipv6_address),
            link_local_ips: options.link_local_ips.clone(),
            mac_address: set(&options.mac_address),
            interface_name: set(&options.interface_name),
            gateway_priority: (options.gw_priority != 0).then_some(options.gw_priority),
            driver_opts: options.driver_opts.clone(),
            links: links.clone(),
        })
        .collect()
}

fn network_name(lowering: &Lowering<'_>, key: &str) -> NetworkName {
    lowering.project.networks.get(key).map_or(key, |network| network.name.as_str()).into()
}

/// The container's name and the service's, then what the file declares, each once.
fn aliases(service: &Service, name: &ContainerName, options: &ServiceNetwork) -> Vec<String> {
    let mut all = vec![name.to_string(), service.name.clone()];
    for alias in &options.aliases {
        if !all.contains(alias) {
            all.push(alias.clone());
        }
    }
    all
}

/// Legacy links: `service[:alias]` of this project and `container[:alias]` of others.
fn links(lowering: &Lowering<'_>, service: &Service) -> Vec<String> {
    let mut all = Vec::new();
    for link in &service.links {
        let (peer, alias) = link.split_once(':').unwrap_or((link, link));
        for container in lowering.peers.get(peer).into_iter().flatten() {
            all.push(format!("{container}:{alias}"));
            if container.as_str() != alias {
                all.push(format!("{container}:{container}"));
            }
        }
    }
    for link in &service.external_links {
        let (container, alias) = link.split_once(':').unwrap_or((link, link));
        all.push(format!("{container}:{alias}"));
    }
    all
}

/// Links of a container on the engine's default bridge, where there is no network to carry them.
pub(super) fn legacy_links(lowering: &Lowering<'_>, service: &Service) -> Vec<String> {
    if service.network_mode == "bridge" {
        links(lowering, service)
    } else {
        Vec::new()
    }
}

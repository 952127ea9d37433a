//! Networks and ports of a container.

use std::collections::{BTreeSet, HashMap};

use bollard::models::{EndpointIpamConfig, EndpointSettings, HostConfig, NetworkingConfig, PortBinding};
use rcompose_engine_adapter::{Attachment, NetworkMode, PortSpec, Result};

use super::{Known, mode, some_list, unsupported};
use crate::version::ApiVersion;

/// The driver option that names the interface. Source: Docker Engine 28 release notes.
const INTERFACE_NAME: &str = "com.docker.network.endpoint.ifname";

/// What a network mode says outside of the host configuration.
pub(super) struct Wired {
    pub(super) networking: Option<NetworkingConfig>,
    pub(super) mac_address: Option<String>,
}

/// Tells whether a create call takes more than one network.
pub(crate) fn takes_all_networks(version: ApiVersion) -> bool {
    version.has(44)
}

pub(super) fn wire(host: &mut HostConfig, network: &NetworkMode, mac: Option<&str>, version: ApiVersion, known: &Known) -> Result<Wired> {
    let (text, attachments) = match network {
        NetworkMode::Networks { attachments } => match attachments.first() {
            Some(first) => (first.network.as_str().to_owned(), attachments.as_slice()),
            // Attached to nothing: the API's word for it, since leaving the mode out means the default bridge.
            None => ("none".to_owned(), &[][..]),
        },
        NetworkMode::None => ("none".to_owned(), &[][..]),
        NetworkMode::Host => ("host".to_owned(), &[][..]),
        NetworkMode::Bridge => ("bridge".to_owned(), &[][..]),
        NetworkMode::Container { container } => (mode(&format!("container:{container}"), known), &[][..]),
        NetworkMode::Other { text } => (text.clone(), &[][..]),
    };
    host.network_mode = Some(text.clone());
    if version.has(44) {
        wire_new(&text, attachments, mac, version)
    } else {
        wire_old(attachments, mac, version)
    }
}

/// Since API 1.44 a create call takes all networks, and a MAC address belongs to one of them.
fn wire_new(mode: &str, attachments: &[Attachment], mac: Option<&str>, version: ApiVersion) -> Result<Wired> {
    let mut endpoints = HashMap::new();
    for attachment in attachments {
        endpoints.insert(attachment.network.as_str().to_owned(), endpoint(attachment, version, "the container")?);
    }
    if let Some(mac) = mac {
        if mode == "none" || mode == "host" || mode.starts_with("container:") {
            return Err(unsupported(format!("mac_address {mac}: the network mode {mode} has no interface of its own")));
        }
        let first = endpoints.entry(mode.to_owned()).or_default();
        first.mac_address.get_or_insert_with(|| mac.to_owned());
    }
    let networking = NetworkingConfig { endpoints_config: Some(endpoints) };
    Ok(Wired {
        networking: Some(networking).filter(|it| it.endpoints_config.as_ref().is_some_and(|it| !it.is_empty())),
        mac_address: None,
    })
}

/// Before that it takes one network, and the MAC address is the container's.
fn wire_old(attachments: &[Attachment], mac: Option<&str>, version: ApiVersion) -> Result<Wired> {
    let Some((first, rest)) = attachments.split_first() else {
        return Ok(Wired { networking: None, mac_address: mac.map(str::to_owned) });
    };
    if let Some(second) = rest.iter().find(|attachment| attachment.mac_address.is_some()) {
        let message = format!(
            "networks.{}.mac_address: API {version} takes a MAC address for the first network only; Docker Engine 25 (API 1.44) takes one for each",
            second.network
        );
        return Err(unsupported(message));
    }
    let own = Attachment { mac_address: None, ..first.clone() };
    let endpoints = HashMap::from([(first.network.as_str().to_owned(), endpoint(&own, version, "the container")?)]);
    let mac_address = mac.map(str::to_owned).or_else(|| first.mac_address.clone());
    Ok(Wired { networking: Some(NetworkingConfig { endpoints_config: Some(endpoints) }), mac_address })
}

/// Writes a container's end on one network.
pub(crate) fn endpoint(attachment: &Attachment, version: ApiVersion, what: &str) -> Result<EndpointSettings> {
    let Attachment {
        network,
        aliases,
        ipv4_address,
        ipv6_address,
        link_local_ips,
        mac_address,
        interface_name,
        gateway_priority,
        driver_opts,
        links,
    } = attachment;
    let refuse = |key: &str, minor: u16, engine: &str| {
        if version.has(minor) {
            return Ok(());
        }
        Err(unsupported(format!(
            "{what}: networks.{network}.{key} needs Docker Engine {engine} (API 1.{minor}); this engine speaks {version}"
        )))
    };
    if mac_address.is_some() {
        refuse("mac_address", 44, "25")?;
    }
    if gateway_priority.is_some() {
        refuse("gw_priority", 48, "28")?;
    }
    let mut options: HashMap<String, String> = driver_opts.clone().into_iter().collect();
    if let Some(name) = interface_name {
        refuse("interface_name", 48, "28")?;
        options.insert(INTERFACE_NAME.to_owned(), name.clone());
    }
    let has_ipam = ipv4_address.is_some() || ipv6_address.is_some() || !link_local_ips.is_empty();
    Ok(EndpointSettings {
        ipam_config: has_ipam.then(|| EndpointIpamConfig {
            ipv4_address: ipv4_address.clone(),
            ipv6_address: ipv6_address.clone(),
            link_local_ips: some_list(link_local_ips),
        }),
        links: some_list(links),
        mac_address: mac_address.clone(),
        aliases: some_list(aliases),
        driver_opts: Some(options).filter(|options| !options.is_empty()),
        gw_priority: *gateway_priority,
        ..EndpointSettings::default()
    })
}

/// Publishes ports; returns those to expose, published ones included.
pub(super) fn ports(host: &mut HostConfig, ports: &[PortSpec], expose: &BTreeSet<String>) -> Vec<String> {
    let mut exposed = expose.clone();
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for PortSpec { target, protocol, host_ip, published } in ports {
        let key = format!("{target}/{}", protocol.as_str());
        let host_port = published.map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") });
        let binding = PortBinding { host_ip: host_ip.map(|ip| ip.to_string()), host_port };
        exposed.insert(key.clone());
        bindings.entry(key).or_default().get_or_insert_default().push(binding);
    }
    host.port_bindings = Some(bindings).filter(|bindings| !bindings.is_empty());
    exposed.into_iter().collect()
}

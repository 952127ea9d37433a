//! A container's ends on networks.

use std::collections::BTreeMap;

use bollard::models::EndpointSettings;
use rcompose_engine_adapter::{Attachment, NetworkName, ObservedEndpoint};

const INTERFACE_NAME: &str = "com.docker.network.endpoint.ifname";

pub(super) fn endpoint((name, found): (String, EndpointSettings)) -> (NetworkName, ObservedEndpoint) {
    let endpoint = ObservedEndpoint {
        network_id: found.network_id.unwrap_or_default(),
        aliases: found.aliases.unwrap_or_default(),
        ipv4_address: found.ip_address.filter(|it| !it.is_empty()),
        ipv6_address: found.global_ipv6_address.filter(|it| !it.is_empty()),
    };
    (NetworkName::new(name), endpoint)
}

/// Reads back how a container was attached. `id` is the container's, whose short form the engine adds to the aliases.
pub(super) fn attachment(name: &str, found: EndpointSettings, id: &str) -> Attachment {
    let ipam = found.ipam_config.unwrap_or_default();
    let mut driver_opts: BTreeMap<String, String> = found.driver_opts.unwrap_or_default().into_iter().collect();
    let interface_name = driver_opts.remove(INTERFACE_NAME);
    let short = id.get(..12).unwrap_or(id);
    Attachment {
        network: NetworkName::new(name),
        aliases: found.aliases.unwrap_or_default().into_iter().filter(|alias| alias != short).collect(),
        ipv4_address: ipam.ipv4_address.filter(|it| !it.is_empty()),
        ipv6_address: ipam.ipv6_address.filter(|it| !it.is_empty()),
        link_local_ips: ipam.link_local_ips.unwrap_or_default(),
        // The engine tells the address in use, given or made up, from the same field: it is not taken for one asked for.
        mac_address: None,
        interface_name,
        gateway_priority: found.gw_priority.filter(|priority| *priority != 0),
        driver_opts,
        links: found.links.unwrap_or_default(),
    }
}

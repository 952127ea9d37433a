//! Addresses of services: that they can be read, lie in their network, and are given once.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::cidr::Cidr;
use super::{Lint, MAX_COMPARED};
use crate::error::{Code, Finding};
use crate::model::{Network, Service, ServiceNetwork};

/// Most hosts of one service said to be wrong: each is looked for in the whole list.
const MAX_HOSTS: usize = 20;

impl Lint<'_> {
    pub(super) fn addresses(&mut self, service: &Service) {
        let name = &service.name;
        self.mac(format!("services.{name}.mac_address"), &service.mac_address);
        for (index, server) in service.dns.iter().enumerate() {
            let plain = server.split_once('%').map_or(server.as_str(), |(plain, _)| plain);
            if plain.parse::<IpAddr>().is_err() {
                let warning = Finding::new(Code::BadAddress, format!("`{server}` is not an IP address"))
                    .hint("a DNS server is named by its address, such as 1.1.1.1");
                self.warn(format!("services.{name}.dns[{index}]"), warning);
            }
        }
        self.hosts(&format!("services.{name}.extra_hosts"), &service.extra_hosts);
        if let Some(build) = &service.build {
            self.hosts(&format!("services.{name}.build.extra_hosts"), &build.extra_hosts);
        }
        let project = self.project;
        for (key, options) in &service.networks {
            if let Some(options) = options {
                self.attachment(&format!("services.{name}.networks.{key}"), options, project.networks.get_key_value(key));
            }
        }
        let mode = &service.network_mode;
        let special = matches!(mode.as_str(), "" | "host" | "none" | "bridge" | "default") || mode.contains(':');
        if let Some(network) = project.networks.get(mode).filter(|network| !special && network.name != *mode) {
            let message = format!("`network_mode` names a network of the engine; the one of this project is called {}", network.name);
            let warning = Finding::new(Code::NoEffect, message)
                .label("not the network of this file")
                .hint(format!("write `networks: [{mode}]` instead"));
            self.warn(format!("services.{name}.network_mode"), warning);
        }
    }

    fn hosts(&mut self, path: &str, hosts: &crate::model::ExtraHosts) {
        let pairs = hosts.0.iter().flat_map(|(host, addresses)| addresses.iter().map(move |address| (host, address)));
        let bad = pairs.filter(|(_, address)| *address != "host-gateway" && address.parse::<IpAddr>().is_err());
        for (host, address) in bad.take(MAX_HOSTS) {
            let warning = Finding::new(Code::BadAddress, format!("`{address}` for host `{host}` is not an IP address"))
                .hint("write an IP address, or `host-gateway` for the host itself");
            self.warn(self.host_path(path, host), warning);
        }
    }

    /// The place of a host: a key of a mapping, or the item of a list that begins with it.
    fn host_path(&self, path: &str, host: &str) -> String {
        let below = self.origins.below(path);
        let item = below.into_iter().skip(1).find(|(_, span)| {
            span.text()
                .trim_start_matches(['"', '\''])
                .strip_prefix(host)
                .is_some_and(|rest| rest.starts_with([':', '=']))
        });
        item.map_or_else(|| format!("{path}.{host}"), |(path, _)| path)
    }

    fn attachment(&mut self, path: &str, options: &ServiceNetwork, network: Option<(&String, &Network)>) {
        self.mac(format!("{path}.mac_address"), &options.mac_address);
        for (index, address) in options.link_local_ips.iter().enumerate() {
            if address.parse::<IpAddr>().is_err() {
                let warning = Finding::new(Code::BadAddress, format!("`{address}` is not an IP address"));
                self.warn(format!("{path}.link_local_ips[{index}]"), warning);
            }
        }
        let four = options.ipv4_address.parse::<Ipv4Addr>().map(IpAddr::from).ok();
        let six = options.ipv6_address.parse::<Ipv6Addr>().map(IpAddr::from).ok();
        self.fixed(path, "ipv4_address", &options.ipv4_address, four, network);
        self.fixed(path, "ipv6_address", &options.ipv6_address, six, network);
    }

    fn fixed(&mut self, path: &str, key: &str, text: &str, address: Option<IpAddr>, network: Option<(&String, &Network)>) {
        if text.is_empty() {
            return;
        }
        let path = format!("{path}.{key}");
        let Some(address) = address else {
            let family = if key == "ipv4_address" { "IPv4" } else { "IPv6" };
            let warning = Finding::new(Code::BadAddress, format!("`{text}` is not an {family} address"));
            return self.warn(path, warning.maybe_hint(address_hint(key, text)));
        };
        // With more pools than are looked at nothing can be said.
        let few = |network: &Network| is_engines(network) && network.ipam.config.len() <= MAX_COMPARED;
        if let Some((key, network)) = network.filter(|(_, network)| few(network)) {
            self.inside(path, address, key, network);
        }
    }

    /// A fixed address lies in a subnet of its network and is neither an end of it nor the gateway's.
    fn inside(&mut self, path: String, address: IpAddr, key: &str, network: &Network) {
        let subnets: Vec<(usize, Cidr)> = (network.ipam.config.iter().enumerate())
            .filter_map(|(index, pool)| Some((index, Cidr::parse(&pool.subnet)?)))
            .filter(|(_, subnet)| subnet.is_ipv4() == address.is_ipv4())
            .collect();
        let Some((first, _)) = subnets.first() else { return };
        let place = |index: usize, attribute: &str| self.origins.get(&format!("networks.{key}.ipam.config[{index}].{attribute}"));
        let Some((index, subnet)) = subnets.iter().find(|(_, subnet)| subnet.contains(address)) else {
            let list: Vec<String> = subnets.iter().map(|(_, subnet)| subnet.to_string()).collect();
            let message = format!("{address} lies outside the subnet {} of its network", list.join(", "));
            let warning = Finding::new(Code::OutsideSubnet, message)
                .note(place(*first, "subnet"), "the subnet")
                .hint("take an address of the subnet, or correct the subnet");
            return self.warn(path, warning);
        };
        let gateway = network.ipam.config[*index].gateway.parse::<IpAddr>().ok();
        let taken = if subnet.reserves_ends() && (address == subnet.first() || address == subnet.last()) {
            Some(("the network's own", "subnet"))
        } else if gateway == Some(address) {
            Some(("the gateway's", "gateway"))
        } else if gateway.is_none() && takes_first(network, *index) && address == subnet.second() {
            Some(("the gateway's: engines take the first one where none is named", "subnet"))
        } else {
            None
        };
        if let Some((whose, attribute)) = taken {
            let warning = Finding::new(Code::BadAddress, format!("the address {address} is {whose}"))
                .note(place(*index, attribute), "of this network")
                .hint("take another address of the subnet");
            self.warn(path, warning);
        }
    }

    fn mac(&mut self, path: String, text: &str) {
        if text.is_empty() {
            return;
        }
        match mac(text) {
            None => {
                let warning = Finding::new(Code::BadAddress, format!("`{text}` is not a MAC address"))
                    .hint("write six pairs of hexadecimal digits, such as 02:42:ac:11:00:02");
                self.warn(path, warning);
            }
            Some(first) if first & 1 == 1 => {
                let warning = Finding::new(Code::BadAddress, format!("`{text}` is an address of many, which no interface can have"))
                    .hint("the first pair must be even, such as 02");
                self.warn(path, warning);
            }
            Some(_) => {}
        }
    }

    /// Two containers cannot have the same address in one network.
    pub(super) fn address_clashes(&mut self) {
        let mut seen: BTreeMap<(&str, IpAddr), String> = BTreeMap::new();
        let mut found = Vec::new();
        for service in self.running() {
            let attachments = service.networks.iter().filter_map(|(key, options)| Some((key, options.as_ref()?)));
            for (key, options) in attachments {
                for (attribute, text) in [("ipv4_address", &options.ipv4_address), ("ipv6_address", &options.ipv6_address)] {
                    let Ok(address) = text.parse::<IpAddr>() else { continue };
                    let path = format!("services.{}.networks.{key}.{attribute}", service.name);
                    if service.replicas() > 1 {
                        let message =
                            format!("{} containers of `{}` cannot all have the address {address}", service.replicas(), service.name);
                        let warning = Finding::new(Code::AddressClash, message).hint("remove the address, or run one container");
                        found.push((path.clone(), warning));
                    }
                    match seen.get(&(key.as_str(), address)) {
                        Some(first) => {
                            let warning =
                                Finding::new(Code::AddressClash, format!("the address {address} is given twice in the network `{key}`"))
                                    .label("given again")
                                    .note(self.origins.get(first), "given here first")
                                    .hint("give one of the two another address");
                            found.push((path, warning));
                        }
                        None => {
                            seen.insert((key, address), path);
                        }
                    }
                }
            }
        }
        for (path, warning) in found {
            self.warn(path, warning);
        }
    }
}

/// Whether the engine itself manages the addresses of a network.
pub(super) fn is_engines(network: &Network) -> bool {
    !network.external
        && matches!(network.driver.as_str(), "" | "bridge" | "overlay" | "macvlan" | "ipvlan")
        && matches!(network.ipam.driver.as_str(), "" | "default")
}

/// Whether the engine gives the first address of a pool to a gateway that nobody named.
fn takes_first(network: &Network, pool: usize) -> bool {
    matches!(network.driver.as_str(), "" | "bridge") && !network.internal && network.ipam.config[pool].ip_range.is_empty()
}

fn address_hint(key: &str, text: &str) -> Option<String> {
    if let Some((bare, _)) = text.split_once('/').filter(|(bare, _)| bare.parse::<IpAddr>().is_ok()) {
        return Some(format!("write `{bare}`, without the length of the prefix"));
    }
    let other = if key == "ipv4_address" { "ipv6_address" } else { "ipv4_address" };
    text.parse::<IpAddr>().is_ok().then(|| format!("for this address the attribute is `{other}`"))
}

/// The first byte of a MAC address, in one of the three forms that engines read.
fn mac(text: &str) -> Option<u8> {
    let hex = |part: &str, digits: usize| part.len() == digits && part.bytes().all(|b| b.is_ascii_hexdigit());
    let pairs = |separator: char| text.split(separator).count() == 6 && text.split(separator).all(|part| hex(part, 2));
    let dotted = text.split('.').count() == 3 && text.split('.').all(|part| hex(part, 4));
    (pairs(':') || pairs('-') || dotted).then(|| u8::from_str_radix(&text[..2], 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::mac;

    #[test]
    fn mac_addresses_have_three_forms() {
        for good in ["02:42:ac:11:00:02", "02-42-AC-11-00-02", "0242.ac11.0002"] {
            assert_eq!(mac(good), Some(2), "{good}");
        }
        for bad in ["", "02:42:ac:11:00", "2:42:ac:11:0:2", "02:42:ac:11:00:0g", "0242ac110002", "é2:42:ac:11:00:02"] {
            assert_eq!(mac(bad), None, "{bad}");
        }
    }
}

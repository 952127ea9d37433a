//! Who knows which name. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The names of a project's networks. What is not in it is not there: a replica that must not be found is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    networks: BTreeMap<String, Names>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Names {
    /// In lower case.
    addresses: BTreeMap<String, Vec<IpAddr>>,
    /// What an address is called, for the reverse question.
    reverse: BTreeMap<IpAddr, String>,
}

/// A container that asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its networks, the most important first. Names of other networks are unknown to it.
    pub networks: Vec<String>,
    /// Names that only it knows (`links`): alias → name.
    pub links: BTreeMap<String, String>,
    /// Servers for names that are no container's, in their order. Empty: there are none such names, as for a container whose networks are
    /// all internal.
    pub upstreams: Vec<SocketAddr>,
}

/// What is known of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It has these addresses, of both families.
    Addresses(Vec<IpAddr>),
    /// The address is called so.
    Name(String),
    /// It is no container's.
    Unknown,
}

impl Zone {
    /// Adds a container to a network: all names it has there, the one that its addresses are called by first. Several containers may
    /// have a name in common.
    pub fn add(&mut self, network: &str, names: &[&str], addresses: &[IpAddr]) {
        let known = self.networks.entry(network.to_owned()).or_default();
        for name in names {
            let entry = known.addresses.entry(normal(name)).or_default();
            entry.extend(addresses.iter().filter(|it| !entry.contains(it)).copied().collect::<Vec<_>>());
        }
        if let Some(name) = names.first() {
            known.reverse.extend(addresses.iter().map(|it| (*it, format!("{name}.{network}"))));
        }
    }

    /// Looks a name up for a container, in its networks in their order: by itself, then with the network's name behind it.
    pub fn look_up(&self, client: &Client, name: &str) -> Found {
        let name = normal(name);
        if let Some(address) = reverse(&name) {
            let known = self.networks_of(client).find_map(|(_, names)| names.reverse.get(&address));
            return known.map_or(Found::Unknown, |it| Found::Name(it.clone()));
        }
        let name = client
            .links
            .iter()
            .find(|(alias, _)| normal(alias) == name)
            .map_or(name, |(_, target)| normal(target));
        let plain = self.networks_of(client).find_map(|(_, names)| names.addresses.get(&name));
        let qualified = || {
            self.networks_of(client).find_map(|(network, names)| {
                let short = name.strip_suffix(&normal(network))?.strip_suffix('.')?;
                names.addresses.get(short)
            })
        };
        plain.or_else(qualified).map_or(Found::Unknown, |it| Found::Addresses(it.clone()))
    }

    fn networks_of<'a>(&'a self, client: &'a Client) -> impl Iterator<Item = (&'a str, &'a Names)> {
        client.networks.iter().filter_map(|network| Some((network.as_str(), self.networks.get(network)?)))
    }
}

fn normal(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// The address that a reverse question is about. Source: RFC 1035, 3.5 and RFC 3596, 2.5.
fn reverse(name: &str) -> Option<IpAddr> {
    if let Some(digits) = name.strip_suffix(".in-addr.arpa") {
        let mut bytes = [0; 4];
        let mut parts = digits.rsplit('.');
        for byte in &mut bytes {
            *byte = parts.next()?.parse().ok()?;
        }
        return parts.next().is_none().then_some(IpAddr::V4(Ipv4Addr::from(bytes)));
    }
    let digits = name.strip_suffix(".ip6.arpa")?;
    let mut number = 0_u128;
    let mut count = 0;
    for digit in digits.rsplit('.') {
        let value = u128::from_str_radix(digit, 16).ok().filter(|_| digit.len() == 1)?;
        number = number.checked_shl(4)? | value;
        count += 1;
    }
    (count == 32).then_some(IpAddr::V6(Ipv6Addr::from(number)))
}

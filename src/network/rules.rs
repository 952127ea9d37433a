//! A project's wanted network state → its tables of kernel rules. Pure: the same state gives the same rules.
//!
//! Every project has one table for each family, which is replaced as a whole. A published port has a chain of its own, so that a change of
//! its backends replaces that chain only.

mod filter;
mod nat;
mod spread;
mod text;
mod tree;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Cidr, Protocol, names};

pub use spread::slots;
pub use tree::{Chain, Family, Hook, Match, Rule, Table, Verdict};

/// All that a project wants of the kernel's rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The project's name.
    pub project: String,
    /// Its networks that are bridges.
    pub networks: Vec<Network>,
    /// Its published ports.
    pub ports: Vec<Published>,
}

/// A network that is a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The bridge's name.
    pub bridge: String,
    /// Its subnets.
    pub subnets: Vec<Cidr>,
    /// No way out, and none in.
    pub internal: bool,
    /// Containers on it may talk to each other (`com.docker.network.bridge.enable_icc`).
    pub inter_container: bool,
    /// What leaves has the host's address (`com.docker.network.bridge.enable_ip_masquerade`).
    pub masquerade: bool,
    /// Who gets in by IPv4.
    pub gateway_ipv4: Gateway,
    /// Who gets in by IPv6.
    pub gateway_ipv6: Gateway,
}

/// Who gets from outside to a network's containers. Source: docker's `gateway_mode_ipv4` and `gateway_mode_ipv6`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gateway {
    /// Whoever comes to a published port of the host.
    #[default]
    Nat,
    /// The same, and whoever has a route to the containers reaches all their ports.
    NatUnprotected,
    /// Whoever has a route to the containers reaches their published ports, at their own addresses; nothing is translated.
    Routed,
}

/// A port of the host that leads to containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Protocol.
    pub protocol: Protocol,
    /// The address of the host; `None` is every one, an unspecified address every one of its family.
    pub host_ip: Option<IpAddr>,
    /// The port of the host.
    pub port: u16,
    /// Where connections go. Empty refuses them.
    pub backends: Vec<Backend>,
}

/// Where a connection to a published port goes. The address is on a network that is not internal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    /// The container's address.
    pub address: IpAddr,
    /// The container's port.
    pub port: u16,
    /// Its share beside the others; 0 takes it out.
    pub weight: u16,
}

/// The tables of a project: one for IPv4, and one for IPv6 where a network has it.
pub fn tables(wanted: &Wanted) -> Vec<Table> {
    let has_ipv6 = wanted.networks.iter().flat_map(|it| &it.subnets).any(|it| !it.is_ipv4());
    let families = [Family::Ipv4].into_iter().chain(has_ipv6.then_some(Family::Ipv6));
    families.map(|family| table(wanted, family)).collect()
}

/// The chain of one published port in one family, for a change of its backends.
pub fn port_chain(wanted: &Wanted, family: Family, protocol: Protocol, port: u16) -> Chain {
    nat::port(wanted, family, protocol, port)
}

fn table(wanted: &Wanted, family: Family) -> Table {
    let mut chains = nat::ports(wanted, family);
    chains.push(nat::dispatch(wanted, family));
    chains.extend(filter::raw_prerouting(family));
    chains.extend([
        nat::prerouting(family),
        nat::output(family),
        nat::postrouting(wanted, family),
        filter::forward(wanted, family),
    ]);
    Table { family, name: names::table(&wanted.project), chains }
}

impl Network {
    pub(crate) fn gateway(&self, family: Family) -> Gateway {
        match family {
            Family::Ipv4 => self.gateway_ipv4,
            Family::Ipv6 => self.gateway_ipv6,
        }
    }

    pub(crate) fn subnets_of(&self, family: Family) -> impl Iterator<Item = Cidr> {
        self.subnets.iter().copied().filter(move |it| it.is_ipv4() == (family == Family::Ipv4))
    }
}

impl Published {
    /// Whether connections of a family can come to it.
    pub fn is_of(&self, family: Family) -> bool {
        self.host_ip.is_none_or(|it| it.is_ipv4() == (family == Family::Ipv4))
    }

    /// Whether IPv6 connections to it need the proxy: to `::1` always, since the kernel leads no translated packet out of it; to other
    /// addresses where no backend has IPv6.
    pub fn needs_proxy(&self) -> bool {
        let has_ipv6 = self.backends.iter().any(|it| it.address.is_ipv6());
        self.protocol != Protocol::Sctp
            && match self.host_ip {
                None => true,
                Some(IpAddr::V4(_)) => false,
                Some(IpAddr::V6(it)) => it.is_loopback() || it.is_unspecified() || !has_ipv6,
            }
    }
}

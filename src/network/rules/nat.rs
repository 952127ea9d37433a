//! Translation: published ports inwards, masquerade outwards.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::rules::{Chain, Family, Gateway, Hook, Match, Network, Published, Rule, Verdict, Wanted, slots};
use crate::{Cidr, Protocol};

/// `dstnat`; as a number, since nft knows the word in prerouting only.
const BEFORE_ROUTING: i32 = -100;
/// `srcnat`.
const AFTER_ROUTING: i32 = 100;

/// The chain that leads to those of the ports.
const DISPATCH: &str = "ports";

/// What the host is to itself. Source: RFC 1122, 3.2.1.3 and RFC 4291, 2.5.3.
pub(super) fn loopback(family: Family) -> Cidr {
    match family {
        Family::Ipv4 => Cidr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8).unwrap_or(Cidr::host(Ipv4Addr::LOCALHOST.into())),
        Family::Ipv6 => Cidr::host(Ipv6Addr::LOCALHOST.into()),
    }
}

/// A chain for each port.
pub(super) fn ports(wanted: &Wanted, family: Family) -> Vec<Chain> {
    numbers(wanted, family)
        .into_iter()
        .map(|(protocol, number)| port(wanted, family, protocol, number))
        .collect()
}

/// The chain of one port. An address that was given comes before all addresses.
pub(super) fn port(wanted: &Wanted, family: Family, protocol: Protocol, number: u16) -> Chain {
    let mut published: Vec<&Published> = wanted
        .ports
        .iter()
        .filter(|it| it.protocol == protocol && it.port == number && it.is_of(family))
        .collect();
    published.sort_by_key(|it| address(it).is_none());
    let mut rules = Vec::new();
    for it in published {
        let destinations = translated(wanted, it, family);
        let Some(first) = destinations.first().copied() else { continue };
        let matches = || {
            let given = address(it).map(|ip| Match::Destination(Cidr::host(ip)));
            given.into_iter().chain([Match::Protocol(protocol)])
        };
        let several = destinations.len() > 1;
        rules.push(Rule::new(matches(), Verdict::Translate(destinations)));
        if several {
            // A packet that is among these rules while they are replaced finds their map empty: the kernel takes back what is in it at
            // once, but the rules for that packet not. It goes to one of them all the same, and not past them all.
            rules.push(Rule::new(matches(), Verdict::Translate(vec![first])));
        }
    }
    Chain { name: name(protocol, number), hook: None, rules }
}

/// The chain that all packets to the host ask about ports.
pub(super) fn dispatch(wanted: &Wanted, family: Family) -> Chain {
    let chains: Vec<_> = numbers(wanted, family)
        .into_iter()
        .map(|(protocol, number)| (protocol, number, name(protocol, number)))
        .collect();
    let rule = (!chains.is_empty()).then(|| Rule::new([], Verdict::Dispatch(chains)));
    Chain { name: DISPATCH.to_owned(), hook: None, rules: rule.into_iter().collect() }
}

/// From outside and from containers. Loopback is left out: a neighbour on the same wire could send to it.
pub(super) fn prerouting(family: Family) -> Chain {
    let matches = [Match::DestinationNot(loopback(family)), Match::ToHost];
    let rules = vec![Rule::new(matches, Verdict::Jump(DISPATCH.to_owned()))];
    Chain {
        name: "nat-prerouting".to_owned(),
        hook: Some(Hook { kind: "nat", place: "prerouting", priority: BEFORE_ROUTING }),
        rules,
    }
}

/// From the host itself. The kernel routes nothing from `::1` elsewhere, so that is for the proxy.
pub(super) fn output(family: Family) -> Chain {
    let loopback = (family == Family::Ipv6).then(|| Match::DestinationNot(loopback(family)));
    let rules = vec![Rule::new(loopback.into_iter().chain([Match::ToHost]), Verdict::Jump(DISPATCH.to_owned()))];
    Chain {
        name: "nat-output".to_owned(),
        hook: Some(Hook { kind: "nat", place: "output", priority: BEFORE_ROUTING }),
        rules,
    }
}

/// Who leaves a network gets the host's address, and so does who comes back into its own network by a published port, or from loopback:
/// the answer would not find its way back otherwise.
pub(super) fn postrouting(wanted: &Wanted, family: Family) -> Chain {
    let rules = wanted.networks.iter().filter(|it| !it.internal).flat_map(|network| leaving(network, family));
    let hook = Hook { kind: "nat", place: "postrouting", priority: AFTER_ROUTING };
    Chain { name: "nat-postrouting".to_owned(), hook: Some(hook), rules: rules.collect() }
}

fn leaving(network: &Network, family: Family) -> Vec<Rule> {
    let bridge = &network.bridge;
    let mut rules = Vec::new();
    if network.gateway(family) == Gateway::Routed {
        return rules;
    }
    for subnet in network.subnets_of(family) {
        if network.masquerade {
            rules.push(Rule::new([Match::Source(subnet), Match::OutputIsNot(bridge.clone())], Verdict::Masquerade));
        }
        rules.push(Rule::new([Match::Source(subnet), Match::OutputIs(bridge.clone()), Match::Translated], Verdict::Masquerade));
    }
    if family == Family::Ipv4 && network.subnets_of(family).next().is_some() {
        rules.push(Rule::new([Match::Source(loopback(family)), Match::OutputIs(bridge.clone())], Verdict::Masquerade));
    }
    rules
}

/// Where connections to a port go; what a routed network has is reached at its own address.
fn translated(wanted: &Wanted, published: &Published, family: Family) -> Vec<(IpAddr, u16)> {
    let routed: Vec<Cidr> = wanted
        .networks
        .iter()
        .filter(|it| it.gateway(family) == Gateway::Routed)
        .flat_map(|it| it.subnets.iter().copied())
        .collect();
    let backends: Vec<_> = published
        .backends
        .iter()
        .filter(|it| !routed.iter().any(|subnet| subnet.contains(it.address)))
        .cloned()
        .collect();
    slots(&backends, family)
}

fn numbers(wanted: &Wanted, family: Family) -> BTreeSet<(Protocol, u16)> {
    wanted.ports.iter().filter(|it| it.is_of(family)).map(|it| (it.protocol, it.port)).collect()
}

fn address(published: &Published) -> Option<IpAddr> {
    published.host_ip.filter(|it| !it.is_unspecified())
}

fn name(protocol: Protocol, number: u16) -> String {
    format!("{protocol}-{number}")
}

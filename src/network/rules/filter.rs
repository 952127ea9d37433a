//! Who may talk to whom.

use crate::rules::{Chain, Family, Gateway, Hook, Match, Network, Rule, Verdict, Wanted, nat};

/// `raw`: before connections are looked up.
const FIRST: i32 = -300;
/// `filter`.
const FILTER: i32 = 0;

/// Nobody outside reaches what listens on loopback, though bridges lead packets of it (`route_localnet`). IPv6 has no such switch.
pub(super) fn raw_prerouting(family: Family) -> Option<Chain> {
    let matches = [Match::InputIsNot("lo".to_owned()), Match::Destination(nat::loopback(family))];
    let hook = Hook { kind: "filter", place: "prerouting", priority: FIRST };
    let chain = Chain { name: "raw-prerouting".to_owned(), hook: Some(hook), rules: vec![Rule::new(matches, Verdict::Drop)] };
    (family == Family::Ipv4).then_some(chain)
}

/// Between networks, and between a network and the outside.
pub(super) fn forward(wanted: &Wanted, family: Family) -> Chain {
    let rules = wanted.networks.iter().flat_map(|network| {
        if network.internal {
            internal(network)
        } else {
            inwards(wanted, network, family)
        }
    });
    let hook = Hook { kind: "filter", place: "forward", priority: FILTER };
    Chain { name: "filter-forward".to_owned(), hook: Some(hook), rules: rules.collect() }
}

fn internal(network: &Network) -> Vec<Rule> {
    let (into, out) = (|name: &String| Match::OutputIs(name.clone()), |name: &String| Match::InputIs(name.clone()));
    let bridge = &network.bridge;
    vec![
        Rule::new([out(bridge), Match::OutputIsNot(bridge.clone())], Verdict::Drop),
        Rule::new([into(bridge), Match::InputIsNot(bridge.clone())], Verdict::Drop),
    ]
}

/// What may come into a network. Neighbours meet these rules only where the kernel shows bridged packets to them (`br_netfilter`).
fn inwards(wanted: &Wanted, network: &Network, family: Family) -> Vec<Rule> {
    let into = || Match::OutputIs(network.bridge.clone());
    let mut rules = Vec::new();
    if network.inter_container {
        rules.push(Rule::new([Match::InputIs(network.bridge.clone()), into()], Verdict::Accept));
    }
    rules.push(Rule::new([into(), Match::Known], Verdict::Accept));
    match network.gateway(family) {
        Gateway::Nat => rules.push(Rule::new([into(), Match::Translated], Verdict::Accept)),
        Gateway::NatUnprotected => {
            rules.push(Rule::new([into(), Match::InputIsNot(network.bridge.clone())], Verdict::Accept));
            rules.push(Rule::new([into(), Match::Translated], Verdict::Accept));
        }
        Gateway::Routed => rules.extend(published(wanted, network, family)),
    }
    rules.push(Rule::new([into()], Verdict::Drop));
    rules
}

/// The published ports of a network that nothing is translated for.
fn published(wanted: &Wanted, network: &Network, family: Family) -> Vec<Rule> {
    let ports = wanted
        .ports
        .iter()
        .flat_map(|port| port.backends.iter().map(move |backend| (port.protocol, backend)));
    let inside = ports.filter(|(_, backend)| network.subnets_of(family).any(|subnet| subnet.contains(backend.address)));
    inside
        .map(|(protocol, backend)| {
            let to = Match::Destination(crate::Cidr::host(backend.address));
            let matches = [Match::OutputIs(network.bridge.clone()), to, Match::Protocol(protocol), Match::Port(backend.port)];
            Rule::new(matches, Verdict::Accept)
        })
        .collect()
}

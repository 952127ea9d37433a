//! Rules: the text by recorded cases, the messages by nft, which must show the same for both.

use std::collections::BTreeMap;
use std::net::IpAddr;

use proptest::prelude::*;
use rcompose_network::Protocol;
use rcompose_network::rules::{self, Backend, Family, Gateway, Network, Published, Wanted};

use crate::lab::{self, run};

fn network(bridge: &str, subnets: &[&str]) -> Network {
    Network {
        bridge: bridge.to_owned(),
        subnets: subnets.iter().map(|it| it.parse().unwrap()).collect(),
        internal: false,
        inter_container: true,
        masquerade: true,
        gateway_ipv4: Gateway::Nat,
        gateway_ipv6: Gateway::Nat,
    }
}

fn backend(address: &str, port: u16, weight: u16) -> Backend {
    Backend { address: address.parse().unwrap(), port, weight }
}

fn everything() -> Wanted {
    let mut networks = vec![
        network("rc-a", &["172.18.0.0/16", "fd00:1::/64"]),
        network("rc-b", &["192.168.48.0/20"]),
        network("rc-internal", &["172.20.0.0/16", "fd00:2::/64"]),
        network("rc-routed", &["10.1.0.0/17"]),
        network("rc-open", &["10.2.0.0/24"]),
    ];
    networks[1].inter_container = false;
    networks[1].masquerade = false;
    networks[2].internal = true;
    networks[3].gateway_ipv4 = Gateway::Routed;
    networks[4].gateway_ipv4 = Gateway::NatUnprotected;
    let port = |protocol, host_ip: Option<&str>, port, backends| Published {
        protocol,
        host_ip: host_ip.map(|it| it.parse().unwrap()),
        port,
        backends,
    };
    let ports = vec![
        port(Protocol::Tcp, None, 8080, vec![backend("172.18.0.2", 80, 1), backend("fd00:1::2", 80, 1)]),
        port(Protocol::Tcp, Some("127.0.0.1"), 8081, vec![backend("172.18.0.2", 81, 1)]),
        port(Protocol::Tcp, Some("10.0.0.9"), 8080, vec![backend("192.168.48.7", 8080, 1)]),
        port(Protocol::Udp, Some("::"), 53, vec![backend("fd00:1::3", 53, 1), backend("fd00:1::4", 53, 1)]),
        port(
            Protocol::Tcp,
            None,
            4000,
            vec![backend("172.18.0.3", 80, 9), backend("172.18.0.4", 80, 1), backend("172.18.0.5", 80, 0)],
        ),
        port(Protocol::Tcp, None, 4001, vec![]),
        port(Protocol::Tcp, None, 4002, vec![backend("10.1.0.2", 80, 1)]),
        port(Protocol::Sctp, None, 4003, vec![backend("10.2.0.2", 80, 1)]),
    ];
    Wanted { project: "p".to_owned(), networks, ports }
}

#[test]
fn the_text_is_as_recorded() {
    let text: String = rules::tables(&everything()).iter().map(ToString::to_string).collect();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ruleset.nft");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap());
}

#[test]
fn the_messages_say_what_the_text_says() {
    if !lab::enter() {
        return;
    }
    let wanted = everything();
    lab::firewall().apply(&wanted).unwrap();
    let ours = run("nft list ruleset");
    // A second time replaces the first.
    lab::firewall().apply(&wanted).unwrap();
    assert_eq!(run("nft list ruleset"), ours);
    run("nft flush ruleset");
    let text: String = rules::tables(&wanted).iter().map(ToString::to_string).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.nft");
    std::fs::write(&file, text).unwrap();
    run(&format!("nft -f {}", file.display()));
    assert_eq!(ours, run("nft list ruleset"));
    assert_eq!(lab::firewall().list().unwrap(), [(Family::Ipv4, "p".to_owned()), (Family::Ipv6, "p".to_owned())]);
    lab::firewall().remove("p").unwrap();
    lab::firewall().remove("p").unwrap();
    assert_eq!(run("nft list ruleset"), "");
}

#[test]
fn a_change_of_backends_is_a_change_of_one_chain() {
    if !lab::enter() {
        return;
    }
    let mut wanted = everything();
    lab::firewall().apply(&wanted).unwrap();
    wanted.ports[4].backends = vec![backend("172.18.0.5", 80, 1), backend("172.18.0.6", 80, 1)];
    lab::firewall().set_backends(&wanted, Protocol::Tcp, 4000).unwrap();
    let changed = run("nft list ruleset");
    lab::firewall().apply(&wanted).unwrap();
    assert_eq!(changed, run("nft list ruleset"));
    wanted.ports[4].port = 4999;
    let error = lab::firewall().set_backends(&wanted, Protocol::Tcp, 4999).unwrap_err();
    assert_eq!(error.errno(), Some(2), "{error}");
}

#[test]
fn any_state_becomes_any_other() {
    if !lab::enter() {
        return;
    }
    let firewall = lab::firewall();
    let states: Vec<Wanted> = (0..9)
        .map(|number| {
            let mut state = everything();
            match number {
                1 => drop(state.ports.remove(0)),
                2 => state.ports.truncate(2),
                3 => state.networks.truncate(1),
                4 => state.networks.iter_mut().for_each(|it| it.subnets.retain(rcompose_network::Cidr::is_ipv4)),
                5 => state.ports.clear(),
                6 => (state.networks, state.ports) = (Vec::new(), Vec::new()),
                7 => state.ports.iter_mut().for_each(|it| it.port += 1),
                8 => state.ports.iter_mut().for_each(|it| it.backends.clear()),
                _ => {}
            }
            state
        })
        .collect();
    let listed: Vec<_> = states
        .iter()
        .map(|state| {
            firewall.remove("p").unwrap();
            firewall.apply(state).unwrap();
            sorted()
        })
        .collect();
    for from in 0..states.len() {
        for to in 0..states.len() {
            firewall.apply(&states[from]).unwrap();
            firewall.apply(&states[to]).unwrap();
            assert_eq!(sorted(), listed[to], "{from} to {to}");
        }
    }
    // What somebody else did to the table does not hold us up.
    for damage in [
        "delete table ip rcompose-p",
        "flush chain ip rcompose-p nat-postrouting",
        "add chain ip rcompose-p more",
    ] {
        run(&format!("nft {damage}"));
        firewall.apply(&states[0]).unwrap();
        firewall.apply(&states[8]).unwrap();
        assert_eq!(sorted(), listed[8], "{damage}");
    }
}

/// What is listed, by table and chain.
fn sorted() -> BTreeMap<(String, String), Vec<String>> {
    let (mut found, mut table, mut chain) = (BTreeMap::new(), String::new(), String::new());
    for line in run("nft list ruleset").lines().map(str::trim).filter(|it| !matches!(*it, "" | "}")) {
        if let Some(name) = line.strip_prefix("table ") {
            table = name.to_owned();
        } else if let Some(name) = line.strip_prefix("chain ") {
            chain = name.to_owned();
            found.insert((table.clone(), chain.clone()), Vec::new());
        } else {
            found.get_mut(&(table.clone(), chain.clone())).unwrap().push(line.to_owned());
        }
    }
    found
}

#[test]
fn many_ports_fit_in_one_batch() {
    if !lab::enter() {
        return;
    }
    let mut wanted = everything();
    let backends: Vec<Backend> = (2..102)
        .map(|last| Backend { address: IpAddr::from([172, 18, 0, last]), port: 80, weight: 1 })
        .collect();
    wanted.ports = (1..=1500)
        .map(|port| Published { protocol: Protocol::Tcp, host_ip: None, port, backends: Vec::new() })
        .collect();
    wanted.ports[0].backends = backends;
    lab::firewall().apply(&wanted).unwrap();
    assert!(run("nft list ruleset").contains("numgen inc mod 100"));
}

#[test]
fn turns_are_spread_by_weight() {
    let turns = |weights: &[u16]| -> String {
        let backends: Vec<_> = weights
            .iter()
            .enumerate()
            .map(|(at, weight)| backend(&format!("10.0.0.{at}"), 80, *weight))
            .collect();
        let slots = rules::slots(&backends, Family::Ipv4);
        slots
            .iter()
            .map(|(address, _)| address.to_string().rsplit('.').next().unwrap().to_owned())
            .collect::<Vec<_>>()
            .join("")
    };
    for (weights, wanted) in [
        (&[1, 1, 1][..], "012"),
        (&[100, 100], "01"),
        (&[9, 1], "0000010000"),
        (&[3, 2, 0, 1], "010310"),
        (&[0, 0], ""),
        (&[], ""),
        (&[5], "0"),
    ] {
        assert_eq!(turns(weights), wanted, "{weights:?}");
    }
}

proptest! {
    #[test]
    fn everybody_with_a_weight_gets_its_share(weights in prop::collection::vec(0_u16..=1000, 1..12)) {
        let backends: Vec<_> = weights.iter().enumerate()
            .map(|(at, weight)| Backend { address: IpAddr::from([10, 0, 0, u8::try_from(at).unwrap()]), port: 80, weight: *weight })
            .collect();
        let slots = rules::slots(&backends, Family::Ipv4);
        let total: f64 = weights.iter().map(|it| f64::from(*it)).sum();
        for backend in &backends {
            let turns = slots.iter().filter(|(address, _)| *address == backend.address).count();
            prop_assert_eq!(turns > 0, backend.weight > 0);
            if backend.weight > 0 {
                let share = f64::from(u32::try_from(turns).unwrap()) / f64::from(u32::try_from(slots.len()).unwrap());
                prop_assert!((share - f64::from(backend.weight) / total).abs() < 0.02);
            }
        }
    }
}

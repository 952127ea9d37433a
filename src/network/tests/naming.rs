//! Names, options and texts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rcompose_network::files::{Hosts, Resolv};
use rcompose_network::names::{self, Way};
use rcompose_network::options::{BridgeOptions, endpoint_switches};
use rcompose_network::rules::Gateway;
use rcompose_network::{Choice, PortRequest, Protocol};

#[test]
fn interfaces_have_short_stable_names_of_their_own() {
    assert_eq!(names::bridge("p_default"), "rc-9f415c451d9c");
    let many = (0..5000).flat_map(|it| {
        [
            names::bridge(&format!("p{it}_default")),
            names::veth(&format!("p-web-{it}"), "p_default"),
            names::veth("p-web-1", &it.to_string()),
        ]
    });
    let all: BTreeSet<String> = many.collect();
    assert_eq!(all.len(), 15_000);
    assert!(all.iter().all(|it| names::is_interface(it)));
    assert_ne!(names::veth("a", "b c"), names::veth("a b", "c"));
    assert_eq!(names::project_of(&names::alias("p", "p_default")), Some("p"));
    assert_eq!(names::project_of("rcompose"), None);
}

#[test]
fn interfaces_of_a_container_are_numbered_around_given_names() {
    assert_eq!(names::interfaces(&[None, Some("lan"), None]), ["eth0", "lan", "eth1"]);
    assert_eq!(names::interfaces(&[None, Some("eth0"), None]), ["eth1", "eth0", "eth2"]);
}

#[test]
fn the_default_route_is_of_the_highest_priority_that_leads_out() {
    let (ipv4, both) = (["10.0.0.0/24".parse().unwrap()], ["10.0.1.0/24".parse().unwrap(), "fd00::/64".parse().unwrap()]);
    let way = |network, priority, is_internal| Way { network, priority, is_internal, subnets: &ipv4 };
    assert_eq!(names::default_route(&[way("b", 0, false), way("a", 0, false)], true), Some(1));
    assert_eq!(names::default_route(&[way("b", 1, false), way("a", 0, false)], true), Some(0));
    assert_eq!(names::default_route(&[way("b", 1, true), way("a", -5, false)], true), Some(1));
    assert_eq!(names::default_route(&[way("b", 1, true)], true), None);
    let six = Way { subnets: &both, ..way("six", 0, false) };
    assert_eq!(names::default_route(&[way("b", 9, false), six], false), Some(1));
}

#[test]
fn options_of_docker_mean_the_same() {
    let options = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(option, value)| (format!("com.docker.network.{option}"), (*value).to_owned()))
            .collect()
    };
    let read = BridgeOptions::parse(&options(&[
        ("bridge.name", "br0"),
        ("driver.mtu", "1400"),
        ("bridge.enable_icc", "false"),
        ("bridge.enable_ip_masquerade", "0"),
        ("bridge.host_binding_ipv4", "127.0.0.1"),
        ("bridge.gateway_mode_ipv4", "routed"),
        ("bridge.gateway_mode_ipv6", "nat-unprotected"),
        ("container_iface_prefix", "lan"),
        ("bridge.magic", "1"),
    ]))
    .unwrap();
    let wanted = BridgeOptions {
        name: Some("br0".to_owned()),
        mtu: Some(1400),
        inter_container: false,
        masquerade: false,
        host_binding: Some(IpAddr::from([127, 0, 0, 1])),
        gateway_ipv4: Gateway::Routed,
        gateway_ipv6: Gateway::NatUnprotected,
        isolated: false,
        interface_prefix: "lan".to_owned(),
        unknown: vec!["com.docker.network.bridge.magic".to_owned()],
    };
    assert_eq!(read, wanted);
    assert!(BridgeOptions::parse(&options(&[("bridge.gateway_mode_ipv4", "isolated")])).unwrap().isolated);
    for (option, value) in [
        ("bridge.name", "much-too-long-for-one"),
        ("bridge.name", "a/b"),
        ("driver.mtu", "67"),
        ("driver.mtu", "many"),
        ("bridge.enable_icc", "yes"),
        ("bridge.host_binding_ipv4", "::1"),
        ("bridge.gateway_mode_ipv6", "open"),
    ] {
        let error = BridgeOptions::parse(&options(&[(option, value)])).unwrap_err().to_string();
        assert!(error.starts_with(&format!("the option com.docker.network.{option} is {value:?}, but must be ")), "{error}");
    }
    let switches = endpoint_switches(&options(&[("endpoint.sysctls", "net.ipv4.conf.IFNAME.forwarding=1")]), "eth0.5").unwrap();
    assert_eq!(switches, [("net/ipv4/conf/eth0.5/forwarding".to_owned(), "1".to_owned())]);
    for bad in [
        "kernel.x.conf.IFNAME.y=1",
        "net.ipv4.conf.all.forwarding=1",
        "net.ipv4.conf.IFNAME.../../x=1",
        "net.ipv4.conf.IFNAME.x",
    ] {
        assert!(endpoint_switches(&options(&[("endpoint.sysctls", bad)]), "eth0").is_err(), "{bad}");
    }
}

#[test]
fn hosts_and_resolv_are_written_line_by_line() {
    let extra = [
        ("host.docker.internal".to_owned(), "host-gateway".to_owned()),
        ("db".to_owned(), "[fd00::9]".to_owned()),
        ("evil\n1.2.3.4 x".to_owned(), "10.0.0.1".to_owned()),
        ("nowhere".to_owned(), "somewhere".to_owned()),
    ];
    let hosts = Hosts {
        hostname: "web",
        domain: Some("example.org"),
        addresses: &[IpAddr::from([172, 18, 0, 2])],
        extra: &extra,
        host: &[IpAddr::from([172, 18, 0, 1])],
    };
    let (text, wrong) = hosts.text();
    let tail: Vec<&str> = text.lines().skip(6).collect();
    assert_eq!(tail, ["172.18.0.1\thost.docker.internal", "fd00::9\tdb", "172.18.0.2\tweb.example.org web"]);
    assert_eq!(wrong, ["evil\n1.2.3.4 x", "nowhere"]);

    let host = Resolv::parse(
        "# x\nnameserver 10.0.0.53\nnameserver fe80::1%eth0\nsearch old\nsearch a.example b.example # c\noptions edns0 trust-ad\n",
    );
    assert_eq!(host.servers, [IpAddr::from([10, 0, 0, 53])]);
    assert_eq!(
        host.in_container(&[], &[]),
        "nameserver 127.0.0.11\nsearch a.example b.example\noptions edns0 trust-ad ndots:0\n"
    );
    assert_eq!(host.upstreams(&[]), [std::net::SocketAddr::from(([10, 0, 0, 53], 53))]);
    assert_eq!(host.upstreams(&[rcompose_network::files::SERVER]), []);
    let text = host.in_container(&[".".to_owned()], &["ndots:2".to_owned(), "bad\nnameserver 1.1.1.1".to_owned()]);
    assert_eq!(text, "nameserver 127.0.0.11\noptions ndots:2\n");
}

#[test]
fn a_port_is_fixed_first_free_or_any() {
    let request = |published| PortRequest { protocol: Protocol::Tcp, host_ip: None, published };
    assert_eq!(request(None).choice(&[]).unwrap(), Choice::Ephemeral);
    assert_eq!(request(Some((80, 80))).choice(&[80]).unwrap(), Choice::Fixed(80));
    assert_eq!(request(Some((80, 83))).choice(&[81]).unwrap(), Choice::FirstFree(vec![80, 82, 83]));
    assert_eq!(request(Some((81, 80))).choice(&[]).unwrap_err().to_string(), "the range of ports 81-80 ends before it starts");
}

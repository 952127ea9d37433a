//! Published ports, ways out and walls between networks, with real packets.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rcompose_network::endpoint::{self, Endpoint, On};
use rcompose_network::rules::{Backend, Gateway, Published, Wanted};
use rcompose_network::{Cidr, PortRequest, Protocol, conntrack, docker, hold, host, netns};

use crate::lab::{self, Container, PROJECT, ask, bridge_name, run};

const HOST: [u8; 4] = [10, 9, 0, 1];
const OUTSIDE: [u8; 4] = [10, 9, 0, 2];

/// A machine on the same wire as the host, which routes by it.
fn outside() -> Container {
    run(
        "ip link add wan0 type bridge && ip addr add 10.9.0.1/24 dev wan0 && ip -6 addr add fd09::1/64 dev wan0 nodad && ip link set wan0 up",
    );
    let address = |address: IpAddr, prefix| Cidr::new(address, prefix).unwrap();
    let ipv6: IpAddr = "fd09::2".parse().unwrap();
    let wanted = Endpoint {
        project: "wire".to_owned(),
        on: On::Bridge { bridge: "wan0".to_owned(), veth: "wan1".to_owned(), isolated: false },
        interface: "eth0".to_owned(),
        mac: None,
        addresses: vec![address(OUTSIDE.into(), 24), address(ipv6, 64)],
        gateways: vec![HOST.into(), "fd09::1".parse().unwrap()],
        mtu: None,
        switches: Vec::new(),
    };
    let namespace = netns::anonymous().unwrap();
    endpoint::attach(&namespace, &wanted).unwrap();
    Container { namespace, address: OUTSIDE.into(), address6: Some(ipv6) }
}

fn to(containers: &[&Container], port: u16) -> Vec<Backend> {
    let both = containers.iter().flat_map(|it| [Some(it.address), it.address6]).flatten();
    both.map(|address| Backend { address, port, weight: 1 }).collect()
}

fn tcp(port: u16, host_ip: Option<IpAddr>, backends: Vec<Backend>) -> Published {
    Published { protocol: Protocol::Tcp, host_ip, port, backends }
}

fn wanted(networks: Vec<rcompose_network::rules::Network>, ports: Vec<Published>) -> Wanted {
    Wanted { project: PROJECT.to_owned(), networks, ports }
}

#[test]
fn a_published_port_is_reached_from_everywhere_it_should_be() {
    if !lab::enter() {
        return;
    }
    let networks = vec![lab::network(1, true, false), lab::network(2, false, false), lab::network(3, false, true)];
    let (web, peer, other, hidden) =
        (Container::on(1, 2, true), Container::on(1, 3, true), Container::on(2, 4, false), Container::on(3, 5, false));
    let outside = outside();
    web.serve(80, "web");
    let ports = vec![
        tcp(8080, None, to(&[&web], 80)),
        tcp(8081, Some(IpAddr::from([127, 0, 0, 1])), to(&[&web], 80)),
        tcp(8082, Some(HOST.into()), to(&[&web], 80)),
    ];
    lab::firewall().apply(&wanted(networks, ports)).unwrap();
    let at = |address: [u8; 4], port| SocketAddr::new(address.into(), port);
    let at6 = |address: &str, port| SocketAddr::new(address.parse().unwrap(), port);
    let mut seen = Vec::new();
    let mut check = |what: &str, got: Option<String>, wanted: Option<&str>| {
        if got.as_deref() != wanted {
            seen.push(format!("{what}: {got:?}, not {wanted:?}"));
        }
    };
    check("outside", outside.ask(at(HOST, 8080)), Some("web 10.9.0.2"));
    check("outside by IPv6", outside.ask(at6("fd09::1", 8080)), Some("web fd09::2"));
    check("the host by loopback", ask(at([127, 0, 0, 1], 8080)), Some("web 172.18.1.1"));
    check("the host by its address", ask(at(HOST, 8080)), Some("web 10.9.0.1"));
    check("the host by IPv6", ask(at6("fd09::1", 8080)), Some("web fd09::1"));
    check("another network", other.ask(at(HOST, 8080)), Some("web 172.18.1.1"));
    check("another network by its gateway", other.ask(at([172, 18, 2, 1], 8080)), Some("web 172.18.1.1"));
    check("a neighbour", peer.ask(at(HOST, 8080)), Some("web 172.18.1.1"));
    check("a neighbour by IPv6", peer.ask(at6("fd09::1", 8080)), Some("web fd00:0:0:1::1"));
    check("the container itself", web.ask(at(HOST, 8080)), Some("web 172.18.1.1"));
    check("an internal network", hidden.ask(at([172, 18, 3, 1], 8080)), None);
    check("loopback only: the host", ask(at([127, 0, 0, 1], 8081)), Some("web 172.18.1.1"));
    check("loopback only: outside", outside.ask(at(HOST, 8081)), None);
    check("loopback only: the host by its address", ask(at(HOST, 8081)), None);
    check("one address: outside", outside.ask(at(HOST, 8082)), Some("web 10.9.0.2"));
    check("one address: another", ask(at([127, 0, 0, 1], 8082)), None);
    assert_eq!(seen, Vec::<String>::new());
}

#[test]
fn walls_stand_and_ways_out_are_open() {
    if !lab::enter() {
        return;
    }
    let networks = vec![lab::network(1, true, false), lab::network(2, false, false), lab::network(3, true, true)];
    let (one, two, hidden) = (Container::on(1, 2, true), Container::on(2, 3, false), Container::on(3, 4, true));
    let outside = outside();
    [&one, &two, &hidden, &outside].into_iter().for_each(|it| it.serve(80, "here"));
    lab::firewall().apply(&wanted(networks, Vec::new())).unwrap();
    assert_eq!(one.ask((outside.address, 80)).as_deref(), Some("here 10.9.0.1"), "masqueraded");
    assert_eq!(one.ask((outside.address6.unwrap(), 80)).as_deref(), Some("here fd09::1"), "masqueraded");
    for (what, from, to) in [
        ("another network", &one, two.address),
        ("an internal network", &one, hidden.address),
        ("from an internal network", &hidden, one.address),
        ("from an internal network outside", &hidden, outside.address),
        ("from an internal network outside by IPv6", &hidden, outside.address6.unwrap()),
        ("from outside", &outside, one.address),
        ("from outside by IPv6", &outside, one.address6.unwrap()),
    ] {
        assert_eq!(from.ask((to, 80)), None, "{what}");
    }
    assert_eq!(ask((hidden.address, 80)).as_deref(), Some("here 172.18.3.1"), "the host reaches all");
    let peer = Container::on(3, 5, true);
    assert_eq!(peer.ask((hidden.address, 80)).as_deref(), Some("here 172.18.3.5"), "neighbours reach each other");
}

#[test]
fn what_listens_on_loopback_is_out_of_reach_from_outside() {
    if !lab::enter() {
        return;
    }
    let networks = vec![lab::network(1, false, false)];
    let (web, peer, outside) = (Container::on(1, 2, false), Container::on(1, 3, false), outside());
    web.serve(80, "web");
    let secret = TcpListener::bind(("127.0.0.1", 7000)).unwrap();
    secret.set_nonblocking(true).unwrap();
    lab::firewall()
        .apply(&wanted(networks, vec![tcp(8081, Some(IpAddr::from([127, 0, 0, 1])), to(&[&web], 80))]))
        .unwrap();
    for (from, gateway) in [(&peer, "172.18.1.1"), (&outside, "10.9.0.1")] {
        // One that sends to loopback over the wire.
        netns::within(from.fd(), || {
            run("ip link set lo down; ip addr del 127.0.0.1/8 dev lo");
            run(&format!("ip route add 127.0.0.1/32 via {gateway} dev eth0 src {}", from.address));
            run("echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet");
            assert_eq!((ask(([127, 0, 0, 1], 8081)), ask(([127, 0, 0, 1], 7000))), (None, None));
        })
        .unwrap();
    }
    assert!(secret.accept().is_err());
    assert!(ask(([127, 0, 0, 1], 8081)).is_some());
}

#[test]
fn gateway_modes_open_what_they_say() {
    if !lab::enter() {
        return;
    }
    let mut networks = vec![lab::network(1, false, false), lab::network(2, false, false)];
    networks[0].gateway_ipv4 = Gateway::Routed;
    networks[1].gateway_ipv4 = Gateway::NatUnprotected;
    let (routed, open, outside) = (Container::on(1, 2, false), Container::on(2, 3, false), outside());
    for port in [80, 81] {
        [&routed, &open, &outside].into_iter().for_each(|it| it.serve(port, "here"));
    }
    lab::firewall().apply(&wanted(networks, vec![tcp(8080, None, to(&[&routed], 80))])).unwrap();
    assert_eq!(outside.ask((routed.address, 80)).as_deref(), Some("here 10.9.0.2"));
    assert_eq!(outside.ask((routed.address, 81)), None);
    assert_eq!(outside.ask((IpAddr::from(HOST), 8080)), None);
    assert_eq!(outside.ask((open.address, 81)).as_deref(), Some("here 10.9.0.2"));
    assert_eq!(routed.ask((outside.address, 80)).as_deref(), Some("here 172.18.1.2"), "not masqueraded");
}

#[test]
fn connections_are_spread_and_follow_the_backends() {
    if !lab::enter() {
        return;
    }
    let names = ["a", "b", "c", "d", "e"];
    let networks = vec![lab::network(1, false, false)];
    let replicas: Vec<Container> = (0..5).map(|it| Container::on(1, it + 2, false)).collect();
    replicas.iter().zip(names).for_each(|(replica, name)| replica.serve(80, name));
    let mut state = wanted(networks, vec![tcp(4000, None, to(&replicas.iter().collect::<Vec<_>>(), 80))]);
    lab::firewall().apply(&state).unwrap();
    let spread = |connections: usize| -> Vec<usize> {
        let answers: Vec<String> = (0..connections).map(|_| ask(([127, 0, 0, 1], 4000)).expect("no connection fails")).collect();
        names.iter().map(|name| answers.iter().filter(|it| it.starts_with(name)).count()).collect()
    };
    let shares = spread(1000);
    assert!(shares.iter().all(|it| (170..=230).contains(it)), "{shares:?}");
    state.ports[0].backends[1].weight = 0;
    lab::firewall().set_backends(&state, Protocol::Tcp, 4000).unwrap();
    assert_eq!(spread(40), [10, 0, 10, 10, 10]);
    state.ports[0].backends.truncate(2);
    state.ports[0].backends[0].weight = 9;
    state.ports[0].backends[1].weight = 1;
    lab::firewall().set_backends(&state, Protocol::Tcp, 4000).unwrap();
    assert_eq!(spread(40), [36, 4, 0, 0, 0]);
    state.ports[0].backends.clear();
    lab::firewall().set_backends(&state, Protocol::Tcp, 4000).unwrap();
    assert_eq!(ask(([127, 0, 0, 1], 4000)), None);
}

#[test]
fn no_connection_fails_while_backends_come_and_go() {
    if !lab::enter() {
        return;
    }
    let networks = vec![lab::network(1, false, false)];
    let replicas: Vec<Container> = (0..5).map(|it| Container::on(1, it + 2, false)).collect();
    replicas.iter().for_each(|it| it.serve(80, "here"));
    let all = to(&replicas.iter().collect::<Vec<_>>(), 80);
    let mut state = wanted(networks, vec![tcp(4000, None, all.clone())]);
    let firewall = lab::firewall();
    firewall.apply(&state).unwrap();
    let asking = std::thread::spawn(|| (0..2000).filter(|_| ask(([127, 0, 0, 1], 4000)).is_none()).count());
    let mut changes = 0;
    while !asking.is_finished() {
        state.ports[0].backends = all[..2 + changes % 4].to_vec();
        firewall.set_backends(&state, Protocol::Tcp, 4000).unwrap();
        changes += 1;
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(asking.join().unwrap(), 0);
    assert!(changes > 20, "{changes}");
}

#[test]
fn rules_that_somebody_takes_away_are_missed() {
    if !lab::enter() {
        return;
    }
    let state = wanted(vec![lab::network(1, false, false)], Vec::new());
    let firewall = lab::firewall();
    let changes = rcompose_network::RuleChanges::watch().unwrap();
    assert!(!changes.take().unwrap());
    firewall.apply(&state).unwrap();
    lab::wait(&changes, Duration::from_secs(5));
    assert!(changes.take().unwrap() && !changes.take().unwrap());
    assert!(firewall.holds(&state).unwrap());
    run("nft flush ruleset");
    lab::wait(&changes, Duration::from_secs(5));
    assert!(changes.take().unwrap());
    assert!(!firewall.holds(&state).unwrap());
}

#[test]
fn open_connections_are_counted_and_stale_ones_forgotten() {
    if !lab::enter() {
        return;
    }
    let networks = vec![lab::network(1, false, false)];
    let (one, two) = (Container::on(1, 2, false), Container::on(1, 3, false));
    let udp = |container: &Container| netns::within(container.fd(), || UdpSocket::bind(("0.0.0.0", 53))).unwrap().unwrap();
    let sockets = [udp(&one), udp(&two)];
    sockets.iter().for_each(|it| it.set_read_timeout(Some(Duration::from_secs(2))).unwrap());
    let listener = netns::within(one.fd(), || TcpListener::bind(("0.0.0.0", 80))).unwrap().unwrap();
    let port = |container: &Container| Published { protocol: Protocol::Udp, host_ip: None, port: 5300, backends: to(&[container], 53) };
    let mut state = wanted(networks, vec![tcp(8080, None, to(&[&one], 80)), port(&one)]);
    lab::firewall().apply(&state).unwrap();
    assert_eq!(conntrack::open_to(&[(Protocol::Tcp, one.address, 80)]).unwrap(), 0);
    let connection = std::net::TcpStream::connect(("127.0.0.1", 8080)).unwrap();
    let accepted = listener.accept().unwrap();
    assert_eq!(conntrack::open_to(&[(Protocol::Tcp, one.address, 80)]).unwrap(), 1);
    drop((connection, accepted));
    assert_eq!(conntrack::open_to(&[(Protocol::Tcp, one.address, 80)]).unwrap(), 0);

    let asker = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut buffer = [0; 8];
    asker.send_to(b"1", "127.0.0.1:5300").unwrap();
    assert_eq!(sockets[0].recv(&mut buffer).unwrap(), 1);
    state.ports[1] = port(&two);
    lab::firewall().set_backends(&state, Protocol::Udp, 5300).unwrap();
    assert_eq!(conntrack::forget(&[one.address]).unwrap(), 2, "that of UDP, and the one of TCP that has ended");
    asker.send_to(b"22", "127.0.0.1:5300").unwrap();
    assert_eq!(sockets[1].recv(&mut buffer).unwrap(), 2);
}

#[test]
fn forgetting_stale_connections_leaves_those_that_began_from_the_same_ports() {
    const ROUNDS: usize = 20;
    if !lab::enter() {
        return;
    }
    // So few that each connection is from a port that another had a moment ago.
    run("echo 32768 34767 > /proc/sys/net/ipv4/ip_local_port_range");
    let networks = vec![lab::network(1, false, false)];
    let replicas = [Container::on(1, 2, false), Container::on(1, 3, false)];
    replicas.iter().for_each(|it| it.serve(80, "here"));
    let mut state = wanted(networks, vec![tcp(4000, None, to(&[&replicas[0]], 80))]);
    let firewall = lab::firewall();
    firewall.apply(&state).unwrap();
    let (stop, mut forgotten) = (AtomicBool::new(false), 0);
    let failed: usize = std::thread::scope(|scope| {
        let ask_on = || {
            let mut failed = 0;
            let until = Instant::now() + Duration::from_secs(60);
            while !stop.load(Ordering::Relaxed) && Instant::now() < until {
                failed += usize::from(ask(([127, 0, 0, 1], 4000)).is_none());
            }
            failed
        };
        let asking = [scope.spawn(ask_on), scope.spawn(ask_on)];
        for round in 1..=ROUNDS {
            std::thread::sleep(Duration::from_millis(100));
            state.ports[0].backends = to(&[&replicas[round % 2]], 80);
            firewall.set_backends(&state, Protocol::Tcp, 4000).unwrap();
            let gone = &replicas[(round + 1) % 2];
            assert!(conntrack::wait_for_none(&[(Protocol::Tcp, gone.address, 80)], Instant::now() + Duration::from_secs(5)).unwrap());
            forgotten += conntrack::forget(&[gone.address]).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        asking.into_iter().map(|it| it.join().unwrap()).sum()
    });
    assert_eq!(failed, 0);
    assert!(forgotten > 10 * ROUNDS, "{forgotten}");
}

#[test]
fn a_port_is_held_and_its_holder_named() {
    if !lab::enter() {
        return;
    }
    let request = |published| PortRequest { protocol: Protocol::Tcp, host_ip: None, published };
    let held = hold(&request(Some((8080, 8080))), &[]).unwrap();
    assert_eq!(held.sockets.len(), 2);
    let error = hold(&request(Some((8080, 8080))), &[]).unwrap_err().to_string();
    let wanted = "port 8080/tcp of 0.0.0.0 is taken by network-";
    // Or a child that another test is just starting, and that has the sockets until it runs its program.
    assert!(error.starts_with(wanted) && error.contains("(pid "), "{error}");
    assert_eq!(hold(&request(Some((8080, 8082))), &[8081]).unwrap().port, 8082);
    let _rest = hold(&request(Some((8081, 8081))), &[]).unwrap();
    let error = hold(&request(Some((8080, 8081))), &[]).unwrap_err().to_string();
    assert_eq!(error, "no port of 8080-8081/tcp is free on 0.0.0.0: 2 taken");
    let any = [hold(&request(None), &[]).unwrap(), hold(&request(None), &[]).unwrap()];
    assert!(any[0].port > 1023 && any[0].port != any[1].port);
    drop(held);
    hold(&request(Some((8080, 8080))), &[]).unwrap();
    let request = PortRequest { host_ip: Some(IpAddr::from([10, 99, 99, 99])), ..request(None) };
    let error = hold(&request, &[]).unwrap_err().to_string();
    assert_eq!(error, "10.99.99.99 is no address of this machine, so no port of it can be published");
    for protocol in [Protocol::Udp, Protocol::Sctp] {
        let request = PortRequest { protocol, host_ip: Some(IpAddr::V6(Ipv6Addr::LOCALHOST)), published: Some((53, 53)) };
        hold(&request, &[]).unwrap();
    }
}

#[test]
fn a_port_is_free_again_right_after_connections_to_it() {
    if !lab::enter() {
        return;
    }
    let listener = TcpListener::bind("0.0.0.0:8080").unwrap();
    let connection = std::net::TcpStream::connect("127.0.0.1:8080").unwrap();
    drop(listener.accept().unwrap());
    drop((connection, listener));
    let request = PortRequest { protocol: Protocol::Tcp, host_ip: None, published: Some((8080, 8080)) };
    let held = hold(&request, &[]).unwrap();
    assert!(hold(&request, &[]).is_err());
    drop(held);
}

#[test]
fn dockers_wall_is_passed_while_the_network_is_there() {
    if !lab::enter() {
        return;
    }
    let networks = vec![lab::network(1, false, false)];
    let (web, outside) = (Container::on(1, 2, false), outside());
    web.serve(80, "web");
    lab::firewall().apply(&wanted(networks, vec![tcp(8080, None, to(&[&web], 80))])).unwrap();
    let bridges = [bridge_name(1)];
    assert_eq!(docker::accept(&lab::firewall(), &bridges).unwrap(), 0, "no docker, no rule");
    run(
        "iptables-nft -N DOCKER-USER; iptables-nft -A DOCKER-USER -j RETURN; iptables-nft -I FORWARD -j DOCKER-USER; iptables-nft -P FORWARD DROP",
    );
    let before = run("iptables-nft -S");
    assert_eq!(outside.ask((IpAddr::from(HOST), 8080)), None);
    assert_eq!(docker::accept(&lab::firewall(), &bridges).unwrap(), 2);
    assert_eq!(docker::accept(&lab::firewall(), &bridges).unwrap(), 0);
    assert!(outside.ask((IpAddr::from(HOST), 8080)).is_some());
    assert_eq!(docker::list(&lab::firewall()).unwrap().len(), 2);
    let rules = run("iptables-nft -S DOCKER-USER");
    let name = &bridges[0];
    for rule in [format!("-A DOCKER-USER -i {name} "), format!("-A DOCKER-USER -o {name} ")] {
        assert!(rules.contains(&rule), "{rules}");
    }
    assert_eq!(host::findings().unwrap(), [host::Finding::NotForwarding { family: rcompose_network::rules::Family::Ipv6 }]);
    docker::forget(&lab::firewall(), &bridges).unwrap();
    docker::forget(&lab::firewall(), &bridges).unwrap();
    assert_eq!(run("iptables-nft -S"), before);
}

#[test]
fn walls_of_others_are_found() {
    if !lab::enter() {
        return;
    }
    let found = || -> Vec<String> { host::findings().unwrap().iter().map(ToString::to_string).collect() };
    assert_eq!(found().len(), 2, "{:?}", found());
    run("nft add table inet mine; nft 'add chain inet mine door { type filter hook forward priority 0; policy drop; }'");
    let all = found();
    assert!(
        all.iter().any(|it| it.starts_with("the chain door of the table inet mine drops what is forwarded")),
        "{all:?}"
    );
    run(
        "nft flush ruleset; nft add table inet firewalld; nft 'add chain inet firewalld f { type filter hook forward priority 10; policy drop; }'",
    );
    assert!(found().iter().any(|it| it.starts_with("firewalld ")));
    run("nft flush ruleset; iptables-nft -N ufw-user-forward; iptables-nft -P FORWARD DROP");
    let all = found();
    assert!(all.iter().any(|it| it.starts_with("ufw ")) && all.len() == 3, "{all:?}");
}

//! What things cost. `cargo test --release -p rcompose-network -- --ignored --nocapture` prints it; nothing here is judged but by ratios.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rcompose_network::dns::{Client, Listen, Server, Zone, open};
use rcompose_network::rules::{Backend, Published, Wanted};
use rcompose_network::{Protocol, bridge, census, endpoint, netns};

use crate::lab::{self, Container, PROJECT, bridge_of, endpoint_of, run};

/// The median of what some tries of something took, in milliseconds.
fn median(tries: u8, mut work: impl FnMut(u8)) -> f64 {
    let mut times: Vec<f64> = (0..tries)
        .map(|number| {
            let start = Instant::now();
            work(number);
            start.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

#[expect(clippy::print_stdout, reason = "figures are printed")]
fn print(what: &str, figure: f64, unit: &str) {
    println!("{what:<60} {figure:>9.2} {unit}");
}

#[test]
#[ignore = "prints figures"]
fn what_a_project_costs() {
    if !lab::enter() {
        return;
    }
    print("a network", median(20, |it| drop(bridge::ensure(&bridge_of(it + 1, false, false)).unwrap())), "ms");
    print("a network with IPv6", median(20, |it| drop(bridge::ensure(&bridge_of(it + 101, true, false)).unwrap())), "ms");
    let mut namespaces = Vec::new();
    print("a namespace", median(60, |_| namespaces.push(netns::anonymous().unwrap())), "ms");
    let attach = |it: u8, ipv6| {
        let network = if ipv6 { 101 } else { 1 };
        let wanted = endpoint_of(&it.to_string(), network, it + 2, ipv6);
        endpoint::attach(&namespaces[usize::from(it)], &wanted).unwrap();
    };
    print("a container attached", median(30, |it| attach(it, false)), "ms");
    print("a container attached with IPv6", median(30, |it| attach(it + 30, true)), "ms");
    print("work in another namespace", median(100, |_| netns::within(namespaces[0].as_fd(), || ()).unwrap()), "ms");
    print(
        "a name server's sockets",
        median(30, |it| drop(open(namespaces[usize::from(it)].as_fd(), Listen::Plain).unwrap())),
        "ms",
    );
    print(
        "… redirected",
        median(30, |it| drop(open(namespaces[usize::from(it)].as_fd(), Listen::Redirected).unwrap())),
        "ms",
    );
    let (firewall, mut wanted) = (lab::firewall(), rules(30));
    let fresh = |_| {
        firewall.remove(PROJECT).unwrap();
        firewall.apply(&wanted).unwrap();
    };
    print("rules of 30 published ports, removed and made", median(20, fresh), "ms");
    print("… when they are there already", median(20, |_| firewall.apply(&wanted).unwrap()), "ms");
    let more = [rules(29), rules(30)];
    print("… when one is more or less", median(20, |it| firewall.apply(&more[usize::from(it % 2)]).unwrap()), "ms");
    let text: String = rcompose_network::rules::tables(&wanted).iter().map(ToString::to_string).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.nft");
    std::fs::write(&file, format!("table ip rcompose-lab\ndelete table ip rcompose-lab\n{text}")).unwrap();
    print("… by the program nft", median(20, |_| drop(run(&format!("nft -f {}", file.display())))), "ms");
    let change = |it: u8| {
        wanted.ports[0].backends[0].weight = u16::from(it % 2);
        firewall.set_backends(&wanted, Protocol::Tcp, 8000).unwrap();
    };
    print("a change of backends", median(40, change), "ms");
    let others: Vec<_> = bridge::list()
        .unwrap()
        .into_iter()
        .filter(|it| !matches!(it.alias.as_str(), "rcompose lab 1" | "rcompose lab 101"))
        .collect();
    print("a bridge removed", median(20, |it| bridge::remove(&others[usize::from(it)].name).unwrap()), "ms");
    let start = Instant::now();
    assert!(census::remove_all(&lab::firewall(), PROJECT).is_empty());
    print("all of it removed, with 60 containers", start.elapsed().as_secs_f64() * 1000.0, "ms");
}

fn rules(ports: u16) -> Wanted {
    let network = lab::network(1, false, false);
    let backend = |last| Backend { address: IpAddr::from([172, 18, 1, last]), port: 80, weight: 1 };
    let port = |number| Published { protocol: Protocol::Tcp, host_ip: None, port: 8000 + number, backends: vec![backend(2), backend(3)] };
    Wanted { project: PROJECT.to_owned(), networks: vec![network], ports: (0..ports).map(port).collect() }
}

#[test]
#[ignore = "prints figures"]
fn how_many_questions_are_answered() {
    if !lab::enter() {
        return;
    }
    lab::network(1, false, false);
    let container = Container::on(1, 2, false);
    let mut zone = Zone::default();
    for number in 0..100 {
        zone.add("n", &[&format!("p-web-{number}"), &format!("web-{number}")], &[IpAddr::from([172, 18, 1, number])]);
    }
    let mut server = Server::new().unwrap();
    server.set_zone(zone);
    let client = Client { networks: vec!["n".to_owned()], ..Client::default() };
    server.add("c", client, open(container.fd(), Listen::Plain).unwrap()).unwrap();
    std::thread::spawn(move || {
        let start = Instant::now();
        loop {
            lab::wait(&server, Duration::from_secs(1));
            server.turn(start.elapsed()).unwrap();
        }
    });
    let socket = netns::within(container.fd(), || UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
    socket.connect("127.0.0.11:53").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x06web-42\0\0\x01\0\x01";
    let (rounds, at_once) = (3000, 32);
    let (start, mut buffer) = (Instant::now(), [0; 512]);
    for _ in 0..rounds {
        for _ in 0..at_once {
            socket.send(question).unwrap();
        }
        for _ in 0..at_once {
            socket.recv(&mut buffer).unwrap();
        }
    }
    print("questions answered, by one thread", f64::from(rounds * at_once) / start.elapsed().as_secs_f64(), "1/s");
}

#[test]
#[ignore = "prints figures"]
fn how_much_goes_through_a_published_port() {
    const BYTES: usize = 1 << 27;
    if !lab::enter() {
        return;
    }
    let network = lab::network(1, false, false);
    let container = Container::on(1, 2, false);
    let listener = netns::within(container.fd(), || std::net::TcpListener::bind("0.0.0.0:80").unwrap()).unwrap();
    std::thread::spawn(move || {
        let piece = vec![7; 128 << 10];
        for mut connection in listener.incoming().flatten() {
            (0..BYTES / piece.len()).for_each(|_| drop(connection.write_all(&piece)));
        }
    });
    let backends = vec![Backend { address: container.address, port: 80, weight: 1 }];
    let ports = vec![Published { protocol: Protocol::Tcp, host_ip: None, port: 8080, backends }];
    lab::firewall()
        .apply(&Wanted { project: PROJECT.to_owned(), networks: vec![network], ports })
        .unwrap();
    let rate = |to: SocketAddr| {
        let (start, mut connection, mut piece) = (Instant::now(), TcpStream::connect(to).unwrap(), vec![0; 128 << 10]);
        let mut total = 0;
        while total < BYTES {
            total += connection.read(&mut piece).unwrap();
        }
        8.0 / start.elapsed().as_secs_f64() * f64::from(u32::try_from(BYTES >> 20).unwrap()) / 1024.0
    };
    let (direct, published) = (SocketAddr::new(container.address, 80), SocketAddr::from(([127, 0, 0, 1], 8080)));
    // Alternated, since others use this machine too.
    let (mut plain, mut through): (Vec<f64>, Vec<f64>) = (0..41).map(|_| (rate(direct), rate(published))).unzip();
    plain.sort_by(f64::total_cmp);
    through.sort_by(f64::total_cmp);
    print("to the container's address, median of 41", plain[20], "Gbit/s");
    print("through a published port at 127.0.0.1", through[20], "Gbit/s");
    print("ratio of medians", through[20] / plain[20], "");
    print("ratio of the best", through[40] / plain[40], "");
}

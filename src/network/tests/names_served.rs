//! The name server: questions by tables, hostile bytes by properties, and the C library of this machine as a client.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rcompose_network::dns::{Client, Listen, Outcome, Query, Server, Transport, Zone, answer, open};
use rcompose_network::netns;

use crate::lab::{self, run};

const A: u16 = 1;
const MX: u16 = 15;
const PTR: u16 = 12;
const AAAA: u16 = 28;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn question(name: &str, kind: u16) -> Vec<u8> {
    let mut bytes = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.').filter(|it| !it.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    bytes
}

fn with_edns(mut question: Vec<u8>, size: u16) -> Vec<u8> {
    question[11] = 1;
    question.extend([0, 0, 41]);
    question.extend(size.to_be_bytes());
    question.extend([0; 6]);
    question
}

fn zone() -> Zone {
    let mut zone = Zone::default();
    zone.add("p_front", &["p-web-1", "web", "www.example"], &[ip("172.18.1.2"), ip("fd00::2")]);
    zone.add("p_front", &["p-web-2", "web"], &[ip("172.18.1.3")]);
    zone.add("p_front", &["p-api-1", "api"], &[ip("172.18.1.4")]);
    zone.add("p_back", &["p-db-1", "db", "Web"], &[ip("172.18.2.5")]);
    zone
}

fn client(networks: &[&str], upstreams: &[SocketAddr]) -> Client {
    Client {
        networks: networks.iter().map(|it| (*it).to_owned()).collect(),
        links: [("database".to_owned(), "api".to_owned())].into(),
        upstreams: upstreams.to_vec(),
    }
}

/// The code and the data of an answer's records, or what else happened.
fn told(outcome: Outcome) -> String {
    let reply = match outcome {
        Outcome::Reply(reply) => reply,
        Outcome::Forward(query) => return format!("forward {}", query.name.unwrap_or_default()),
        Outcome::Ignore => return "ignore".to_owned(),
    };
    assert_eq!(reply[..2], [0xab, 0xcd]);
    let count = usize::from(reply[7]);
    let mut at = 12 + reply[12..].iter().position(|it| *it == 0).unwrap() + 5;
    let mut text = format!("{}{}", reply[3] & 15, if reply[2] & 2 != 0 { " truncated" } else { "" });
    for _ in 0..count {
        let length = usize::from(u16::from_be_bytes([reply[at + 10], reply[at + 11]]));
        assert_eq!(reply[at + 6..at + 10], [0; 4], "time to live");
        let data = &reply[at + 12..at + 12 + length];
        text += &match length {
            4 => format!(" {}", IpAddr::from(<[u8; 4]>::try_from(data).unwrap())),
            16 => format!(" {}", IpAddr::from(<[u8; 16]>::try_from(data).unwrap())),
            _ => format!(" {}", String::from_utf8_lossy(data).replace(|it: char| it.is_control(), ".")),
        };
        at += 12 + length;
    }
    text
}

#[test]
fn names_are_those_of_the_askers_networks() {
    let upstream = [SocketAddr::from(([10, 0, 0, 53], 53))];
    let (front, both, closed) = (client(&["p_front"], &upstream), client(&["p_back", "p_front"], &upstream), client(&["p_front"], &[]));
    for (who, name, kind, wanted) in [
        (&front, "api", A, "0 172.18.1.4"),
        (&front, "API.", A, "0 172.18.1.4"),
        (&front, "p-api-1", A, "0 172.18.1.4"),
        (&front, "api.p_front", A, "0 172.18.1.4"),
        (&front, "api.p_back", A, "forward api.p_back"),
        (&front, "www.example", AAAA, "0 fd00::2"),
        (&front, "database", A, "0 172.18.1.4"),
        (&front, "api", AAAA, "0"),
        (&front, "api", MX, "0"),
        (&front, "db", A, "forward db"),
        (&front, "p-db-1", A, "forward p-db-1"),
        (&front, "example.org", A, "forward example.org"),
        (&both, "db", A, "0 172.18.2.5"),
        (&both, "web", A, "0 172.18.2.5"),
        (&closed, "example.org", A, "3"),
        (&closed, "api", A, "0 172.18.1.4"),
        (&front, "4.1.18.172.in-addr.arpa", PTR, "0 .p-api-1.p_front."),
        (&front, "4.1.18.172.in-addr.arpa", A, "0"),
        (&front, "5.2.18.172.in-addr.arpa", PTR, "forward 5.2.18.172.in-addr.arpa"),
        (&front, "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", PTR, "0 .p-web-1.p_front."),
    ] {
        assert_eq!(told(answer(&zone(), who, &question(name, kind), Transport::Udp, 0)), wanted, "{name} {kind}");
    }
    let kept = serde_json::to_string(&zone()).unwrap();
    assert_eq!(serde_json::from_str::<Zone>(&kept).unwrap(), zone());
    let turns = [0, 1, 2].map(|turn| told(answer(&zone(), &front, &question("web", A), Transport::Udp, turn)));
    assert_eq!(turns, ["0 172.18.1.2 172.18.1.3", "0 172.18.1.3 172.18.1.2", "0 172.18.1.2 172.18.1.3"]);
}

#[test]
fn answers_fit_what_the_asker_takes() {
    let mut zone = Zone::default();
    let many: Vec<IpAddr> = (0..200).map(|last| IpAddr::from([10, 0, 0, last])).collect();
    zone.add("n", &["many"], &many);
    let who = client(&["n"], &[]);
    let size = |bytes: &[u8], transport| match answer(&zone, &who, bytes, transport, 0) {
        Outcome::Reply(reply) => (reply.len(), reply[2] & 2 != 0, reply[7]),
        other => panic!("{other:?}"),
    };
    let plain = question("many", A);
    assert_eq!(size(&plain, Transport::Udp), (502, true, 30));
    assert_eq!(size(&with_edns(plain.clone(), 1232), Transport::Udp), (1217, true, 74));
    assert_eq!(size(&with_edns(plain.clone(), 100), Transport::Udp), (497, true, 29));
    assert_eq!(size(&plain, Transport::Tcp), (3222, false, 200));
}

#[test]
fn what_is_no_question_is_told_so_or_ignored() {
    let who = client(&["p_front"], &[]);
    let tell = |bytes: &[u8]| match answer(&zone(), &who, bytes, Transport::Udp, 0) {
        Outcome::Reply(reply) => format!("{} {}", reply.len(), reply[3] & 15),
        Outcome::Forward(_) => "forward".to_owned(),
        Outcome::Ignore => "ignore".to_owned(),
    };
    let good = question("api", A);
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        bytes
    };
    assert_eq!(tell(&good[..11]), "ignore");
    assert_eq!(tell(&changed(2, 0x81)), "ignore", "an answer");
    assert_eq!(tell(&changed(2, 0x29)), "12 4", "an update");
    assert_eq!(tell(&changed(5, 2)), "12 1", "two questions");
    assert_eq!(tell(&changed(5, 0)), "12 1", "no question");
    assert_eq!(tell(&changed(12, 0xc0)), "12 1", "a name that refers to nothing");
    assert_eq!(tell(&changed(12, 60)), "12 1", "a label behind the end");
    assert_eq!(tell(&changed(11, 1)), "12 1", "a record that is not there");
}

proptest! {
    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0_usize..40, flip in any::<u8>()) {
        let who = client(&["p_front"], &[]);
        let _ = answer(&zone(), &who, &bytes, Transport::Udp, 7);
        let mut near = with_edns(question("www.example", A), 1232);
        let at = cut % near.len();
        near[at] ^= flip;
        let _ = answer(&zone(), &who, &near, Transport::Tcp, 7);
        let _ = answer(&zone(), &who, &near[..at], Transport::Udp, 7);
    }

    #[test]
    fn a_question_is_read_as_it_was_written(labels in prop::collection::vec("[a-zA-Z0-9_-]{1,63}", 0..4), kind in any::<u16>()) {
        let name = labels.join(".");
        prop_assume!(name.len() < 250);
        let query = Query::parse(&question(&name, kind)).unwrap();
        prop_assert_eq!((query.name, query.kind, query.class), (Some(name.to_lowercase()), kind, 1));
    }
}

/// A server that is driven by a thread.
struct Running {
    server: Arc<Mutex<Server>>,
    stop: Arc<AtomicBool>,
}

impl Running {
    fn new(server: Server) -> Self {
        let (server, stop) = (Arc::new(Mutex::new(server)), Arc::new(AtomicBool::new(false)));
        let (driven, stopped, start) = (Arc::clone(&server), Arc::clone(&stop), Instant::now());
        std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let fd = driven.lock().unwrap().as_fd().try_clone_to_owned().unwrap();
                lab::wait(&fd, Duration::from_millis(20));
                driven.lock().unwrap().turn(start.elapsed()).unwrap();
            }
        });
        Self { server, stop }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Another server: it answers with an address of its own, but not always at once and not always the truth.
fn upstream() -> SocketAddr {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = udp.local_addr().unwrap();
    let tcp = TcpListener::bind(address).unwrap();
    let reply = |question: &[u8], last: u8| {
        let mut bytes = question.to_vec();
        (bytes[2], bytes[7]) = (0x81, 1);
        bytes.truncate(12 + bytes[12..].iter().position(|it| *it == 0).unwrap() + 5);
        bytes[8..12].fill(0);
        bytes.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 9, 9, 9, last]);
        bytes
    };
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = udp.recv_from(&mut buffer) {
            let asked = &buffer[..length];
            let text = String::from_utf8_lossy(asked).to_lowercase();
            if text.contains("silent") {
                continue;
            }
            if text.contains("forged") {
                // Somebody else, another number, another question: none may be believed.
                UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&reply(asked, 66), from).unwrap();
                let mut other = reply(asked, 66);
                other[0] ^= 1;
                udp.send_to(&other, from).unwrap();
                let mut evil = question("evil.example.org", A);
                evil[..2].copy_from_slice(&asked[..2]);
                udp.send_to(&reply(&evil, 66), from).unwrap();
            }
            let mut answer = reply(asked, 1);
            if text.contains("large") {
                answer[2] |= 2;
            }
            udp.send_to(&answer, from).unwrap();
        }
    });
    std::thread::spawn(move || {
        for mut connection in tcp.incoming().flatten() {
            let mut length = [0; 2];
            std::io::Read::read_exact(&mut connection, &mut length).unwrap();
            let mut asked = vec![0; usize::from(u16::from_be_bytes(length))];
            std::io::Read::read_exact(&mut connection, &mut asked).unwrap();
            let answer = reply(&asked, 2);
            std::io::Write::write_all(&mut connection, &u16::try_from(answer.len()).unwrap().to_be_bytes()).unwrap();
            std::io::Write::write_all(&mut connection, &answer).unwrap();
        }
    });
    address
}

fn resolve(container: &lab::Container, name: &str) -> String {
    let command = format!("getent ahostsv4 {name} | grep STREAM | cut -d' ' -f1 | sort | tr '\\n' ' '");
    netns::within(container.fd(), || run(&command)).unwrap().trim().to_owned()
}

#[test]
fn the_c_library_finds_containers_and_the_world() {
    if !lab::enter() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("resolv.conf");
    std::fs::write(&file, "nameserver 127.0.0.11\noptions ndots:0 timeout:5 attempts:1\n").unwrap();
    run(&format!(
        "mount --bind {} /etc/resolv.conf; mount -t tmpfs none /var/run/nscd 2>/dev/null || true",
        file.display()
    ));
    lab::network(1, false, false);
    let containers = [lab::Container::on(1, 2, false), lab::Container::on(1, 3, false)];
    let (dead, live) = (SocketAddr::from(([127, 0, 0, 1], 9)), upstream());
    let mut server = Server::new().unwrap();
    server.set_zone(zone());
    for (container, listen) in containers.iter().zip([Listen::Plain, Listen::Redirected]) {
        let name = container.address.to_string();
        server
            .add(&name, client(&["p_front"], &[dead, live]), open(container.fd(), listen).unwrap())
            .unwrap();
    }
    let running = Running::new(server);
    for container in &containers {
        assert_eq!(resolve(container, "web"), "172.18.1.2 172.18.1.3");
        assert_eq!(resolve(container, "database"), "172.18.1.4");
        assert_eq!(resolve(container, "example.org"), "9.9.9.1");
        assert_eq!(resolve(container, "forged.example.org"), "9.9.9.1");
        assert_eq!(resolve(container, "large.example.org"), "9.9.9.2", "asked again over TCP");
        assert_eq!(resolve(container, "silent.example.org"), "");
    }
    // A container that is a name server itself has the port.
    let own = |container: &lab::Container| netns::within(container.fd(), || UdpSocket::bind(("0.0.0.0", 53)).is_ok()).unwrap();
    assert_eq!(containers.each_ref().map(own), [false, true]);

    let mut changed = Zone::default();
    changed.add("p_front", &["web"], &[ip("172.18.1.9")]);
    running.server.lock().unwrap().set_zone(changed);
    assert_eq!(resolve(&containers[0], "web"), "172.18.1.9", "at once");
    running.server.lock().unwrap().remove("172.18.1.2");
    assert_eq!(running.server.lock().unwrap().clients().collect::<Vec<_>>(), ["172.18.1.3"]);
    assert_eq!(resolve(&containers[0], "web"), "");
}

#[test]
fn a_flood_of_questions_for_others_leaves_those_for_us() {
    if !lab::enter() {
        return;
    }
    lab::network(1, false, false);
    let container = lab::Container::on(1, 2, false);
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut server = Server::new().unwrap();
    server.set_zone(zone());
    let who = client(&["p_front"], &[silent.local_addr().unwrap()]);
    server.add("c", who, open(container.fd(), Listen::Plain).unwrap()).unwrap();
    let running = Running::new(server);
    let socket = netns::within(container.fd(), || UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
    for number in 0..2000 {
        socket.send_to(&question(&format!("n{number}.example"), A), "127.0.0.11:53").unwrap();
    }
    // As a C library does, it asks again if nothing comes: the kernel drops what is too much for a socket.
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut buffer = [0; 512];
    let answered = (0..20).find_map(|_| {
        socket.send_to(&question("api", A), "127.0.0.11:53").unwrap();
        while let Ok(length) = socket.recv(&mut buffer) {
            if buffer[3] & 15 == 0 {
                return Some(buffer[length - 4..length].to_vec());
            }
        }
        None
    });
    assert_eq!(answered.unwrap(), [172, 18, 1, 4]);
    drop(running);
}

//! The proxy: connections to `::1` and datagrams.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rcompose_network::proxy::Proxy;
use rcompose_network::rules::Backend;
use rcompose_network::{PortRequest, Protocol, hold, netns};

use crate::lab::{self, Container};

struct Running {
    proxy: Arc<Mutex<Proxy>>,
    stop: Arc<AtomicBool>,
    turns: Arc<Mutex<usize>>,
}

impl Running {
    fn new(proxy: Proxy) -> Self {
        let (proxy, stop, turns) = (Arc::new(Mutex::new(proxy)), Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(0)));
        let (driven, stopped, counted, start) = (Arc::clone(&proxy), Arc::clone(&stop), Arc::clone(&turns), Instant::now());
        std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let fd = driven.lock().unwrap().as_fd().try_clone_to_owned().unwrap();
                lab::wait(&fd, Duration::from_millis(20));
                driven.lock().unwrap().turn(start.elapsed()).unwrap();
                *counted.lock().unwrap() += 1;
            }
        });
        Self { proxy, stop, turns }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn proxy(protocol: Protocol, port: u16, backends: &[&Container]) -> Running {
    let request = PortRequest { protocol, host_ip: Some(IpAddr::V6(Ipv6Addr::LOCALHOST)), published: Some((port, port)) };
    let held = hold(&request, &[]).unwrap();
    let mut proxy = Proxy::new().unwrap();
    let backends: Vec<Backend> = backends.iter().map(|it| Backend { address: it.address, port: 80, weight: 1 }).collect();
    for (_, socket) in held.sockets {
        proxy.add(protocol, socket, &backends).unwrap();
    }
    Running::new(proxy)
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv6Addr::LOCALHOST, port).into()
}

#[test]
fn connections_are_carried_in_turn_and_whole() {
    if !lab::enter() {
        return;
    }
    lab::network(1, false, false);
    let (one, two) = (Container::on(1, 2, false), Container::on(1, 3, false));
    [(&one, "one"), (&two, "two")].into_iter().for_each(|(it, text)| it.serve(80, text));
    let running = proxy(Protocol::Tcp, 8080, &[&one, &two]);
    let ask = || lab::ask(loopback(8080)).unwrap_or_default();
    assert_eq!([ask(), ask(), ask()], ["one 172.18.1.1", "two 172.18.1.1", "one 172.18.1.1"]);
    running.proxy.lock().unwrap().set_backends(Protocol::Tcp, 8080, &[]);
    assert_eq!(ask(), "", "closed at once");
    assert_eq!(running.proxy.lock().unwrap().carried(), 0);
    running.proxy.lock().unwrap().remove(Protocol::Tcp, 8080);
    assert!(TcpStream::connect_timeout(&loopback(8080), Duration::from_secs(1)).is_err());
}

#[test]
fn much_is_carried_both_ways_and_ends_are_kept_apart() {
    if !lab::enter() {
        return;
    }
    lab::network(1, false, false);
    let one = Container::on(1, 2, false);
    let listener = netns::within(one.fd(), || std::net::TcpListener::bind("0.0.0.0:80").unwrap()).unwrap();
    // The container reads all, and answers only after the end of what it reads.
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let mut all = Vec::new();
            connection.read_to_end(&mut all).unwrap();
            connection.write_all(&all).unwrap();
        }
    });
    let running = proxy(Protocol::Tcp, 8080, &[&one]);
    let sent: Vec<u8> = (0..8_000_000_u32).map(|it| u8::try_from(it % 251).unwrap()).collect();
    let mut connection = TcpStream::connect(loopback(8080)).unwrap();
    connection.write_all(&sent).unwrap();
    connection.shutdown(Shutdown::Write).unwrap();
    let mut back = Vec::new();
    connection.read_to_end(&mut back).unwrap();
    assert!(back == sent);
    // One that goes without a word is let go, and one that idles costs nothing.
    let mut idle = TcpStream::connect(loopback(8080)).unwrap();
    idle.write_all(b"x").unwrap();
    drop(connection);
    std::thread::sleep(Duration::from_millis(200));
    let before = *running.turns.lock().unwrap();
    std::thread::sleep(Duration::from_millis(400));
    let turns = *running.turns.lock().unwrap() - before;
    assert!(turns < 40, "{turns} turns while nothing happens");
    assert_eq!(running.proxy.lock().unwrap().carried(), 1);
    idle.shutdown(Shutdown::Both).unwrap();
}

#[test]
fn datagrams_find_their_way_back() {
    if !lab::enter() {
        return;
    }
    lab::network(1, false, false);
    let one = Container::on(1, 2, false);
    let echo = netns::within(one.fd(), || UdpSocket::bind("0.0.0.0:80").unwrap()).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 65_535];
        while let Ok((length, from)) = echo.recv_from(&mut buffer) {
            echo.send_to(&buffer[..length], from).unwrap();
        }
    });
    let running = proxy(Protocol::Udp, 5300, &[&one]);
    let askers: Vec<UdpSocket> = (0..300).map(|_| UdpSocket::bind("[::1]:0").unwrap()).collect();
    for (number, asker) in askers.iter().enumerate() {
        asker.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let text = number.to_string();
        asker.send_to(text.as_bytes(), loopback(5300)).unwrap();
        let mut buffer = [0; 16];
        let (length, from) = asker.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (text.as_bytes(), loopback(5300)));
    }
    let mut proxy = running.proxy.lock().unwrap();
    assert_eq!(proxy.carried(), 256, "the oldest gave way");
    assert!(proxy.deadline().is_some());
    proxy.remove(Protocol::Udp, 5300);
    assert_eq!(proxy.carried(), 0);
}

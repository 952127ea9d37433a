//! Carries what the kernel's rules cannot: connections to a published port at `::1`, and at other IPv6 addresses to containers without IPv6.
//!
//! [`Proxy`] takes the sockets that hold those ports, and is driven as the name server is: one descriptor to wait for, a deadline, a
//! function to call then. Time is a [`Duration`] since any fixed moment, as the caller counts it.

mod carry;
mod tcp;
mod udp;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::rules::{Backend, Family, slots};
use crate::watch::{Ready, Watch};
use crate::{NetworkError, Protocol, Result};
use tcp::Connection;
use udp::Session;

/// Connections that wait until they are taken.
const BACKLOG: i32 = 128;

/// Carries connections and datagrams from ports of the host to containers.
#[derive(Debug)]
pub struct Proxy {
    watch: Watch,
    ports: BTreeMap<u64, Port>,
    connections: BTreeMap<u64, Connection>,
    sessions: BTreeMap<u64, Session>,
    /// Numbers are never used twice. A connection has two, of which the first is even.
    next: u64,
    /// No connection is taken until another one ends.
    is_full: bool,
}

/// A port that is served.
#[derive(Debug)]
struct Port {
    protocol: Protocol,
    address: SocketAddr,
    socket: Listening,
    /// Where connections go, in turn.
    turns: Vec<(IpAddr, u16)>,
    turn: usize,
}

#[derive(Debug)]
enum Listening {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl Proxy {
    /// Makes a proxy without ports.
    ///
    /// # Errors
    /// When the kernel gives no descriptor.
    pub fn new() -> Result<Self> {
        Ok(Self {
            watch: Watch::new()?,
            ports: BTreeMap::new(),
            connections: BTreeMap::new(),
            sessions: BTreeMap::new(),
            next: 0,
            is_full: false,
        })
    }

    /// Serves a port by a socket that is bound to it, as [`crate::hold`](fn@crate::hold) gives it.
    ///
    /// # Errors
    /// When the socket is not of that protocol, or is not bound. SCTP is carried by rules only.
    pub fn add(&mut self, protocol: Protocol, socket: OwnedFd, backends: &[Backend]) -> Result<SocketAddr> {
        let step = NetworkError::step::<std::io::Error>;
        let socket = match protocol {
            Protocol::Tcp => {
                rustix::net::listen(&socket, BACKLOG).map_err(NetworkError::step("listen on a published port"))?;
                let listener = TcpListener::from(socket);
                listener.set_nonblocking(true).map_err(step("listen on a published port"))?;
                Listening::Tcp(listener)
            }
            Protocol::Udp => {
                let socket = UdpSocket::from(socket);
                socket.set_nonblocking(true).map_err(step("take datagrams of a published port"))?;
                Listening::Udp(socket)
            }
            Protocol::Sctp => {
                let source = std::io::Error::from(std::io::ErrorKind::Unsupported);
                return Err(step("carry SCTP by a proxy")(source));
            }
        };
        let address = socket.address().map_err(step("ask for the address of a published port"))?;
        let number = self.number();
        self.watch.add(socket.as_fd(), number, Ready::IN)?;
        self.ports.insert(number, Port { protocol, address, socket, turns: turns(backends), turn: 0 });
        Ok(address)
    }

    /// Changes where new connections to a port go; those that are open stay.
    pub fn set_backends(&mut self, protocol: Protocol, port: u16, backends: &[Backend]) {
        for known in self.ports.values_mut().filter(|it| it.protocol == protocol && it.address.port() == port) {
            known.turns = turns(backends);
        }
    }

    /// Gives up a port. Connections that are open stay until their ends close them.
    pub fn remove(&mut self, protocol: Protocol, port: u16) {
        let of_port = |it: &Port| it.protocol == protocol && it.address.port() == port;
        let gone: Vec<u64> = self.ports.iter().filter(|(_, it)| of_port(it)).map(|(number, _)| *number).collect();
        for number in gone {
            if let Some(port) = self.ports.remove(&number) {
                self.watch.remove(port.socket.as_fd());
            }
            self.end_sessions_of(number);
        }
    }

    /// Connections and askers that are being carried.
    pub fn carried(&self) -> usize {
        self.connections.len() + self.sessions.len()
    }

    /// When [`Proxy::turn`] has to be called although nothing is ready.
    pub fn deadline(&self) -> Option<Duration> {
        let connecting = self.connections.values().filter_map(|it| it.deadline);
        connecting.chain(self.sessions.values().map(|it| it.deadline)).min()
    }

    /// Does what there is to do, and never waits. Call it when the descriptor is ready or the deadline has come.
    ///
    /// # Errors
    /// When the kernel cannot tell what is ready. What goes wrong with one connection ends that one.
    pub fn turn(&mut self, now: Duration) -> Result<()> {
        for (number, ready) in self.watch.ready()? {
            match self.ports.get(&number).map(|it| it.protocol) {
                Some(Protocol::Udp) => self.datagrams(number, now),
                Some(Protocol::Tcp | Protocol::Sctp) => self.accept(number, now),
                None if self.sessions.contains_key(&number) => self.answered(number, now),
                None => self.connection_ready(number & !1, ready),
            }
        }
        self.expire(now);
        Ok(())
    }

    fn expire(&mut self, now: Duration) {
        let late = |deadline: Option<Duration>| deadline.is_some_and(|it| it <= now);
        let connections: Vec<u64> = self.connections.iter().filter(|(_, it)| late(it.deadline)).map(|(number, _)| *number).collect();
        connections.into_iter().for_each(|number| self.end(number));
        let sessions: Vec<u64> = self.sessions.iter().filter(|(_, it)| late(Some(it.deadline))).map(|(number, _)| *number).collect();
        sessions.into_iter().for_each(|number| self.end_session(number));
    }

    fn number(&mut self) -> u64 {
        self.next += 2;
        self.next
    }
}

impl Port {
    /// Where the next one goes.
    fn next(&mut self) -> Option<SocketAddr> {
        let turn = self.turn.checked_rem(self.turns.len())?;
        self.turn = turn + 1;
        self.turns.get(turn).map(|(address, port)| SocketAddr::new(*address, *port))
    }
}

impl Listening {
    fn address(&self) -> std::io::Result<SocketAddr> {
        match self {
            Self::Tcp(it) => it.local_addr(),
            Self::Udp(it) => it.local_addr(),
        }
    }
}

impl AsFd for Listening {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(it) => it.as_fd(),
            Self::Udp(it) => it.as_fd(),
        }
    }
}

impl AsFd for Proxy {
    /// Ready when there is something to do.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }
}

/// IPv4 first: every container has it but those of networks without.
fn turns(backends: &[Backend]) -> Vec<(IpAddr, u16)> {
    let ipv4 = slots(backends, Family::Ipv4);
    if ipv4.is_empty() { slots(backends, Family::Ipv6) } else { ipv4 }
}

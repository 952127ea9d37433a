//! The sockets of all containers' name servers, as one descriptor to wait for.
//!
//! Time is a [`Duration`] since any fixed moment, as the caller counts it.

mod forward;
mod stream;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::Result;
use crate::dns::{Client, Outcome, Sockets, Transport, Zone, answer};
use crate::watch::{Ready, Watch};
use forward::Asked;
use stream::Stream;

/// Largest message over a connection, and largest answer.
const LARGEST: usize = 65_535;
/// Largest question over UDP: far more than a name takes, and no more of the stack than needed.
const QUESTION: usize = 4096;
/// Datagrams taken from one container before others have their turn.
const AT_ONCE: usize = 64;

/// Answers the questions of a project's containers.
#[derive(Debug)]
pub struct Server {
    watch: Watch,
    zone: Zone,
    clients: BTreeMap<String, Client>,
    sources: BTreeMap<u64, Source>,
    /// Numbers for sources are never used twice, so an event for one that is gone finds nothing.
    next: u64,
    turn: usize,
}

/// What a socket is for.
#[derive(Debug)]
enum Source {
    /// Datagrams of a container.
    Datagrams { client: String, socket: UdpSocket },
    /// Connections of a container.
    Connections { client: String, listener: TcpListener },
    /// One of these connections.
    Stream(Stream),
    /// A question to another server.
    Asked(Box<Asked>),
}

/// Where an answer goes.
#[derive(Debug, Clone, Copy)]
enum Asker {
    /// To an address, by the socket of this number.
    Datagram(u64, SocketAddr),
    /// By the connection of this number.
    Stream(u64),
}

impl Server {
    /// Makes a server without containers, which knows no name.
    ///
    /// # Errors
    /// When the kernel gives no descriptor.
    pub fn new() -> Result<Self> {
        Ok(Self {
            watch: Watch::new()?,
            zone: Zone::default(),
            clients: BTreeMap::new(),
            sources: BTreeMap::new(),
            next: 0,
            turn: 0,
        })
    }

    /// Replaces all names at once.
    pub fn set_zone(&mut self, zone: Zone) {
        self.zone = zone;
    }

    /// Adds a container with the sockets of its namespace, in place of one of that name.
    ///
    /// # Errors
    /// When the kernel refuses to watch them.
    pub fn add(&mut self, name: &str, client: Client, sockets: Sockets) -> Result<()> {
        self.remove(name);
        let (socket, listener) = (UdpSocket::from(sockets.udp), TcpListener::from(sockets.tcp));
        self.insert(Source::Datagrams { client: name.to_owned(), socket }, Ready::IN)?;
        self.insert(Source::Connections { client: name.to_owned(), listener }, Ready::IN)?;
        self.clients.insert(name.to_owned(), client);
        Ok(())
    }

    /// Changes what a container is told, as when it joins a network. Its sockets stay.
    pub fn change(&mut self, name: &str, client: Client) {
        if let Some(known) = self.clients.get_mut(name) {
            *known = client;
        }
    }

    /// Removes a container and closes its sockets.
    pub fn remove(&mut self, name: &str) {
        self.clients.remove(name);
        let of_client = |source: &Source| match source {
            Source::Datagrams { client, .. } | Source::Connections { client, .. } => client == name,
            Source::Stream(stream) => stream.client == name,
            Source::Asked(_) => false,
        };
        let gone: Vec<u64> = self.sources.iter().filter(|(_, source)| of_client(source)).map(|(number, _)| *number).collect();
        gone.into_iter().for_each(|number| self.drop_source(number));
    }

    /// The containers that are answered.
    pub fn clients(&self) -> impl Iterator<Item = &str> {
        self.clients.keys().map(String::as_str)
    }

    /// When [`Server::turn`] has to be called although nothing is ready.
    pub fn deadline(&self) -> Option<Duration> {
        let of = |source: &Source| match source {
            Source::Stream(stream) => Some(stream.deadline),
            Source::Asked(asked) => Some(asked.deadline),
            Source::Datagrams { .. } | Source::Connections { .. } => None,
        };
        self.sources.values().filter_map(of).min()
    }

    /// Does what there is to do, and never waits. Call it when the descriptor is ready or the deadline has come.
    ///
    /// # Errors
    /// When the kernel cannot tell what is ready. What goes wrong with one question is answered as such.
    pub fn turn(&mut self, now: Duration) -> Result<()> {
        for (number, ready) in self.watch.ready()? {
            self.serve(number, ready, now);
        }
        self.expire(now);
        Ok(())
    }

    fn serve(&mut self, number: u64, ready: Ready, now: Duration) {
        match self.sources.get(&number) {
            Some(Source::Datagrams { .. }) => self.datagrams(number, now),
            Some(Source::Connections { .. }) => self.accept(number, now),
            Some(Source::Stream(_)) => self.stream_ready(number, now),
            Some(Source::Asked(_)) => self.asked_ready(number, ready, now),
            None => {}
        }
    }

    fn datagrams(&mut self, number: u64, now: Duration) {
        let mut buffer = [0; QUESTION];
        for _ in 0..AT_ONCE {
            let Some(Source::Datagrams { client, socket }) = self.sources.get(&number) else {
                return;
            };
            let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                return;
            };
            let Some(known) = self.clients.get(client) else { return };
            self.turn = self.turn.wrapping_add(1);
            let asker = Asker::Datagram(number, from);
            match answer(&self.zone, known, &buffer[..length], Transport::Udp, self.turn) {
                Outcome::Reply(reply) => self.reply(asker, &reply, now),
                Outcome::Forward(query) => {
                    let upstreams = known.upstreams.clone();
                    self.forward(asker, query, buffer[..length].to_vec(), upstreams, now);
                }
                Outcome::Ignore => {}
            }
        }
    }

    /// Sends an answer. An asker that is gone, or takes nothing, asks again or does without.
    fn reply(&mut self, asker: Asker, reply: &[u8], now: Duration) {
        match asker {
            Asker::Datagram(number, to) => {
                if let Some(Source::Datagrams { socket, .. }) = self.sources.get(&number) {
                    let _ = socket.send_to(reply, to);
                }
            }
            Asker::Stream(number) => self.stream_reply(number, reply, now),
        }
    }

    fn expire(&mut self, now: Duration) {
        let late = |source: &Source| match source {
            Source::Stream(stream) => stream.deadline <= now,
            Source::Asked(asked) => asked.deadline <= now,
            Source::Datagrams { .. } | Source::Connections { .. } => false,
        };
        let late: Vec<u64> = self.sources.iter().filter(|(_, source)| late(source)).map(|(number, _)| *number).collect();
        for number in late {
            match self.sources.get(&number) {
                Some(Source::Asked(_)) => self.ask_next(number, now),
                Some(_) => self.drop_source(number),
                None => {}
            }
        }
    }

    fn insert(&mut self, source: Source, wanted: Ready) -> Result<u64> {
        let number = self.next;
        self.next += 1;
        self.watch.add(source.as_fd(), number, wanted)?;
        self.sources.insert(number, source);
        Ok(number)
    }

    fn drop_source(&mut self, number: u64) {
        if let Some(source) = self.sources.remove(&number) {
            self.watch.remove(source.as_fd());
        }
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Datagrams { socket, .. } => socket.as_fd(),
            Self::Connections { listener, .. } => listener.as_fd(),
            Self::Stream(stream) => stream.socket.as_fd(),
            Self::Asked(asked) => asked.socket.as_fd(),
        }
    }
}

impl AsFd for Server {
    /// Ready when there is something to do.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }
}

//! Questions that others are asked, from the namespace that this process is in.
//!
//! Nobody who does not see the question can answer in the other's place: each is asked from a socket of its own, which is connected, so that
//! the kernel chose a random port and takes datagrams from that server only, with a random number; and the answer must repeat the question.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::connecting::connect;
use crate::dns::Query;
use crate::dns::answer::failure;
use crate::dns::message;
use crate::dns::server::stream::framed;
use crate::dns::server::{Asker, LARGEST, Server, Source};
use crate::watch::Ready;

/// Questions that wait for another server, of all containers; each has a descriptor. The oldest gives way.
const MOST: usize = 256;
/// How long one server is waited for. C libraries ask again after 5 s, and this is tried a few times before that.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How often others are asked, in turn.
const TRIES: usize = 3;

/// A question to another server.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) socket: Way,
    pub(super) deadline: Duration,
    asker: Asker,
    query: Query,
    /// The message as it came.
    message: Vec<u8>,
    /// Our number for it.
    id: u16,
    upstreams: Vec<SocketAddr>,
    tries: usize,
}

/// How it is asked: as it came.
#[derive(Debug)]
pub(super) enum Way {
    Datagram(UdpSocket),
    Stream { socket: TcpStream, write: Vec<u8>, read: Vec<u8> },
}

/// What came of waiting.
enum Heard {
    Nothing,
    Failed,
    Answer(Vec<u8>),
}

impl Server {
    pub(super) fn forward(&mut self, asker: Asker, query: Query, message: Vec<u8>, upstreams: Vec<SocketAddr>, now: Duration) {
        self.make_room(now);
        self.ask(asker, query, message, upstreams, 0, now);
    }

    fn ask(&mut self, asker: Asker, query: Query, mut message: Vec<u8>, upstreams: Vec<SocketAddr>, mut tries: usize, now: Duration) {
        // Twice round where there is one, once where there are more.
        while tries < TRIES.max(upstreams.len()) {
            let Some(upstream) = upstreams.get(tries % upstreams.len().max(1)).copied() else {
                break;
            };
            tries += 1;
            let Ok(id) = random() else { break };
            message::renumber(&mut message, id);
            let Ok(socket) = Way::open(asker, upstream, &message) else {
                continue;
            };
            let wanted = if matches!(socket, Way::Datagram(_)) { Ready::IN } else { Ready::OUT };
            let asked = Asked {
                socket,
                deadline: now + PATIENCE,
                asker,
                query: query.clone(),
                message: message.clone(),
                id,
                upstreams,
                tries,
            };
            if self.insert(Source::Asked(Box::new(asked)), wanted).is_err() {
                break;
            }
            return;
        }
        self.reply(asker, &failure(&query), now);
    }

    /// Gives up on the server that was asked, and asks the next.
    pub(super) fn ask_next(&mut self, number: u64, now: Duration) {
        if let Some(asked) = self.take(number) {
            self.ask(asked.asker, asked.query, asked.message, asked.upstreams, asked.tries, now);
        }
    }

    pub(super) fn asked_ready(&mut self, number: u64, ready: Ready, now: Duration) {
        let Some(Source::Asked(asked)) = self.sources.get_mut(&number) else {
            return;
        };
        let heard = asked.hear(ready);
        let change = matches!(&asked.socket, Way::Stream { write, .. } if write.is_empty());
        match heard {
            Heard::Nothing => {
                if change && ready.contains(Ready::OUT) {
                    let _ = self.watch.change(asked.socket.as_fd(), number, Ready::IN);
                }
            }
            Heard::Failed => self.ask_next(number, now),
            Heard::Answer(answer) => {
                let is_last = asked.tries >= TRIES.max(asked.upstreams.len());
                if message::is_failure(&answer) && !is_last && asked.upstreams.len() > 1 {
                    return self.ask_next(number, now);
                }
                let mut answer = answer;
                if let Some(asked) = self.take(number) {
                    message::renumber(&mut answer, asked.query.id);
                    self.reply(asked.asker, &answer, now);
                }
            }
        }
    }

    fn take(&mut self, number: u64) -> Option<Box<Asked>> {
        let Some(Source::Asked(asked)) = self.sources.remove(&number) else {
            return None;
        };
        self.watch.remove(asked.socket.as_fd());
        Some(asked)
    }

    /// The oldest question fails when there are too many.
    fn make_room(&mut self, now: Duration) {
        let is_asked = |source: &Source| matches!(source, Source::Asked(_));
        let waiting = self.sources.values().filter(|it| is_asked(it)).count();
        let oldest = self.sources.iter().find(|(_, source)| is_asked(source)).map(|(number, _)| *number);
        if let (true, Some(oldest)) = (waiting >= MOST, oldest)
            && let Some(asked) = self.take(oldest)
        {
            self.reply(asked.asker, &failure(&asked.query), now);
        }
    }
}

impl Asked {
    /// Takes what came; what answers another question is not heard.
    fn hear(&mut self, ready: Ready) -> Heard {
        match &mut self.socket {
            Way::Datagram(socket) => {
                let mut buffer = vec![0; LARGEST];
                loop {
                    match socket.recv(&mut buffer) {
                        Ok(length) if message::answers(&buffer[..length], self.id, &self.query.question) => {
                            return Heard::Answer(buffer[..length].to_vec());
                        }
                        Ok(_) => {}
                        Err(error) if error.kind() == ErrorKind::WouldBlock => return Heard::Nothing,
                        Err(error) if error.kind() == ErrorKind::Interrupted => {}
                        Err(_) => return Heard::Failed,
                    }
                }
            }
            Way::Stream { socket, write, read } => match converse(socket, write, read, ready) {
                Err(_) => Heard::Failed,
                Ok(None) => Heard::Nothing,
                Ok(Some(answer)) if message::answers(&answer, self.id, &self.query.question) => Heard::Answer(answer),
                Ok(Some(_)) => Heard::Failed,
            },
        }
    }
}

/// Sends the question, then reads one answer.
fn converse(socket: &mut TcpStream, write: &mut Vec<u8>, read: &mut Vec<u8>, ready: Ready) -> std::io::Result<Option<Vec<u8>>> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    while !write.is_empty() {
        if !ready.contains(Ready::OUT) {
            return Ok(None);
        }
        match socket.write(write) {
            Ok(length) => drop(write.drain(..length)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let mut buffer = [0; 4096];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => read.extend(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        let length = read.first().zip(read.get(1)).map(|(high, low)| usize::from(u16::from_be_bytes([*high, *low])));
        if let Some(answer) = length.and_then(|it| read.get(2..2 + it)) {
            return Ok(Some(answer.to_vec()));
        }
    }
}

impl Way {
    fn open(asker: Asker, upstream: SocketAddr, message: &[u8]) -> std::io::Result<Self> {
        match asker {
            Asker::Datagram(..) => {
                let any = if upstream.is_ipv4() {
                    Ipv4Addr::UNSPECIFIED.into()
                } else {
                    Ipv6Addr::UNSPECIFIED.into()
                };
                let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
                socket.set_nonblocking(true)?;
                socket.connect(upstream)?;
                socket.send(message)?;
                Ok(Self::Datagram(socket))
            }
            Asker::Stream(_) => Ok(Self::Stream { socket: connect(upstream)?.into(), write: framed(message), read: Vec::new() }),
        }
    }
}

fn random() -> std::io::Result<u16> {
    let number = getrandom::u32().map_err(|_| std::io::Error::from(ErrorKind::Other))?;
    Ok(u16::try_from(number & 0xffff).unwrap_or(0))
}

impl AsFd for Way {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Datagram(socket) => socket.as_fd(),
            Self::Stream { socket, .. } => socket.as_fd(),
        }
    }
}

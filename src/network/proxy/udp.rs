//! Datagrams: who sends one has a socket of its own towards the container, so that the answers find back.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::proxy::{Listening, Proxy};
use crate::watch::Ready;

/// Askers at once; each has a descriptor. Who was silent longest gives way.
const MOST: usize = 256;
/// How long an asker may be silent.
const IDLE: Duration = Duration::from_secs(90);
/// Largest datagram.
const LARGEST: usize = 65_535;
/// Datagrams carried before others have their turn.
const AT_ONCE: usize = 64;

#[derive(Debug)]
pub(super) struct Session {
    port: u64,
    peer: SocketAddr,
    container: UdpSocket,
    pub(super) deadline: Duration,
}

impl Proxy {
    pub(super) fn datagrams(&mut self, number: u64, now: Duration) {
        let mut buffer = vec![0; LARGEST];
        for _ in 0..AT_ONCE {
            let Some(Listening::Udp(socket)) = self.ports.get(&number).map(|it| &it.socket) else {
                return;
            };
            let Ok((length, peer)) = socket.recv_from(&mut buffer) else {
                return;
            };
            let known = self.sessions.iter().find(|(_, it)| it.port == number && it.peer == peer).map(|(number, _)| *number);
            let Some(session) = known.or_else(|| self.begin_session(number, peer, now)) else {
                continue;
            };
            if let Some(session) = self.sessions.get_mut(&session) {
                session.deadline = now + IDLE;
                // What a container does not take is lost, as on any way.
                let _ = session.container.send(&buffer[..length]);
            }
        }
    }

    fn begin_session(&mut self, port: u64, peer: SocketAddr, now: Duration) -> Option<u64> {
        if self.sessions.len() >= MOST {
            let oldest = self.sessions.iter().min_by_key(|(_, it)| it.deadline).map(|(number, _)| *number);
            oldest.into_iter().for_each(|number| self.end_session(number));
        }
        let to = self.ports.get_mut(&port)?.next()?;
        let any = if to.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let container = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
        container.set_nonblocking(true).ok()?;
        container.connect(to).ok()?;
        let number = self.number();
        self.watch.add(&container, number, Ready::IN).ok()?;
        self.sessions.insert(number, Session { port, peer, container, deadline: now + IDLE });
        Some(number)
    }

    pub(super) fn answered(&mut self, number: u64, now: Duration) {
        let mut buffer = vec![0; LARGEST];
        let Some(session) = self.sessions.get_mut(&number) else { return };
        session.deadline = now + IDLE;
        for _ in 0..AT_ONCE {
            match session.container.recv(&mut buffer) {
                Ok(length) => {
                    if let Some(Listening::Udp(socket)) = self.ports.get(&session.port).map(|it| &it.socket) {
                        let _ = socket.send_to(&buffer[..length], session.peer);
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                // Nobody listens in the container; the next datagram of this asker may go to another one.
                Err(_) => return self.end_session(number),
            }
        }
    }

    pub(super) fn end_sessions_of(&mut self, port: u64) {
        let gone: Vec<u64> = self.sessions.iter().filter(|(_, it)| it.port == port).map(|(number, _)| *number).collect();
        gone.into_iter().for_each(|number| self.end_session(number));
    }

    pub(super) fn end_session(&mut self, number: u64) {
        if let Some(session) = self.sessions.remove(&number) {
            self.watch.remove(&session.container);
        }
    }
}

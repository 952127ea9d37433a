//! Questions over connections: two bytes of length, then the message. Source: RFC 1035, 4.2.2. One question of a connection at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::dns::server::{Asker, Server, Source};
use crate::dns::{Outcome, Transport, answer};
use crate::watch::Ready;

/// Connections that are open at once, of all containers.
const MOST: usize = 128;
/// How long a connection may say nothing.
const IDLE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) client: String,
    pub(super) socket: TcpStream,
    pub(super) deadline: Duration,
    /// What came and is not a whole question yet, or comes after the one that waits.
    read: Vec<u8>,
    /// What is to be sent.
    write: Vec<u8>,
    /// Another server was asked, and the next question waits.
    waits: bool,
    /// Nothing more comes.
    is_ended: bool,
}

impl Server {
    pub(super) fn accept(&mut self, number: u64, now: Duration) {
        loop {
            let Some(Source::Connections { client, listener }) = self.sources.get(&number) else {
                return;
            };
            let Ok((socket, _)) = listener.accept() else { return };
            let client = client.clone();
            let open = self.sources.values().filter(|it| matches!(it, Source::Stream(_))).count();
            if open >= MOST || socket.set_nonblocking(true).is_err() {
                continue;
            }
            let deadline = now + IDLE;
            let stream = Stream { client, socket, deadline, read: Vec::new(), write: Vec::new(), waits: false, is_ended: false };
            // A connection that cannot be watched is closed, and the asker tries again.
            let _ = self.insert(Source::Stream(stream), Ready::IN);
        }
    }

    pub(super) fn stream_ready(&mut self, number: u64, now: Duration) {
        let Some(Source::Stream(stream)) = self.sources.get_mut(&number) else {
            return;
        };
        stream.deadline = now + IDLE;
        if stream.transfer().is_err() {
            return self.drop_source(number);
        }
        self.stream_answer(number, now);
    }

    /// Answers what is there, until a question has to wait.
    fn stream_answer(&mut self, number: u64, now: Duration) {
        while let Some(Source::Stream(stream)) = self.sources.get_mut(&number) {
            let (false, Some(message)) = (stream.waits, stream.next_message()) else {
                break;
            };
            let Some(known) = self.clients.get(&stream.client) else { break };
            self.turn = self.turn.wrapping_add(1);
            match answer(&self.zone, known, &message, Transport::Tcp, self.turn) {
                Outcome::Reply(reply) => stream.push(&reply),
                Outcome::Forward(query) => {
                    stream.waits = true;
                    let upstreams = known.upstreams.clone();
                    self.forward(Asker::Stream(number), query, message, upstreams, now);
                }
                Outcome::Ignore => {}
            }
        }
        self.stream_flush(number);
    }

    pub(super) fn stream_reply(&mut self, number: u64, reply: &[u8], now: Duration) {
        if let Some(Source::Stream(stream)) = self.sources.get_mut(&number) {
            stream.waits = false;
            stream.push(reply);
            self.stream_answer(number, now);
        }
    }

    fn stream_flush(&mut self, number: u64) {
        let Some(Source::Stream(stream)) = self.sources.get_mut(&number) else {
            return;
        };
        let failed = stream.transfer().is_err();
        let is_done = stream.is_ended && stream.write.is_empty() && !stream.waits;
        // Whoever takes no answers is not listened to; that one who waits has gone is told once.
        let wanted = match (stream.write.is_empty(), stream.is_ended || stream.waits) {
            (true, false) => Ready::IN,
            (true, true) => Ready::ET,
            (false, _) => Ready::OUT,
        };
        if failed || is_done || self.watch.change(&stream.socket, number, wanted).is_err() {
            self.drop_source(number);
        }
    }
}

impl Stream {
    /// Writes what waits, else reads what is there.
    fn transfer(&mut self) -> std::io::Result<()> {
        while !self.write.is_empty() {
            match self.socket.write(&self.write) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(length) => drop(self.write.drain(..length)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let mut buffer = [0; 4096];
        while !self.is_ended && !self.waits && self.read.len() < super::LARGEST {
            match self.socket.read(&mut buffer) {
                Ok(0) => self.is_ended = true,
                Ok(length) => self.read.extend(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn next_message(&mut self) -> Option<Vec<u8>> {
        let length = usize::from(u16::from_be_bytes([*self.read.first()?, *self.read.get(1)?]));
        let message = self.read.get(2..2 + length)?.to_vec();
        self.read.drain(..2 + length);
        Some(message)
    }

    fn push(&mut self, message: &[u8]) {
        self.write.extend(framed(message));
    }
}

/// A message with its length before it.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(message.len()).unwrap_or(0).to_be_bytes().to_vec();
    bytes.extend(&message[..message.len().min(usize::from(u16::MAX))]);
    bytes
}

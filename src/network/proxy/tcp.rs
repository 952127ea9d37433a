//! Connections.

use std::net::TcpStream;
use std::time::Duration;

use crate::connecting::connect;
use crate::proxy::carry::Flow;
use crate::proxy::{Listening, Proxy};
use crate::watch::Ready;

/// Connections that are carried at once; each has two descriptors. Others wait until they are taken.
const MOST: usize = 256;
/// How long a container may take to accept.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Connection {
    outside: TcpStream,
    container: TcpStream,
    inwards: Flow,
    outwards: Flow,
    /// Until when the container must have accepted; nothing once it has.
    pub(super) deadline: Option<Duration>,
}

impl Proxy {
    pub(super) fn accept(&mut self, number: u64, now: Duration) {
        loop {
            if self.connections.len() >= MOST {
                return self.take_connections(false);
            }
            let Some(port) = self.ports.get_mut(&number) else { return };
            let Listening::Tcp(listener) = &port.socket else { return };
            let Ok((outside, _)) = listener.accept() else { return };
            // Without a backend the connection is closed, which is all that can be said by now.
            let Some(to) = port.next() else { continue };
            let Ok(container) = connect(to) else { continue };
            let connection = Connection {
                outside,
                container: container.into(),
                inwards: Flow::default(),
                outwards: Flow::default(),
                deadline: Some(now + PATIENCE),
            };
            self.begin(connection);
        }
    }

    /// One that cannot be watched is closed.
    fn begin(&mut self, connection: Connection) {
        let ready = connection.outside.set_nonblocking(true).is_ok();
        let number = self.number();
        let watched = ready
            && self.watch.add(&connection.container, number, Ready::OUT).is_ok()
            && self.watch.add(&connection.outside, number | 1, Ready::empty()).is_ok();
        if watched {
            self.connections.insert(number, connection);
        }
    }

    pub(super) fn connection_ready(&mut self, number: u64, ready: Ready) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        if connection.progress(ready).is_err() || connection.is_over() {
            return self.end(number);
        }
        let [container, outside] = connection.wanted();
        let changed = self.watch.change(&connection.container, number, container);
        if changed.and_then(|()| self.watch.change(&connection.outside, number | 1, outside)).is_err() {
            self.end(number);
        }
    }

    pub(super) fn end(&mut self, number: u64) {
        if let Some(connection) = self.connections.remove(&number) {
            self.watch.remove(&connection.container);
            self.watch.remove(&connection.outside);
        }
        if self.is_full {
            self.take_connections(true);
        }
    }

    fn take_connections(&mut self, wanted: bool) {
        self.is_full = !wanted;
        let ready = if wanted { Ready::IN } else { Ready::empty() };
        for (number, port) in &self.ports {
            if let Listening::Tcp(listener) = &port.socket {
                let _ = self.watch.change(listener, *number, ready);
            }
        }
    }
}

impl Connection {
    fn progress(&mut self, ready: Ready) -> std::io::Result<()> {
        if self.deadline.is_some() {
            if let Some(error) = self.container.take_error()? {
                return Err(error);
            }
            // The outside gave up while the container had not accepted yet.
            if !ready.contains(Ready::OUT) {
                return Err(std::io::ErrorKind::ConnectionAborted.into());
            }
            self.deadline = None;
        }
        if ready.contains(Ready::ERR) {
            return Err(std::io::ErrorKind::ConnectionReset.into());
        }
        self.inwards.carry(&self.outside, &self.container)?;
        self.outwards.carry(&self.container, &self.outside)
    }

    fn is_over(&self) -> bool {
        self.inwards.is_over() && self.outwards.is_over()
    }

    /// What to wait for at the container's end and at the outside.
    fn wanted(&self) -> [Ready; 2] {
        let of = |is_input: bool, is_output: bool| {
            let input = if is_input { Ready::IN } else { Ready::empty() };
            let wanted = input | if is_output { Ready::OUT } else { Ready::empty() };
            // That an end was closed is told in any case; of one that nothing is wanted of, once is enough.
            if wanted.is_empty() { Ready::ET } else { wanted }
        };
        [
            of(self.outwards.wants_input(), self.inwards.wants_output()),
            of(self.inwards.wants_input(), self.outwards.wants_output()),
        ]
    }
}

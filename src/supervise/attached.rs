//! A client that follows a container's output.

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use crate::follow::{self, Frame};
use crate::protocol::{INPUT, Request};

/// The output of a container, as it comes; what is typed goes the other way.
#[derive(Debug)]
pub struct Attached {
    stream: UnixStream,
}

impl Attached {
    /// Over a connection whose request to attach was granted.
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self { stream }
    }

    /// Returns the next frame; nothing when the container has ended for good, or its shim was killed: then a new attachment goes on.
    ///
    /// # Errors
    /// The stream ends within a frame.
    pub fn next_frame(&mut self) -> io::Result<Option<Frame>> {
        follow::receive(&mut self.stream)
    }

    /// Sends a request without an answer: bytes, the end of input, a size, a signal.
    fn say(&mut self, request: &Request) -> io::Result<()> {
        self.stream.write_all(&request.to_bytes())
    }

    /// Sends bytes to its standard input.
    ///
    /// # Errors
    /// The shim is gone.
    pub fn input(&mut self, bytes: &[u8]) -> io::Result<()> {
        bytes.chunks(INPUT).try_for_each(|part| self.say(&Request::Input(part.to_vec())))
    }

    /// Ends its standard input.
    ///
    /// # Errors
    /// The shim is gone.
    pub fn end_input(&mut self) -> io::Result<()> {
        self.say(&Request::EndInput)
    }

    /// Gives its terminal a size.
    ///
    /// # Errors
    /// The shim is gone.
    pub fn resize(&mut self, rows: u16, columns: u16) -> io::Result<()> {
        self.say(&Request::Resize { rows, columns })
    }

    /// Knows the same connection once more: one end reads, the other writes.
    ///
    /// # Errors
    /// As dup(2).
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { stream: self.stream.try_clone()? })
    }

    /// Leaves; the container goes on.
    ///
    /// # Errors
    /// As shutdown(2).
    pub fn detach(self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Both)
    }

    /// Returns the descriptor, for a caller with a loop of its own. It reads log frames and writes requests.
    #[must_use]
    pub fn into_descriptor(self) -> OwnedFd {
        self.stream.into()
    }
}

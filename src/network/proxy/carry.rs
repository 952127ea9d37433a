//! One direction of a connection: what was read and could not be written yet.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

/// Bytes read at once.
const PIECE: usize = 64 << 10;
/// Pieces carried before others have their turn.
const AT_ONCE: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Flow {
    left: Vec<u8>,
    /// Nothing more comes.
    is_ended: bool,
    /// The other side was told so.
    is_told: bool,
}

impl Flow {
    /// Carries what is there until one side has to be waited for.
    ///
    /// # Errors
    /// When either side is gone.
    pub(super) fn carry(&mut self, mut from: &TcpStream, mut to: &TcpStream) -> std::io::Result<()> {
        for _ in 0..AT_ONCE {
            if !self.left.is_empty() {
                match to.write(&self.left) {
                    Ok(length) => drop(self.left.drain(..length)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
                continue;
            }
            if self.is_ended {
                break;
            }
            // Taken anew each time: a proxy that carries nothing keeps no memory for it.
            self.left.resize(PIECE, 0);
            let read = from.read(&mut self.left);
            self.left.truncate(*read.as_ref().unwrap_or(&0));
            match read {
                Ok(length) => self.is_ended = length == 0,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.left.is_empty() {
            self.left = Vec::new();
        }
        if self.is_ended && self.left.is_empty() && !self.is_told {
            self.is_told = true;
            // Who has gone meanwhile needs not be told.
            let _ = to.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    /// More may come.
    pub(super) fn wants_input(&self) -> bool {
        !self.is_ended && self.left.is_empty()
    }

    /// Something has to be written.
    pub(super) fn wants_output(&self) -> bool {
        !self.left.is_empty()
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_told
    }
}

//! Bytes between those who wait and those who block. Neither waits longer than the container runs that they are of: as long as its files are
//! held open they keep its root, which its next start needs for itself.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use bytes::{Buf, Bytes};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Receiver;

use crate::thread::Out;

/// How often it is looked whether the container still runs, while nothing comes.
const LOOK: Duration = Duration::from_millis(50);
/// How long a full stream is left alone.
const FULL: Duration = Duration::from_millis(5);

/// Who must live as long as bytes move; nothing where that is nobody.
pub(super) struct Life(pub(super) Option<OwnedFd>);

impl Life {
    fn check(&self) -> io::Result<()> {
        let Some(process) = &self.0 else { return Ok(()) };
        // A descriptor of a process is readable once it has ended. Source: pidfd_open(2).
        let mut wanted = [PollFd::new(process, PollFlags::IN)];
        match poll(&mut wanted, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(1..) => Err(io::Error::other("the container ended meanwhile; repeat the command")),
            Ok(0) | Err(_) => Ok(()),
        }
    }
}

/// Reads pieces as they come; the end of them is the end.
pub(super) struct Pieces {
    pub(super) receiver: Receiver<io::Result<Bytes>>,
    pub(super) handle: Handle,
    pub(super) life: Life,
    pub(super) piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            self.life.check()?;
            match self.handle.block_on(async { tokio::time::timeout(LOOK, self.receiver.recv()).await }) {
                Ok(Some(piece)) => self.piece = piece?,
                Ok(None) => return Ok(0),
                Err(_) => {}
            }
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// Sends what is written, in the pieces in which it comes.
pub(super) struct Sink<'a> {
    pub(super) out: &'a Out<Bytes>,
    pub(super) life: Life,
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut piece = Bytes::copy_from_slice(bytes);
        loop {
            self.life.check()?;
            match self.out.offer(piece) {
                (true, None) => return Ok(bytes.len()),
                (true, Some(back)) => piece = back,
                (false, _) => return Err(io::ErrorKind::BrokenPipe.into()),
            }
            std::thread::sleep(FULL);
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! Pipes between threads, of chunks of bytes; an end that was not said is an error for the reader.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::error::ImageError;
use crate::extract::Limits;

/// The size of a chunk, in bytes: large enough that handing it on costs nothing, small enough to stay in the cache.
pub(crate) const CHUNK: usize = 1 << 18;
/// Chunks that wait between two threads.
const DEPTH: usize = 16;

enum Message {
    Chunk(Vec<u8>),
    End,
    Failed(io::Error),
}

/// The end of a pipe that is fed.
pub(crate) struct Feed {
    sender: SyncSender<Message>,
    fed: Arc<AtomicU64>,
}

/// The end of a pipe that is read.
pub(crate) struct Pipe {
    receiver: Receiver<Message>,
    chunk: Vec<u8>,
    at: usize,
    ended: bool,
}

/// Makes a pipe; `fed` counts the bytes that go in.
pub(crate) fn pipe(fed: Arc<AtomicU64>) -> (Feed, Pipe) {
    let (sender, receiver) = sync_channel(DEPTH);
    (Feed { sender, fed }, Pipe { receiver, chunk: Vec::new(), at: 0, ended: false })
}

impl Feed {
    /// Hands bytes on; fails where nobody reads any more.
    pub(crate) fn give(&mut self, chunk: Vec<u8>) -> Result<(), ImageError> {
        if chunk.is_empty() {
            return Ok(());
        }
        self.fed.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        self.sender.send(Message::Chunk(chunk)).map_err(|_| ImageError::NobodyReads)
    }

    /// Says that this was all.
    pub(crate) fn end(&mut self) {
        // Whoever does not read any more needs no end.
        let _unread = self.sender.send(Message::End);
    }

    /// Says what went wrong.
    pub(crate) fn fail(&mut self, error: io::Error) {
        let _unread = self.sender.send(Message::Failed(error));
    }

    /// Says that nothing more comes, and that it was not all.
    pub(crate) fn abandon(&mut self) {
        self.fail(io::Error::new(io::ErrorKind::UnexpectedEof, "what comes before it was cut off"));
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() {
            if self.ended || buffer.is_empty() {
                return Ok(0);
            }
            match self.receiver.recv() {
                Ok(Message::Chunk(chunk)) => (self.chunk, self.at) = (chunk, 0),
                Ok(Message::End) => self.ended = true,
                Ok(Message::Failed(error)) => return Err(error),
                Err(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let count = buffer.len().min(self.chunk.len() - self.at);
        buffer[..count].copy_from_slice(&self.chunk[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// Stops a reader that gives far more than what went into it.
pub(crate) struct Bounded<'a, R> {
    inner: R,
    limits: Limits,
    fed: &'a AtomicU64,
    given: u64,
}

impl<'a, R> Bounded<'a, R> {
    pub(crate) fn new(inner: R, limits: Limits, fed: &'a AtomicU64) -> Self {
        Self { inner, limits, fed, given: 0 }
    }
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.given += count as u64;
        let limit = self.limits.unpacked(self.fed.load(Ordering::Relaxed));
        if self.given > limit {
            return Err(io::Error::other(ImageError::TooLarge { what: "unpacks to more bytes", limit }));
        }
        Ok(count)
    }
}

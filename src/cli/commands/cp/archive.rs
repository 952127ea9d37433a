//! Archives between those who wait and those who block, and standard input and output as archives.

use std::io::{self, BufWriter, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use rcompose_engine_adapter::{ArchiveBytes, EngineError, Result};
use rcompose_image::ImageError;
use tokio::io::AsyncReadExt;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

/// Bytes that move at once.
const PIECE: usize = 64 << 10;
/// Pieces that wait.
const WAITING: usize = 16;

/// Reads an archive where it may block.
pub(super) struct Blocking {
    handle: Handle,
    archive: BoxStream<'static, Result<Bytes>>,
    piece: Bytes,
    failed: Failed,
}

/// Where a reader leaves why the archive came to no good end: whoever unpacks only sees that it broke off.
pub(super) type Failed = Arc<Mutex<Option<EngineError>>>;

impl Blocking {
    pub(super) fn new(archive: BoxStream<'static, Result<Bytes>>, failed: Failed) -> Self {
        Self { handle: Handle::current(), archive, piece: Bytes::new(), failed }
    }
}

impl Read for Blocking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.handle.block_on(self.archive.next()) {
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(error)) => {
                    self.failed.lock().unwrap_or_else(PoisonError::into_inner).replace(error);
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

struct Sink(Sender<io::Result<Bytes>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes))) {
            Ok(()) => Ok(bytes.len()),
            Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn archive(receiver: Receiver<io::Result<Bytes>>) -> ArchiveBytes {
    stream::unfold(receiver, |mut it| async move { it.recv().await.map(|piece| (piece, it)) }).boxed()
}

/// Has an archive written where that may block. What went wrong is told by the handle; whoever reads only sees that it ends too early.
pub(super) fn written(
    write: impl FnOnce(&mut dyn Write) -> std::result::Result<(), ImageError> + Send + 'static,
) -> (ArchiveBytes, JoinHandle<std::result::Result<(), ImageError>>) {
    let (sender, receiver) = channel(WAITING);
    let writer = tokio::task::spawn_blocking(move || {
        let mut out = BufWriter::with_capacity(PIECE, Sink(sender));
        let done = write(&mut out);
        if done.is_err() {
            // Nothing that is left is to look like a whole archive.
            let cut_off = io::Error::new(io::ErrorKind::UnexpectedEof, "the archive was cut off");
            let _unread = out.get_mut().0.blocking_send(Err(cut_off));
        }
        done
    });
    (archive(receiver), writer)
}

/// Standard input, for so many readers; one that ends early holds nobody up.
pub(super) fn standard_input(readers: usize) -> Vec<ArchiveBytes> {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..readers).map(|_| channel(WAITING)).unzip();
    tokio::spawn(spread(senders));
    receivers.into_iter().map(archive).collect()
}

async fn spread(mut senders: Vec<Sender<io::Result<Bytes>>>) {
    let mut input = tokio::io::stdin();
    while !senders.is_empty() {
        let mut piece = vec![0; PIECE];
        let read = input.read(&mut piece).await;
        let piece = match read {
            Ok(0) => return,
            Ok(count) => {
                piece.truncate(count);
                Ok(Bytes::from(piece))
            }
            Err(error) => Err(error.kind()),
        };
        let mut open = Vec::new();
        for sender in senders {
            if sender.send(piece.clone().map_err(io::Error::from)).await.is_ok() {
                open.push(sender);
            }
        }
        if piece.is_err() {
            return;
        }
        senders = open;
    }
}

//! Blocking work, awaited; and streams that a thread of their own fills.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use rcompose_engine_adapter::{EngineError, ErrorKind, Result};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Bytes of the stack of a thread that fills a stream: one for each log that is followed.
const STACK: usize = 256 << 10;

/// Does blocking work on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(EngineError::new(ErrorKind::Other, "the work ended in the middle").caused_by(error)),
    }
}

/// The sending end of a stream.
#[derive(Debug)]
pub(crate) struct Out<T> {
    sender: Sender<Result<T>>,
    gone: Arc<AtomicBool>,
}

impl<T> Out<T> {
    /// Sends an item, and waits until there is room; tells whether anybody listens.
    pub(crate) fn send(&self, item: T) -> bool {
        self.sender.blocking_send(Ok(item)).is_ok()
    }

    /// Sends an item if there is room for it, and gives it back if there is none; tells whether anybody listens.
    pub(crate) fn offer(&self, item: T) -> (bool, Option<T>) {
        use tokio::sync::mpsc::error::TrySendError;
        match self.sender.try_send(Ok(item)) {
            Ok(()) => (true, None),
            Err(TrySendError::Full(item)) => (true, item.ok()),
            Err(TrySendError::Closed(_)) => (false, None),
        }
    }

    /// Tells whether nobody listens any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Set once nobody listens.
    pub(crate) fn gone(&self) -> &AtomicBool {
        &self.gone
    }
}

/// What the listener holds: its end tells the thread.
struct Listener<T> {
    receiver: Receiver<Result<T>>,
    gone: Arc<AtomicBool>,
}

impl<T> Drop for Listener<T> {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

/// Makes a stream of what `work` sends from a thread of its own, with its error last. The work ends soon after the stream is dropped.
pub(crate) fn stream<T: Send + 'static>(work: impl FnOnce(&Out<T>) -> Result<()> + Send + 'static) -> BoxStream<'static, Result<T>> {
    let (sender, receiver) = channel(256);
    let gone = Arc::new(AtomicBool::new(false));
    let out = Out { sender, gone: Arc::clone(&gone) };
    let spawned = std::thread::Builder::new().stack_size(STACK).spawn(move || {
        if let Err(error) = work(&out) {
            // Nobody listens: nobody is to be told.
            let _gone = out.sender.blocking_send(Err(error));
        }
    });
    if let Err(error) = spawned {
        let error = EngineError::new(ErrorKind::Other, "cannot start a thread").caused_by(error);
        return stream::once(async { Err(error) }).boxed();
    }
    let listener = Listener { receiver, gone };
    stream::unfold(listener, |mut it| async move { it.receiver.recv().await.map(|item| (item, it)) }).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_error_comes_last() {
        let numbers = stream(|out: &Out<u32>| {
            (0..1000).for_each(|it| assert!(out.send(it)));
            Err(EngineError::new(ErrorKind::Other, "end"))
        });
        let all: Vec<_> = numbers.collect().await;
        assert_eq!(all.len(), 1001);
        assert!(all[..1000].iter().zip(0..).all(|(item, number)| matches!(item, Ok(found) if *found == number)));
        assert!(all[1000].is_err());
    }

    #[tokio::test]
    async fn the_work_hears_that_nobody_listens() {
        let (told, heard) = std::sync::mpsc::channel();
        let mut numbers = stream(move |out: &Out<u32>| {
            while out.send(1) {}
            told.send(out.is_closed() && out.gone().load(Ordering::Relaxed))
                .map_err(|_| EngineError::new(ErrorKind::Other, "x"))
        });
        assert!(numbers.next().await.is_some());
        drop(numbers);
        assert!(heard.recv_timeout(std::time::Duration::from_secs(10)).unwrap());
    }
}

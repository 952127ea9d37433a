//! Streams made by a task that sends.

use std::future::Future;

use futures::channel::mpsc::{self, Sender};
use futures::stream::{self, BoxStream};
use futures::{SinkExt, StreamExt};
use rcompose_engine_adapter::Result;

/// The sending end of a stream.
#[derive(Debug)]
pub(crate) struct Out<T>(Sender<Result<T>>);

impl<T> Out<T> {
    /// Sends an item; where nobody listens any more the task is about to be dropped.
    pub(crate) async fn send(&mut self, item: T) {
        let _gone = self.0.send(Ok(item)).await;
    }
}

/// Makes a stream of what `work` sends, with its error last. Dropping the stream drops the work.
pub(crate) fn produce<T, Work, Done>(work: Work) -> BoxStream<'static, Result<T>>
where
    T: Send + 'static,
    Work: FnOnce(Out<T>) -> Done,
    Done: Future<Output = Result<()>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(16);
    let mut last = sender.clone();
    let work = work(Out(sender));
    let driver = stream::once(async move {
        if let Err(error) = work.await {
            let _gone = last.send(Err(error)).await;
        }
    });
    stream::select(receiver, driver.filter_map(|()| async { None })).boxed()
}

#[cfg(test)]
mod tests {
    use rcompose_engine_adapter::{EngineError, ErrorKind};

    use super::*;

    #[tokio::test]
    async fn the_error_comes_last() {
        let stream = produce(|mut out: Out<u32>| async move {
            for number in 0..100 {
                out.send(number).await;
            }
            Err(EngineError::new(ErrorKind::Other, "end"))
        });
        let all: Vec<_> = stream.collect().await;
        assert_eq!(all.len(), 101);
        assert!(all[..100].iter().zip(0..).all(|(item, number)| matches!(item, Ok(found) if *found == number)));
        assert!(all[100].is_err());
    }
}

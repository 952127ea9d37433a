//! Ended outputs of several containers, merged by time.

use futures::StreamExt;
use futures::stream::BoxStream;
use rcompose_engine_adapter::{ContainerName, LogLine, Result};

use super::time_of;

/// One container's output.
pub(crate) struct Source {
    name: ContainerName,
    stream: BoxStream<'static, Result<LogLine>>,
    head: Option<(i128, LogLine)>,
    last: i128,
}

impl Source {
    /// Takes the next line; an error ends the output and is told.
    async fn advance(&mut self) -> Result<()> {
        self.head = match self.stream.next().await {
            None => None,
            Some(line) => {
                let line = line?;
                // A line without a readable time stays behind the one before it.
                self.last = time_of(&line).unwrap_or(self.last);
                Some((self.last, line))
            }
        };
        Ok(())
    }
}

/// Hands out every line in the order of time; lines of one container keep their order.
///
/// # Errors
/// The first error of any output, or what `each` returns.
pub(crate) async fn merged<E: std::convert::From<rcompose_engine_adapter::EngineError>>(
    streams: Vec<(ContainerName, BoxStream<'static, Result<LogLine>>)>,
    mut each: impl FnMut(&ContainerName, i128, LogLine) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let mut sources: Vec<Source> = streams
        .into_iter()
        .map(|(name, stream)| Source { name, stream, head: None, last: i128::MIN })
        .collect();
    for result in futures::future::join_all(sources.iter_mut().map(Source::advance)).await {
        result?;
    }
    loop {
        let next = sources
            .iter_mut()
            .filter(|source| source.head.is_some())
            .min_by_key(|source| source.head.as_ref().map(|(time, _)| *time));
        let Some(source) = next else { return Ok(()) };
        if let Some((time, line)) = source.head.take() {
            each(&source.name, time, line)?;
        }
        source.advance().await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcompose_engine_adapter::EngineError;

    fn line(time: u32) -> Result<LogLine> {
        Ok(LogLine {
            timestamp: format!("2026-01-02T03:04:{time:02}.000000000Z"),
            stderr: false,
            line: time.to_string().into(),
        })
    }

    #[tokio::test]
    async fn lines_come_in_the_order_of_time() {
        let streams: Vec<(ContainerName, BoxStream<'static, Result<LogLine>>)> = vec![
            ("a".into(), futures::stream::iter([line(1), line(4), line(5)]).boxed()),
            ("b".into(), futures::stream::iter([line(2), line(3), line(9)]).boxed()),
            ("c".into(), futures::stream::empty().boxed()),
        ];
        let mut seen = Vec::new();
        let done: std::result::Result<(), EngineError> = merged(streams, |name, _, line| {
            seen.push(format!("{name}{}", String::from_utf8_lossy(&line.line)));
            Ok(())
        })
        .await;
        assert!(done.is_ok());
        assert_eq!(seen, ["a1", "b2", "b3", "a4", "a5", "b9"]);
    }
}

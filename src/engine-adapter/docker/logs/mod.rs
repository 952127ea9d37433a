//! Output that the engine recorded, as whole lines with their times.

mod lines;

use futures::TryStreamExt;
use futures::stream::BoxStream;
use rcompose_engine_adapter::{ContainerName, LogLine, LogOptions, Result};

use crate::containers;
use crate::error::while_trying;
use crate::logs::lines::Lines;
use crate::produce::{Out, produce};
use crate::transport::{Api, Call, path};

pub(crate) fn logs(api: &Api, name: &ContainerName, options: &LogOptions) -> BoxStream<'static, Result<LogLine>> {
    let (api, name, options) = (api.clone(), name.clone(), options.clone());
    produce(move |mut out| async move {
        let what = format!("cannot read the logs of container {name}");
        let source = Source { api, name };
        source.send(&options, &mut out).await.map_err(|error| while_trying(&what, error))
    })
}

struct Source {
    api: Api,
    name: ContainerName,
}

impl Source {
    async fn send(&self, options: &LogOptions, out: &mut Out<LogLine>) -> Result<()> {
        let found = containers::inspect(&self.api, &self.name).await?;
        let tty = found.config.and_then(|config| config.tty).unwrap_or_default();
        if !options.follow {
            let mut pieces = self.api.stream(call(&self.name, options));
            let mut lines = Lines::new(tty);
            while let Some(piece) = pieces.try_next().await? {
                for line in lines.push(&piece) {
                    out.send(line).await;
                }
            }
            for line in lines.finish() {
                out.send(line).await;
            }
            return Ok(());
        }
        let tail = self.follow(options, tty, out).await?;
        self.drain(options, tty, tail, out).await
    }

    /// Follows to the container's end; returns what tells the lines sent from those still missing.
    async fn follow(&self, options: &LogOptions, tty: bool, out: &mut Out<LogLine>) -> Result<Tail> {
        let mut pieces = self.api.stream(call(&self.name, options));
        let mut lines = Lines::new(tty);
        let mut tail = Tail::default();
        while let Some(piece) = pieces.try_next().await? {
            for line in lines.push(&piece) {
                tail.sent(&line, lines.oldest_begun());
                out.send(line).await;
            }
        }
        tail.begun = lines.finish();
        Ok(tail)
    }

    /// Sends the lines that the engine left out: one that follows ends with the container, and may not have read its last
    /// words by then. Seen with Docker Engine 20.10 in most runs of a container that ends right after a line.
    async fn drain(&self, options: &LogOptions, tty: bool, mut tail: Tail, out: &mut Out<LogLine>) -> Result<()> {
        if tail.is_empty() && options.tail == Some(0) {
            return Ok(());
        }
        let mut missing = call(&self.name, &LogOptions { follow: false, ..options.clone() });
        if let Some(since) = tail.since() {
            missing = call(&self.name, &LogOptions { follow: false, tail: None, since: Some(since), ..options.clone() });
        }
        let rest = match self.api.bytes(missing).await {
            Ok(rest) => rest,
            // Removed with its log: what was begun is all there is.
            Err(error) if error.is_not_found() || error.kind == rcompose_engine_adapter::ErrorKind::Conflict => {
                for line in tail.begun {
                    out.send(line).await;
                }
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut lines = Lines::new(tty);
        for line in lines.push(&rest).into_iter().chain(lines.finish()) {
            if !tail.take(&line) {
                out.send(line).await;
            }
        }
        Ok(())
    }
}

/// The last lines sent, as far as the engine may repeat them.
#[derive(Debug, Default)]
struct Tail {
    recent: Vec<LogLine>,
    begun: Vec<LogLine>,
}

impl Tail {
    /// Notes a line; those before it and before every unfinished one are told apart by their time alone.
    fn sent(&mut self, line: &LogLine, oldest_begun: Option<&str>) {
        let since = oldest_begun.map_or(line.timestamp.as_str(), |begun| begun.min(&line.timestamp));
        self.recent.retain(|line| line.timestamp.as_str() >= since);
        self.recent.push(line.clone());
    }

    fn is_empty(&self) -> bool {
        self.recent.is_empty() && self.begun.is_empty()
    }

    /// Returns the time from which lines may be missing, as seconds and nanoseconds.
    fn since(&self) -> Option<(i64, u32)> {
        let oldest = self.recent.iter().chain(&self.begun).map(|line| line.timestamp.as_str()).min()?;
        let time: jiff::Timestamp = oldest.parse().ok()?;
        Some((time.as_second(), u32::try_from(time.subsec_nanosecond()).unwrap_or_default()))
    }

    /// Tells whether a line was sent already, once for each time that it was.
    fn take(&mut self, line: &LogLine) -> bool {
        let at = self.recent.iter().position(|sent| sent == line);
        at.map(|at| self.recent.swap_remove(at)).is_some()
    }
}

fn call(name: &ContainerName, options: &LogOptions) -> Call {
    let LogOptions { follow, since, until, tail } = options;
    let mut call = Call::get(path("containers", name.as_str(), "/logs"));
    call = call.query("stdout", "1").query("stderr", "1").query("timestamps", "1").patient();
    if *follow {
        call = call.query("follow", "1");
    }
    if let Some((seconds, nanos)) = since {
        call = call.query("since", &format!("{seconds}.{nanos:09}"));
    }
    if let Some((seconds, nanos)) = until {
        call = call.query("until", &format!("{seconds}.{nanos:09}"));
    }
    call.query("tail", &tail.map_or_else(|| "all".to_owned(), |tail| tail.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(second: u32, text: &str) -> LogLine {
        LogLine {
            timestamp: format!("2026-11-20T18:00:{second:02}.000000000Z"),
            stderr: false,
            line: text.to_owned().into(),
        }
    }

    #[test]
    fn only_missing_lines_are_sent_again() {
        let mut tail = Tail::default();
        let begun = line(2, "").timestamp;
        tail.sent(&line(1, "one"), None);
        tail.sent(&line(2, "twice"), None);
        tail.sent(&line(2, "twice"), None);
        assert_eq!(tail.recent.len(), 2, "the first is known by its time");
        tail.sent(&line(3, "three"), Some(&begun));
        assert_eq!(tail.since(), line(2, "").timestamp.parse().ok().map(|time: jiff::Timestamp| (time.as_second(), 0)));
        assert!(tail.take(&line(2, "twice")) && tail.take(&line(2, "twice")) && !tail.take(&line(2, "twice")));
        assert!(tail.take(&line(3, "three")) && !tail.take(&line(4, "four")));
    }
}

//! Output of several containers as it comes, put back into the order of time.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use rcompose_engine_adapter::{ContainerName, EngineError, LogLine, LogOptions};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::time_of;
use crate::session::Live;

/// Time for which a line is kept back, so that earlier ones of other containers come before it.
const WINDOW: Duration = Duration::from_millis(80);

/// Where the output of a container is taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// After the line of this time, in nanoseconds since 1970.
    After(i128),
    /// At this time, in nanoseconds since 1970.
    At(i128),
}

/// What comes out.
#[derive(Debug)]
pub(crate) enum Piece {
    /// A line.
    Line {
        /// Of this container.
        name: ContainerName,
        /// The line.
        line: LogLine,
    },
    /// An output broke off.
    Broken {
        /// Of this container.
        name: ContainerName,
        /// Why.
        error: EngineError,
    },
}

#[derive(Debug)]
enum Arrival {
    Line { name: ContainerName, time: i128, line: LogLine },
    Broken { name: ContainerName, error: EngineError },
}

/// Follows containers, each from where it was left.
#[derive(Debug)]
pub(crate) struct Follower {
    live: Live,
    until: Option<(i64, u32)>,
    sender: UnboundedSender<Arrival>,
    arrivals: UnboundedReceiver<Arrival>,
    tasks: BTreeMap<ContainerName, JoinHandle<()>>,
    /// Time of the last line of each container.
    last: BTreeMap<ContainerName, i128>,
    held: Vec<(Instant, i128, ContainerName, LogLine)>,
}

impl Follower {
    pub(crate) fn new(live: &Live, until: Option<(i64, u32)>) -> Self {
        let (sender, arrivals) = unbounded_channel();
        Self {
            live: live.clone(),
            until,
            sender,
            arrivals,
            tasks: BTreeMap::new(),
            last: BTreeMap::new(),
            held: Vec::new(),
        }
    }

    /// Follows a container; one that is followed already stays so.
    pub(crate) fn add(&mut self, name: &ContainerName, from: From) {
        if self.tasks.get(name).is_some_and(|task| !task.is_finished()) {
            return;
        }
        let from = self.last.get(name).map_or(from, |last| From::After(*last));
        let (since, after) = match from {
            From::After(time) => (seconds(time), time),
            From::At(time) => (seconds(time), i128::MIN),
        };
        let options = LogOptions { follow: true, since, until: self.until, tail: None };
        let mut stream = self.live.engines.streams.logs(name, &options);
        let (sender, container) = (self.sender.clone(), name.clone());
        let task = tokio::spawn(async move {
            let mut last = after;
            while let Some(line) = stream.next().await {
                let arrival = match line {
                    Ok(line) => {
                        let time = time_of(&line).unwrap_or(last);
                        // The engine counts the time given as part of what is wanted.
                        if time <= after && after != i128::MIN {
                            continue;
                        }
                        last = time;
                        Arrival::Line { name: container.clone(), time, line }
                    }
                    Err(error) => Arrival::Broken { name: container.clone(), error },
                };
                if sender.send(arrival).is_err() {
                    break;
                }
            }
        });
        self.tasks.insert(name.clone(), task);
    }

    /// Remembers the last line of a container that was shown already.
    pub(crate) fn seen(&mut self, name: &ContainerName, time: i128) {
        self.last.insert(name.clone(), time);
    }

    /// Returns the next pieces, in the order of time. Safe to drop.
    pub(crate) async fn next(&mut self) -> Vec<Piece> {
        loop {
            let ready = self.ready(Instant::now());
            if !ready.is_empty() {
                return ready;
            }
            let due = self.held.iter().map(|(arrived, ..)| *arrived + WINDOW).min();
            tokio::select! {
                Some(arrival) = self.arrivals.recv() => {
                    if let Some(broken) = self.take(arrival) {
                        return vec![broken];
                    }
                }
                () = until(due) => {}
            }
        }
    }

    /// Waits until every output has ended, or at the most so long, and returns what came.
    pub(crate) async fn drain(&mut self, limit: Duration) -> Vec<Piece> {
        let ends = futures::future::join_all(std::mem::take(&mut self.tasks).into_values());
        let _ = tokio::time::timeout(limit, ends).await;
        let mut broken = Vec::new();
        while let Ok(arrival) = self.arrivals.try_recv() {
            broken.extend(self.take(arrival));
        }
        let mut pieces = self.up_to(i128::MAX);
        pieces.extend(broken);
        pieces
    }

    fn take(&mut self, arrival: Arrival) -> Option<Piece> {
        match arrival {
            Arrival::Line { name, time, line } => {
                self.last.insert(name.clone(), time);
                self.held.push((Instant::now(), time, name, line));
                None
            }
            Arrival::Broken { name, error } => Some(Piece::Broken { name, error }),
        }
    }

    /// Hands out the lines that were held long enough, with all that are earlier than they.
    fn ready(&mut self, now: Instant) -> Vec<Piece> {
        let old = self.held.iter().filter(|(arrived, ..)| now.duration_since(*arrived) >= WINDOW);
        match old.map(|(_, time, ..)| *time).max() {
            Some(cut) => self.up_to(cut),
            None => Vec::new(),
        }
    }

    fn up_to(&mut self, cut: i128) -> Vec<Piece> {
        let (mut out, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.held).into_iter().partition(|(_, time, ..)| *time <= cut);
        self.held = kept;
        // Stable: lines of one container keep their order.
        out.sort_by_key(|(_, time, ..)| *time);
        out.into_iter().map(|(_, _, name, line)| Piece::Line { name, line }).collect()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.tasks.values().for_each(JoinHandle::abort);
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn seconds(time: i128) -> Option<(i64, u32)> {
    let seconds = i64::try_from(time.div_euclid(1_000_000_000)).ok()?;
    let nanos = u32::try_from(time.rem_euclid(1_000_000_000)).ok()?;
    Some((seconds, nanos))
}

//! Logs and events: what was, then what comes.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use rcompose_engine_adapter::{ContainerName, EngineEvent, EventSubject, LogLine, LogOptions, Result, Scope, Span};
use tokio::sync::watch;

use crate::Memory;
use crate::call::CallKind;
use crate::fault::unreachable;
use crate::observe::in_project;
use crate::state::Line;
use crate::time::{epoch, nanoseconds, rfc3339};

/// What a stream has to send next, and whether that is all.
pub(crate) struct Batch<T> {
    pub(crate) items: Vec<Result<T>>,
    pub(crate) last: bool,
}

impl<T> Batch<T> {
    pub(crate) fn failed(error: rcompose_engine_adapter::EngineError) -> Self {
        Self { items: vec![Err(error)], last: true }
    }
}

/// Something that has items to send, in batches.
pub(crate) trait Feed<T>: Send + 'static {
    /// Waits for the next batch.
    fn next(&mut self) -> impl Future<Output = Batch<T>> + Send;
}

/// Makes a stream of what a feed sends.
pub(crate) fn stream_of<T: Send + 'static>(feed: impl Feed<T>) -> BoxStream<'static, Result<T>> {
    let batches = stream::unfold(Some(feed), |feed| async move {
        let mut feed = feed?;
        let batch = feed.next().await;
        Some((stream::iter(batch.items), (!batch.last).then_some(feed)))
    });
    batches.flatten().boxed()
}

struct Events {
    memory: Memory,
    changes: watch::Receiver<u64>,
    scope: Scope,
    span: Span,
    next: usize,
    entered: bool,
}

impl Feed<EngineEvent> for Events {
    async fn next(&mut self) -> Batch<EngineEvent> {
        if self.entered {
            self.wait().await;
        } else if let Err(error) = self.memory.enter(CallKind::Events, "").await {
            return Batch::failed(error);
        }
        self.entered = true;
        if self.memory.client.faults().has_crashed() {
            return Batch::failed(unreachable());
        }
        let world = self.memory.world();
        let new = world.events.get(self.next..).unwrap_or_default();
        let wanted = |event: &&EngineEvent| in_scope(&self.scope, event) && self.is_within(event.time);
        let items = new.iter().filter(wanted).cloned().map(Ok).collect();
        self.next += new.len();
        let last = self.span.until.is_some_and(|until| epoch(world.now) >= until);
        Batch { items, last }
    }
}

impl Events {
    /// Waits for the next change, but not past the end.
    async fn wait(&mut self) {
        let change = self.memory.next_change(&mut self.changes);
        match self.span.until.map(|until| nanos(until).saturating_sub(nanoseconds(self.memory.world().now))) {
            None => change.await,
            Some(left) => {
                let left = Duration::from_nanos(u64::try_from(left).unwrap_or(0));
                let _at_the_end = tokio::time::timeout(left, change).await;
            }
        }
    }

    fn is_within(&self, time: i64) -> bool {
        self.span.since.is_none_or(|since| time >= nanos(since)) && self.span.until.is_none_or(|until| time <= nanos(until))
    }
}

fn nanos((seconds, nanoseconds): (i64, u32)) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(nanoseconds))
}

fn in_scope(scope: &Scope, event: &EngineEvent) -> bool {
    let named = match &event.subject {
        EventSubject::Container(name) => scope.containers.contains(name),
        EventSubject::Network(name) => scope.networks.contains(name),
        EventSubject::Volume(name) => scope.volumes.contains(name),
    };
    named || in_project(&scope.projects, &event.labels)
}

struct Logs {
    memory: Memory,
    changes: watch::Receiver<u64>,
    name: ContainerName,
    options: LogOptions,
    /// The container's id and how many of its lines are sent, once that is known.
    place: Option<(String, usize)>,
}

impl Feed<LogLine> for Logs {
    async fn next(&mut self) -> Batch<LogLine> {
        let (id, sent) = match self.place.take() {
            Some(place) => {
                self.memory.next_change(&mut self.changes).await;
                place
            }
            None => match self.begin().await {
                Ok(place) => place,
                Err(error) => return Batch::failed(error),
            },
        };
        let world = self.memory.world();
        let Some(container) = world.by_id(&id) else {
            return Batch { items: Vec::new(), last: true };
        };
        let new = container.output.get(sent..).unwrap_or_default();
        let items = new.iter().filter(|line| self.wants(line)).map(|line| Ok(log_line(line))).collect();
        let last = !self.options.follow || !container.is_up();
        self.place = Some((id, container.output.len()));
        Batch { items, last }
    }
}

impl Logs {
    /// Returns the container's id and the first line that the tail leaves.
    async fn begin(&self) -> Result<(String, usize)> {
        let _flight = self.memory.enter(CallKind::Logs, &self.name).await?;
        let world = self.memory.world();
        let container = world.container(&self.name)?;
        let wanted = container.output.iter().filter(|line| self.wants(line)).count();
        let tail = self.options.tail.map_or(usize::MAX, |it| usize::try_from(it).unwrap_or(usize::MAX));
        let mut skip = wanted.saturating_sub(tail);
        let first = container.output.iter().position(|line| {
            let wants = self.wants(line);
            let here = wants && skip == 0;
            skip = skip.saturating_sub(usize::from(wants));
            here
        });
        Ok((container.id.clone(), first.unwrap_or(container.output.len())))
    }

    fn wants(&self, line: &Line) -> bool {
        let at = epoch(line.at);
        self.options.since.is_none_or(|since| at >= since) && self.options.until.is_none_or(|until| at <= until)
    }
}

fn log_line(line: &Line) -> LogLine {
    LogLine { timestamp: rfc3339(line.at), stderr: line.stderr, line: line.text.clone() }
}

impl Memory {
    /// Sends a container's lines, and with `follow` those that come, until its end.
    pub(crate) fn log_stream(&self, name: &ContainerName, options: &LogOptions) -> BoxStream<'static, Result<LogLine>> {
        let changes = self.changes();
        stream_of(Logs { memory: self.clone(), changes, name: name.clone(), options: options.clone(), place: None })
    }

    /// Follows events.
    pub(crate) fn event_stream(&self, scope: Scope, span: Span) -> BoxStream<'static, Result<EngineEvent>> {
        let (changes, now) = (self.changes(), self.world().events.len());
        let next = if span.since.is_some() { 0 } else { now };
        stream_of(Events { memory: self.clone(), changes, scope, span, next, entered: false })
    }
}

//! Waits for a container: event-driven, with a look now and then in case an event is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use rcompose_engine_adapter::{ContainerName, EngineError, ErrorKind, LogOptions, ObservedContainer, Result, Scope};
use rcompose_planner::{Condition, StepId};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

use crate::call::Context;
use crate::output::{TAIL_LINES, Tail, text};
use crate::verdict::{Verdict, judge, late};
use crate::{EventKind, LastOutput, Progress};

/// The first look without an event comes so soon: containers that are up at once should not cost more.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The pause doubles up to this one.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// A container without a healthcheck has to run for so long before it counts as ready: a process that cannot do its work
/// (no configuration, port taken) mostly ends sooner.
const SETTLE: Duration = Duration::from_millis(500);
/// Each step that waits adds so much to the longest pause, so that all together look at most 50 times a second.
const PAUSE_PER_WAIT: Duration = Duration::from_millis(20);
/// The last lines of a container that failed are worth so much time.
pub(crate) const LOGS_LIMIT: Duration = Duration::from_secs(2);

/// One step that waits.
#[derive(Debug)]
pub(crate) struct Wait<'a> {
    pub(crate) step: StepId,
    pub(crate) name: &'a ContainerName,
    pub(crate) until: Condition,
    pub(crate) limit: Option<Duration>,
    pub(crate) bell: Arc<Notify>,
}

/// Counts itself among the steps that wait, as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }

    fn longest_pause(&self) -> Duration {
        let waits = u32::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        LONGEST_PAUSE.max(PAUSE_PER_WAIT.saturating_mul(waits))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Wait<'_> {
    /// Returns once the condition holds or cannot hold any more.
    pub(crate) async fn run(&self, context: &Context<'_>) -> Result<()> {
        let waiting = Waiting::new(&context.waits);
        let deadline = self.limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut pause = FIRST_PAUSE;
        // The first look is outside the limit: what holds already is never late.
        let mut last = self.look(context).await?;
        let mut runs_since: Option<Instant> = None;
        loop {
            let mut next_pause = pause;
            match judge(self.until, last.as_ref()) {
                Verdict::Holds => return Ok(()),
                Verdict::Settles => {
                    let runs_for = runs_since.get_or_insert_with(Instant::now).elapsed();
                    let Some(rest) = SETTLE.checked_sub(runs_for).filter(|rest| !rest.is_zero()) else {
                        return Ok(());
                    };
                    next_pause = pause.min(rest);
                }
                Verdict::NotYet => runs_since = None,
                Verdict::Absent => return Err(self.absent()),
                Verdict::Never(why) => return Err(self.failure(context, format!("container {} {why}", self.name)).await),
            }
            let next = tokio::select! {
                biased;
                looked = self.look_later(context, next_pause) => looked?,
                () = until(deadline) => {
                    if runs_since.is_some() {
                        return Ok(());
                    }
                    let limit = self.limit.unwrap_or_default();
                    let message = late(self.name, self.until, limit, last.as_ref());
                    return Err(self.failure(context, message).await);
                }
            };
            self.tell_change(context, last.as_ref(), next.as_ref());
            last = next;
            pause = (pause * 2).min(waiting.longest_pause());
        }
    }

    /// Looks after the pause, or at once when the bell rings.
    async fn look_later(&self, context: &Context<'_>, pause: Duration) -> Result<Option<ObservedContainer>> {
        // Whether it was the bell or the pause is all the same.
        let _ = timeout(pause, self.bell.notified()).await;
        self.observe(context).await
    }

    async fn look(&self, context: &Context<'_>) -> Result<Option<ObservedContainer>> {
        let seen = self.observe(context).await?;
        self.tell_change(context, None, seen.as_ref());
        Ok(seen)
    }

    async fn observe(&self, context: &Context<'_>) -> Result<Option<ObservedContainer>> {
        // Looks have permits of their own: a slow call must not make a container late that is in time.
        let _permit = context.looks.acquire().await.ok();
        let mut observed = context.engines.engine.observe(&Scope::container(self.name.clone())).await?;
        Ok(observed.containers.remove(self.name))
    }

    fn tell_change(&self, context: &Context<'_>, before: Option<&ObservedContainer>, now: Option<&ObservedContainer>) {
        let Some(now) = now else { return };
        if before.is_none_or(|it| (it.state, it.health) != (now.state, now.health)) {
            let progress = Progress::Waiting { state: now.state, health: now.health };
            context.emitter.emit(self.step, EventKind::Progress(progress));
        }
    }

    fn absent(&self) -> EngineError {
        EngineError::new(ErrorKind::NotFound, format!("container {} is not there", self.name))
    }

    async fn failure(&self, context: &Context<'_>, message: String) -> EngineError {
        let error = EngineError::new(ErrorKind::Other, message);
        // Without its logs the failure is told all the same.
        match timeout(LOGS_LIMIT, self.last_output(context)).await {
            Ok(Some(output)) => error.caused_by(output),
            Ok(None) | Err(_) => error,
        }
    }

    async fn last_output(&self, context: &Context<'_>) -> Option<LastOutput> {
        let options = LogOptions { tail: Some(TAIL_LINES as u64), ..LogOptions::default() };
        let mut lines = context.engines.streams.logs(self.name, &options);
        let mut tail = Tail::default();
        while let Some(Ok(line)) = lines.next().await {
            tail.push(text(&line.line));
        }
        tail.finish()
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

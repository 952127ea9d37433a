//! The loop that does a plan.

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rcompose_engine_adapter::{Engine, EngineError, Images, Streams};
use rcompose_planner::Plan;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::call::{Context, call};
use crate::event::Emitter;
use crate::schedule::{End, Schedule};
use crate::watch::{Bells, Watch, waited_for};
use crate::{Cancel, Event, EventKind, Level, Outcome, SkipCause};

/// Looks of waiting steps at the same time, where the limit is higher or there is none: they are short reads.
const LOOKS: usize = 16;

/// The seams that a plan is done through.
#[derive(Debug, Clone)]
pub struct Engines {
    /// Containers, networks, volumes.
    pub engine: Arc<dyn Engine>,
    /// Images.
    pub images: Arc<dyn Images>,
    /// Hooks, and the last lines of a container that failed.
    pub streams: Arc<dyn Streams>,
}

/// How a plan is done.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Engine calls at the same time; `None` is without limit. A step that waits holds none of them.
    pub parallel: Option<NonZeroUsize>,
}

/// Does a plan: as much at the same time as its edges and the limit allow.
///
/// Every step ends in exactly one of `Done`, `Failed` and `Skipped`. Dropping the future drops the run: no step goes on,
/// and what each had asked of the engine may or may not have happened.
pub async fn run(plan: &Plan, engines: &Engines, options: &Options, cancel: &Cancel, events: UnboundedSender<Event>) -> Outcome {
    let emitter = Emitter::new(events);
    let limit = options.parallel.map_or(Semaphore::MAX_PERMITS, |it| it.get().min(Semaphore::MAX_PERMITS));
    let context = Context {
        engines,
        emitter: &emitter,
        looks: Semaphore::new(limit.min(LOOKS)),
        bells: Bells::default(),
        waits: AtomicUsize::new(0),
    };
    let mut run = Run {
        plan,
        context: &context,
        schedule: Schedule::new(plan),
        permits: Arc::new(Semaphore::new(limit)),
        calls: Running { steps: FuturesUnordered::new(), indices: vec![false; plan.steps.len()] },
        waits: Running { steps: FuturesUnordered::new(), indices: vec![false; plan.steps.len()] },
        watch: Watch::new(plan),
        outcome: Outcome::default(),
    };
    run.until_end(cancel).await;
    run.outcome
}

type StepFuture<'a> = Pin<Box<dyn Future<Output = (usize, Result<(), EngineError>)> + Send + 'a>>;

/// Steps that run, and which they are.
struct Running<'a> {
    steps: FuturesUnordered<StepFuture<'a>>,
    indices: Vec<bool>,
}

impl<'a> Running<'a> {
    fn push(&mut self, index: usize, step: impl Future<Output = Result<(), EngineError>> + Send + 'a) {
        self.indices[index] = true;
        self.steps.push(Box::pin(async move { (index, step.await) }));
    }

    /// Returns the next end; for ever where nothing runs. Safe to drop.
    async fn next(&mut self) -> (usize, Result<(), EngineError>) {
        match self.steps.next().await {
            Some((index, result)) => {
                self.indices[index] = false;
                (index, result)
            }
            None => std::future::pending().await,
        }
    }

    /// Drops all that runs; returns which steps that were, in the plan's order.
    fn drop_all(&mut self) -> Vec<usize> {
        self.steps.clear();
        let dropped = (0..self.indices.len()).filter(|index| self.indices[*index]).collect();
        self.indices.fill(false);
        dropped
    }
}

struct Run<'a> {
    plan: &'a Plan,
    context: &'a Context<'a>,
    schedule: Schedule,
    permits: Arc<Semaphore>,
    /// Steps whose engine call runs.
    calls: Running<'a>,
    /// Steps that wait for a container.
    waits: Running<'a>,
    watch: Watch,
    outcome: Outcome,
}

impl Run<'_> {
    async fn until_end(&mut self, cancel: &Cancel) {
        let mut level = Level::Run;
        loop {
            if cancel.level() > level {
                level = cancel.level();
                self.wind_down(level);
            }
            self.settle();
            if self.calls.steps.is_empty() && self.waits.steps.is_empty() && !self.schedule.has_ready() {
                // What is left now has no order that lets it start.
                self.schedule.give_up();
                self.settle();
                return;
            }
            tokio::select! {
                biased;
                () = cancel.above(level) => {}
                (index, result) = self.calls.next() => self.end(index, result),
                (index, result) = self.waits.next() => self.end(index, result),
                () = self.watch.ring_next(&self.context.bells) => {}
                permit = Arc::clone(&self.permits).acquire_owned(), if self.schedule.has_ready() => self.start(permit.ok()),
            }
        }
    }

    /// Ends what is to be skipped, and starts what only waits.
    fn settle(&mut self) {
        loop {
            let skips = self.schedule.take_skips();
            let waits = self.schedule.take_ready_waits();
            if skips.is_empty() && waits.is_empty() {
                return;
            }
            skips.into_iter().for_each(|(index, cause)| self.skip(index, cause));
            if !waits.is_empty() {
                self.watch.open(&*self.context.engines.engine);
            }
            for index in waits {
                let (step, context) = (&self.plan.steps[index], self.context);
                context.emitter.emit(step.id, EventKind::Started);
                self.waits.push(index, call(step, context, None));
            }
        }
    }

    /// Starts the next step that makes a call.
    fn start(&mut self, permit: Option<OwnedSemaphorePermit>) {
        if let Some(index) = self.schedule.next_ready() {
            let (step, context) = (&self.plan.steps[index], self.context);
            if waited_for(&step.action).is_some() {
                self.watch.open(&*context.engines.engine);
            }
            context.emitter.emit(step.id, EventKind::Started);
            self.calls.push(index, call(step, context, permit));
        }
    }

    fn end(&mut self, index: usize, result: Result<(), EngineError>) {
        let step = &self.plan.steps[index];
        match result {
            Ok(()) => {
                self.context.emitter.emit(step.id, EventKind::Done);
                self.outcome.done.push(step.id);
                self.schedule.end(index, End::Done);
            }
            Err(error) => {
                tracing::debug!(step = step.id.0, %error, "step failed");
                let error = Arc::new(error);
                self.context.emitter.emit(step.id, EventKind::Failed(Arc::clone(&error)));
                let list = if step.optional {
                    &mut self.outcome.warnings
                } else {
                    &mut self.outcome.failed
                };
                list.push((step.id, error));
                self.schedule.end(index, End::Failed { optional: step.optional });
            }
        }
        if let Some(cause) = self.schedule.stopped() {
            self.give_up_waits(cause);
        }
    }

    fn skip(&mut self, index: usize, cause: SkipCause) {
        let step = &self.plan.steps[index];
        self.context.emitter.emit(step.id, EventKind::Skipped(cause));
        self.outcome.skipped.push((step.id, cause));
        self.schedule.end(index, End::Skipped(cause));
    }

    fn wind_down(&mut self, level: Level) {
        self.outcome.cancelled = true;
        self.schedule.stop(SkipCause::Cancelled);
        self.give_up_waits(SkipCause::Cancelled);
        if level == Level::Drop {
            for index in self.calls.drop_all() {
                self.skip(index, SkipCause::Dropped);
            }
        }
    }

    /// Once nothing new starts nobody needs what a step waits for, and the wait could last for ever.
    fn give_up_waits(&mut self, cause: SkipCause) {
        for index in self.waits.drop_all() {
            self.skip(index, cause);
        }
    }
}

//! Runs a plan, keeps its events, and checks what holds for every run.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use rcompose_executor::{Cancel, Engines, Event, EventKind, Options, Outcome, Progress, SkipCause, run};
use rcompose_memory::Memory;
use rcompose_planner::{OnFailure, Plan, Step, StepId};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// No run of these tests takes so long.
const LONGEST_RUN: Duration = Duration::from_secs(100 * 3600);

/// How a run went.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) outcome: Outcome,
    pub(crate) events: Vec<Event>,
}

pub(crate) fn engines(memory: &Memory) -> Engines {
    Engines {
        engine: Arc::new(memory.clone()),
        images: Arc::new(memory.clone()),
        streams: Arc::new(memory.clone()),
    }
}

pub(crate) fn parallel(limit: usize) -> Options {
    Options { parallel: NonZeroUsize::new(limit) }
}

/// Does a plan to its end.
pub(crate) async fn go(plan: &Plan, memory: &Memory, limit: usize) -> Trace {
    go_until(plan, memory, limit, &Cancel::new()).await
}

/// Does a plan to its end, or as far as it may; checks what holds for every run. A limit of 0 is none.
pub(crate) async fn go_until(plan: &Plan, memory: &Memory, limit: usize, cancel: &Cancel) -> Trace {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let (engines, options) = (engines(memory), parallel(limit));
    // Time is virtual: a run that would never end fails here instead of hanging.
    let outcome = timeout(LONGEST_RUN, run(plan, &engines, &options, cancel, sender)).await.unwrap();
    let mut events = Vec::new();
    while let Ok(event) = receiver.try_recv() {
        events.push(event);
    }
    let trace = Trace { outcome, events };
    trace.check(plan);
    if limit > 0 {
        let most = memory.most_in_flight();
        assert!(most.mutating <= limit && most.observing <= limit, "{most:?} calls in flight with a limit of {limit}");
    }
    trace
}

impl Trace {
    /// Returns the place of a step's first event of this word: `started`, `done`, `failed`, `skipped`.
    pub(crate) fn at(&self, step: StepId, word: &str) -> Option<usize> {
        self.events.iter().position(|event| event.step == step && self::word(&event.kind) == word)
    }

    pub(crate) fn skipped(&self, step: StepId) -> Option<SkipCause> {
        self.outcome.skipped.iter().find(|(id, _)| *id == step).map(|(_, cause)| *cause)
    }

    pub(crate) fn failure(&self, step: StepId) -> String {
        let all = self.outcome.failed.iter().chain(&self.outcome.warnings);
        all.filter(|(id, _)| *id == step).map(|(_, error)| error.to_string()).collect()
    }

    pub(crate) fn progress(&self, step: StepId) -> Vec<&Progress> {
        let own = self.events.iter().filter(|event| event.step == step);
        own.filter_map(|event| {
            if let EventKind::Progress(progress) = &event.kind {
                Some(progress)
            } else {
                None
            }
        })
        .collect()
    }

    fn check(&self, plan: &Plan) {
        let mut started = BTreeSet::new();
        let mut ends: BTreeMap<StepId, &EventKind> = BTreeMap::new();
        for (index, event) in self.events.iter().enumerate() {
            assert_eq!(event.seq, index as u64, "events are numbered without a gap");
            assert!(index == 0 || self.events[index - 1].at <= event.at, "time goes back at {event:?}");
            let step = plan.step(event.step).unwrap();
            assert!(!ends.contains_key(&step.id), "{event:?} comes after the end of its step");
            match &event.kind {
                EventKind::Started => {
                    assert!(started.insert(step.id), "step {} starts twice", step.id);
                    may_start(plan, step, &ends);
                }
                EventKind::Progress(_) => assert!(started.contains(&step.id), "{event:?} comes before the start"),
                EventKind::Done | EventKind::Failed(_) => {
                    assert!(started.contains(&step.id), "{event:?} comes without a start");
                    ends.insert(step.id, &event.kind);
                }
                EventKind::Skipped(_) => {
                    ends.insert(step.id, &event.kind);
                }
            }
        }
        assert_eq!(ends.len(), plan.steps.len(), "every step ends");
        self.check_outcome(plan, &ends);
    }

    fn check_outcome(&self, plan: &Plan, ends: &BTreeMap<StepId, &EventKind>) {
        let outcome = &self.outcome;
        let lists = outcome.done.len() + outcome.failed.len() + outcome.warnings.len() + outcome.skipped.len();
        assert_eq!(lists, plan.steps.len(), "each step is in one list of the outcome");
        assert!(outcome.done.iter().all(|id| matches!(ends[id], EventKind::Done)));
        assert!(outcome.skipped.iter().all(|(id, _)| matches!(ends[id], EventKind::Skipped(_))));
        let optional = |id: &StepId| plan.step(*id).unwrap().optional;
        assert!(outcome.failed.iter().all(|(id, _)| matches!(ends[id], EventKind::Failed(_)) && !optional(id)));
        assert!(outcome.warnings.iter().all(|(id, _)| matches!(ends[id], EventKind::Failed(_)) && optional(id)));
    }
}

fn may_start(plan: &Plan, step: &Step, ends: &BTreeMap<StepId, &EventKind>) {
    for before in &step.after {
        let end = ends.get(before);
        let enough = match plan.on_failure {
            OnFailure::Stop => matches!(end, Some(EventKind::Done)),
            OnFailure::Continue => end.is_some(),
        };
        assert!(enough, "step {} starts after {before} was {end:?}", step.id);
    }
    for before in &step.after_end {
        assert!(ends.contains_key(before), "step {} starts before {before} has ended", step.id);
    }
    if plan.on_failure == OnFailure::Stop {
        let failed = ends
            .iter()
            .any(|(id, end)| matches!(end, EventKind::Failed(_)) && !plan.step(*id).unwrap().optional);
        assert!(!failed, "step {} starts after a failure", step.id);
    }
}

fn word(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Started => "started",
        EventKind::Progress(_) => "progress",
        EventKind::Done => "done",
        EventKind::Failed(_) => "failed",
        EventKind::Skipped(_) => "skipped",
    }
}

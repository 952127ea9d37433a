//! Which step may start: dependency counts and a ready queue, without IO or time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use rcompose_planner::{OnFailure, Plan, StepId};

use crate::SkipCause;
use crate::call::is_wait;

/// How a step ended, as far as what comes after it is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    Failed { optional: bool },
    Skipped(SkipCause),
}

/// Follows the plan's edges. Each step and edge is touched once.
#[derive(Debug)]
pub(crate) struct Schedule {
    ids: Vec<StepId>,
    /// Predecessors that have not ended, by step.
    missing: Vec<usize>,
    /// (successor, whether it needs success), by step.
    successors: Vec<Vec<(usize, bool)>>,
    /// Why a step will not be done, though its other predecessors have not ended yet.
    doomed: Vec<Option<SkipCause>>,
    /// Steps that may start, the first of the plan first.
    ready: BinaryHeap<Reverse<usize>>,
    /// Steps that may start and only wait.
    ready_waits: Vec<usize>,
    waits: Vec<bool>,
    /// Steps that are to be skipped now.
    skips: Vec<(usize, SkipCause)>,
    /// Steps that have not been handed out.
    waiting: Vec<bool>,
    on_failure: OnFailure,
    stop: Option<SkipCause>,
}

impl Schedule {
    pub(crate) fn new(plan: &Plan) -> Self {
        let count = plan.steps.len();
        let position: HashMap<StepId, usize> = plan.steps.iter().enumerate().map(|(index, step)| (step.id, index)).collect();
        let mut schedule = Self {
            ids: plan.steps.iter().map(|step| step.id).collect(),
            missing: vec![0; count],
            successors: vec![Vec::new(); count],
            doomed: vec![None; count],
            ready: BinaryHeap::new(),
            ready_waits: Vec::new(),
            waits: plan.steps.iter().map(is_wait).collect(),
            skips: Vec::new(),
            waiting: vec![true; count],
            on_failure: plan.on_failure,
            stop: None,
        };
        for (index, step) in plan.steps.iter().enumerate() {
            let edges = step.after.iter().map(|id| (id, true)).chain(step.after_end.iter().map(|id| (id, false)));
            for (id, needs_success) in edges {
                schedule.missing[index] += 1;
                // A predecessor that is no step never ends, so that the step is found unordered.
                if let Some(before) = position.get(id) {
                    schedule.successors[*before].push((index, needs_success));
                }
            }
            if schedule.missing[index] == 0 {
                schedule.release(index);
            }
        }
        schedule
    }

    /// Hands out the steps that may start and only wait.
    pub(crate) fn take_ready_waits(&mut self) -> Vec<usize> {
        let ready = std::mem::take(&mut self.ready_waits);
        ready.iter().for_each(|index| self.waiting[*index] = false);
        ready
    }

    /// Tells whether a step that makes a call may start now.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Hands out the next step that may start and makes a call.
    pub(crate) fn next_ready(&mut self) -> Option<usize> {
        let Reverse(index) = self.ready.pop()?;
        self.waiting[index] = false;
        Some(index)
    }

    /// Hands out the steps that are to be skipped; each has to be given to [`Self::end`] in turn.
    pub(crate) fn take_skips(&mut self) -> Vec<(usize, SkipCause)> {
        std::mem::take(&mut self.skips)
    }

    /// Returns why nothing new starts, once that is so.
    pub(crate) fn stopped(&self) -> Option<SkipCause> {
        self.stop
    }

    /// Lets nothing new start: all that waits is to be skipped. The first cause stays.
    pub(crate) fn stop(&mut self, cause: SkipCause) {
        if self.stop.is_none() {
            self.stop = Some(cause);
            self.skip_waiting(cause);
        }
    }

    /// Skips what is still waiting although nothing runs: no order lets it start.
    pub(crate) fn give_up(&mut self) {
        self.skip_waiting(SkipCause::Unordered);
    }

    fn skip_waiting(&mut self, cause: SkipCause) {
        self.ready.clear();
        self.ready_waits.clear();
        for index in 0..self.waiting.len() {
            if std::mem::take(&mut self.waiting[index]) {
                self.skips.push((index, cause));
            }
        }
    }

    /// Takes in the end of a step that was handed out.
    pub(crate) fn end(&mut self, index: usize, end: End) {
        if self.on_failure == OnFailure::Stop && end == (End::Failed { optional: false }) {
            self.stop(SkipCause::Failed(self.ids[index]));
        }
        let cause = match (end, self.on_failure) {
            (End::Done, _) | (_, OnFailure::Continue) => None,
            (End::Failed { .. }, OnFailure::Stop) => Some(SkipCause::Failed(self.ids[index])),
            (End::Skipped(cause), OnFailure::Stop) => Some(cause),
        };
        for (successor, needs_success) in std::mem::take(&mut self.successors[index]) {
            self.missing[successor] -= 1;
            if needs_success && self.doomed[successor].is_none() {
                self.doomed[successor] = cause;
            }
            if self.missing[successor] == 0 && self.waiting[successor] {
                self.release(successor);
            }
        }
    }

    /// All predecessors have ended: the step may start, or is skipped. A skip waits for that too, so that no step
    /// that only needs its end comes before what it was ordered behind.
    fn release(&mut self, index: usize) {
        match self.doomed[index] {
            None if self.waits[index] => self.ready_waits.push(index),
            None => self.ready.push(Reverse(index)),
            Some(cause) => {
                self.waiting[index] = false;
                self.skips.push((index, cause));
            }
        }
    }
}

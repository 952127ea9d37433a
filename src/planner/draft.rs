//! A plan under construction: steps in any order, put in order at the end.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use rcompose_engine_adapter::EngineInfo;

use crate::{Action, Notice, OnFailure, Plan, Reason, Risk, Step, StepId};

/// A handle on a step of a [`Draft`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Handle(usize);

/// Steps so far.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    steps: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    action: Action,
    because: Reason,
    after: BTreeSet<Handle>,
    after_end: BTreeSet<Handle>,
    risk: Option<Risk>,
    optional: bool,
}

impl Draft {
    /// Adds a step that comes after others.
    pub(crate) fn add(&mut self, action: Action, because: Reason, after: impl IntoIterator<Item = Handle>) -> Handle {
        let after = after.into_iter().collect();
        self.steps
            .push(Entry { action, because, after, after_end: BTreeSet::new(), risk: None, optional: false });
        Handle(self.steps.len() - 1)
    }

    /// Makes a step wait for another's success.
    pub(crate) fn after(&mut self, step: Handle, before: Handle) {
        if let Some(entry) = self.steps.get_mut(step.0) {
            entry.after.insert(before);
        }
    }

    /// Makes a step wait for another's end.
    pub(crate) fn after_end(&mut self, step: Handle, before: Handle) {
        if let Some(entry) = self.steps.get_mut(step.0) {
            entry.after_end.insert(before);
        }
    }

    /// Says what a step could lose.
    pub(crate) fn risk(&mut self, step: Handle, risk: Risk) {
        if let Some(entry) = self.steps.get_mut(step.0) {
            entry.risk = Some(risk);
        }
    }

    /// Makes a step's failure a warning, or a failure again.
    pub(crate) fn optional(&mut self, step: Handle, optional: bool) {
        if let Some(entry) = self.steps.get_mut(step.0) {
            entry.optional = optional;
        }
    }

    /// Puts the steps in order: each after what it waits for, else as they were added.
    pub(crate) fn finish(self, project: &str, engine: &EngineInfo, on_failure: OnFailure, notices: Vec<Notice>) -> Plan {
        let order = self.order();
        let numbers: BTreeMap<Handle, StepId> = order.iter().zip(1..).map(|(&index, number)| (Handle(index), StepId(number))).collect();
        let renumber = |handles: &BTreeSet<Handle>| handles.iter().filter_map(|it| numbers.get(it).copied()).collect();
        let mut entries: Vec<Option<Entry>> = self.steps.into_iter().map(Some).collect();
        let mut steps = Vec::with_capacity(entries.len());
        for index in order {
            let Some(entry) = entries.get_mut(index).and_then(Option::take) else {
                continue;
            };
            let Some(&id) = numbers.get(&Handle(index)) else { continue };
            let (after, after_end) = (renumber(&entry.after), renumber(&entry.after_end));
            let Entry { action, because, risk, optional, .. } = entry;
            steps.push(Step { id, action, because, after, after_end, risk, optional });
        }
        Plan {
            project: project.to_owned(),
            engine: engine.clone(),
            steps,
            on_failure,
            unchanged: Vec::new(),
            notices,
        }
    }

    fn order(&self) -> Vec<usize> {
        let mut open: Vec<usize> = self.steps.iter().map(|entry| entry.after.union(&entry.after_end).count()).collect();
        let mut followers: Vec<Vec<usize>> = vec![Vec::new(); self.steps.len()];
        for (index, entry) in self.steps.iter().enumerate() {
            for before in entry.after.union(&entry.after_end) {
                if let Some(list) = followers.get_mut(before.0) {
                    list.push(index);
                }
            }
        }
        let mut ready: BinaryHeap<Reverse<usize>> =
            open.iter().enumerate().filter(|(_, count)| **count == 0).map(|(index, _)| Reverse(index)).collect();
        let mut order = Vec::with_capacity(self.steps.len());
        while let Some(Reverse(index)) = ready.pop() {
            order.push(index);
            for &follower in followers.get(index).into_iter().flatten() {
                if let Some(count) = open.get_mut(follower) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(Reverse(follower));
                    }
                }
            }
        }
        // Steps in a circle are a mistake of a verb; nothing is lost in silence, since the executor reports what has no order.
        order.extend(open.iter().enumerate().filter(|(_, count)| **count > 0).map(|(index, _)| index));
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcompose_engine_adapter::ContainerName;

    fn start(name: &str) -> Action {
        Action::StartContainer { name: ContainerName::from(name) }
    }

    #[test]
    fn steps_are_numbered_in_an_order_that_respects_edges() {
        let mut draft = Draft::default();
        let web = draft.add(start("web"), Reason::Missing, []);
        let db = draft.add(start("db"), Reason::Missing, []);
        let other = draft.add(start("other"), Reason::Missing, []);
        draft.after(web, db);
        draft.after_end(db, other);
        let plan = draft.finish("p", &EngineInfo::default(), OnFailure::Stop, Vec::new());
        let names: Vec<String> = plan.steps.iter().map(|step| step.action.subject().name).collect();
        assert_eq!(names, ["other", "db", "web"]);
        assert_eq!(plan.steps[2].after, BTreeSet::from([StepId(2)]));
        assert_eq!(plan.steps[1].after_end, BTreeSet::from([StepId(1)]));
    }
}

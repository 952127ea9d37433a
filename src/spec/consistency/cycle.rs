//! Services that wait for each other in a circle.

use std::collections::BTreeMap;

use super::Checker;
use crate::error::{Code, Finding};

/// Most services of a circle that are named; whoever reads of more looks at the file anyway.
const MOST_SHOWN: usize = 20;
/// Most circles that are shown; among services that all wait for each other there are thousands.
const MOST_CIRCLES: usize = 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Done,
}

impl Checker<'_> {
    /// Reports each circle once, from its first service in the order of names; of many, how many more there are.
    pub(super) fn cycles(&mut self) {
        let mut found = 0;
        let mut states: BTreeMap<&str, State> = BTreeMap::new();
        let project = self.project;
        for start in project.services.keys() {
            // An explicit stack, since chains of dependencies can be long.
            let mut stack: Vec<(&str, Vec<&str>)> = Vec::new();
            let next = |name: &str| -> Vec<&str> {
                let service = project.services.get(name);
                service.map_or_else(Vec::new, |service| service.depends_on.keys().rev().map(String::as_str).collect())
            };
            if states.contains_key(start.as_str()) {
                continue;
            }
            states.insert(start, State::Open);
            stack.push((start, next(start)));
            while let Some((_, pending)) = stack.last_mut() {
                let Some(dependency) = pending.pop() else {
                    if let Some((name, _)) = stack.pop() {
                        states.insert(name, State::Done);
                    }
                    continue;
                };
                match states.get(dependency) {
                    Some(State::Done) => {}
                    Some(State::Open) if found >= MOST_CIRCLES => found += 1,
                    Some(State::Open) => {
                        found += 1;
                        let names: Vec<&str> = stack.iter().map(|(name, _)| *name).collect();
                        let from = names.iter().position(|name| *name == dependency).unwrap_or(0);
                        self.cycle(&names[from..]);
                    }
                    None => {
                        states.insert(dependency, State::Open);
                        stack.push((dependency, next(dependency)));
                    }
                }
            }
        }
        if let Some(more) = found.checked_sub(MOST_CIRCLES).filter(|more| *more > 0) {
            let message = format!("{more} more circles of dependencies were found");
            self.findings.error(Finding::new(Code::DependencyCycle, message));
        }
    }

    fn cycle(&mut self, names: &[&str]) {
        let Some(first) = names.first() else { return };
        let closed: Vec<&str> = names.iter().chain([first]).copied().collect();
        let message = format!("dependency cycle detected: {}", shown(&closed));
        let mut error = Finding::new(Code::DependencyCycle, message)
            .label("the circle begins here")
            .hint("remove one of these dependencies");
        for pair in closed.windows(2).skip(1).take(MOST_SHOWN) {
            if let Some(span) = self.origins.get(&format!("services.{}.depends_on.{}", pair[0], pair[1])) {
                error = error.note(span, format!("{} depends on {}", pair[0], pair[1]));
            }
        }
        let path = format!("services.{}.depends_on.{}", closed[0], closed[1]);
        self.error(path, error);
    }
}

/// The services of a circle; of a long one those at its ends.
fn shown(names: &[&str]) -> String {
    let left_out = names.len().saturating_sub(MOST_SHOWN);
    if left_out == 0 {
        return names.join(" -> ");
    }
    let (front, back) = (&names[..MOST_SHOWN / 2], &names[names.len() - MOST_SHOWN / 2..]);
    format!("{} -> … {left_out} more … -> {}", front.join(" -> "), back.join(" -> "))
}

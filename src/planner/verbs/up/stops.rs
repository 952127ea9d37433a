//! Steps that stop what is replaced or restarted, dependents first.

use super::Builder;
use super::unit::{Fate, Unit};
use crate::draft::Handle;
use crate::verbs::stop::stop_steps;
use crate::{Reason, lower};

impl Builder<'_> {
    pub(super) fn stop_steps(&mut self) {
        let mut order = self.order();
        order.reverse();
        for name in order {
            let Some(mut replicas) = self.services.remove(&name) else {
                continue;
            };
            if replicas.units.iter().any(|unit| is_replaced(unit) && unit.is_up()) {
                self.restart_dependents(&name);
            }
            let before = self.dependents_stopped(&name);
            let stops_first = self.stops_first(&name);
            for unit in &mut replicas.units {
                self.stop(&name, unit, stops_first);
                if let Some(first) = unit.stopping {
                    before.iter().for_each(|&handle| self.draft.after(first, handle));
                }
                if let (Some(removed), Some(stopped)) = (unit.removed, unit.stopped) {
                    self.draft.after(removed, stopped);
                }
                if let (Some(existing), Some(removed)) = (unit.existing, unit.removed) {
                    self.goes(existing, unit.stopped.unwrap_or(removed), removed);
                }
            }
            self.services.insert(name, replicas);
        }
    }

    fn stop(&mut self, name: &str, unit: &mut Unit<'_>, stops_first: bool) {
        let because = match &unit.restart {
            _ if is_replaced(unit) => Reason::Replaced,
            Some(reason) => reason.clone(),
            None => return,
        };
        let Some(existing) = unit.existing.filter(|_| unit.stopped.is_none()) else {
            return;
        };
        let service = self.project.services.get(name).map(AsRef::as_ref);
        let stopping = stop_steps(&mut self.draft, service, existing, self.options.timeout, &because);
        if let (Some(stopping), Some(created)) = (stopping, unit.created.filter(|_| is_recreated(unit) && !stops_first)) {
            self.draft.after(stopping.first, created);
        }
        unit.stopping = stopping.map(|it| it.first);
        unit.stopped = stopping.map(|it| it.last);
    }

    /// Makes running dependents with `restart: true` stop and start again.
    fn restart_dependents(&mut self, name: &str) {
        let dependents: Vec<String> = self
            .graph
            .dependents(name)
            .into_iter()
            .filter(|(_, it)| it.restart)
            .map(|(dependent, _)| dependent.to_owned())
            .collect();
        for dependent in dependents {
            let Some(mut replicas) = self.services.remove(&dependent) else {
                continue;
            };
            for unit in replicas.units.iter_mut().filter(|unit| unit.fate == Fate::Keep && unit.restart.is_none()) {
                unit.restart = Some(Reason::Follows(format!("service {name}")));
                self.stop(&dependent, unit, true);
            }
            self.services.insert(dependent, replicas);
        }
    }

    /// Returns the steps that stop what depends on a service, where this plan stops it.
    fn dependents_stopped(&self, name: &str) -> Vec<Handle> {
        let dependents = self.graph.dependents(name);
        let replicas = dependents.iter().filter_map(|(dependent, _)| self.services.get(*dependent));
        replicas.flat_map(|replicas| &replicas.units).filter_map(|unit| unit.stopped).collect()
    }

    /// What borrows or links cannot be made before what it needs is stopped and gone, so it stops first; and where a network
    /// or volume is made anew, what uses it must stop before anything can be made.
    fn stops_first(&self, name: &str) -> bool {
        let Some(service) = self.project.services.get(name) else {
            return false;
        };
        let anew = !self.replaced_networks.is_empty() || !self.volume_removals.is_empty();
        anew || lower::made_first(service)
            .into_iter()
            .any(|lender| self.services.get(lender).is_some_and(super::Replicas::any_made))
    }
}

fn is_recreated(unit: &Unit<'_>) -> bool {
    matches!(unit.fate, Fate::Recreate(_))
}

fn is_replaced(unit: &Unit<'_>) -> bool {
    matches!(unit.fate, Fate::Recreate(_) | Fate::Rebuild(_))
}

//! Steps that stop what is replaced, and first those that depend on it and asked to be restarted.

use super::Builder;
use super::unit::Fate;
use crate::draft::Handle;
use crate::verbs::stop::{pre_stop_steps, stop_action};
use crate::{Reason, lower};

impl Builder<'_> {
    /// Dependents first.
    pub(super) fn stop_steps(&mut self) {
        let mut order = self.order();
        order.reverse();
        for name in order {
            let Some(mut replicas) = self.services.remove(&name) else {
                continue;
            };
            let replaced = replicas
                .units
                .iter()
                .any(|unit| matches!(unit.fate, Fate::Recreate(_) | Fate::Rebuild(_)) && unit.is_up());
            let before = if replaced { self.restart_dependents(&name) } else { Vec::new() };
            // What borrows cannot be made before what it borrows from is stopped and gone, so it stops first; and where a
            // network or volume is made anew, what uses it must stop before anything can be made.
            let stops_first = self.borrows_from_made(&name) || !self.replaced_networks.is_empty() || !self.volume_removals.is_empty();
            for unit in &mut replicas.units {
                let Some(existing) = unit.existing.filter(|_| unit.is_up()) else {
                    continue;
                };
                let because = match (&unit.fate, &unit.restart) {
                    (Fate::Recreate(_) | Fate::Rebuild(_), _) => Reason::Replaced,
                    (Fate::Keep | Fate::Unpause | Fate::Start(_) | Fate::Create(_), Some(reason)) => reason.clone(),
                    (Fate::Keep | Fate::Unpause | Fate::Start(_) | Fate::Create(_), None) => continue,
                };
                if unit.stopped.is_none() {
                    let made_before = unit.created.filter(|_| matches!(unit.fate, Fate::Recreate(_)) && !stops_first);
                    let hooks = pre_stop_steps(&mut self.draft, self.project.services.get(&name), existing, &because, made_before);
                    let after: Vec<Handle> = hooks.into_iter().chain(made_before).collect();
                    unit.stopped = Some(self.draft.add(stop_action(&existing.name, self.options.timeout), because, after));
                }
                let Some(stopped) = unit.stopped else { continue };
                before.iter().for_each(|&handle| self.draft.after(stopped, handle));
                if let Some(removed) = unit.removed {
                    self.draft.after(removed, stopped);
                }
            }
            self.services.insert(name, replicas);
        }
    }

    /// Makes running dependents with `restart: true` stop and start again; returns the steps that stop them.
    fn restart_dependents(&mut self, name: &str) -> Vec<Handle> {
        let dependents: Vec<String> = self
            .graph
            .dependents(name)
            .into_iter()
            .filter(|(_, it)| it.restart)
            .map(|(dependent, _)| dependent.to_owned())
            .collect();
        let mut stops = Vec::new();
        for dependent in dependents {
            let Some(replicas) = self.services.get_mut(&dependent) else {
                continue;
            };
            for unit in &mut replicas.units {
                if unit.fate == Fate::Keep && unit.restart.is_none() {
                    let because = Reason::Follows(format!("service {name}"));
                    unit.restart = Some(because.clone());
                    if let Some(existing) = unit.existing {
                        let service = self.project.services.get(&dependent);
                        let hooks = pre_stop_steps(&mut self.draft, service, existing, &because, None);
                        unit.stopped = Some(self.draft.add(stop_action(&existing.name, self.options.timeout), because, hooks));
                    }
                }
                stops.extend(unit.stopped);
            }
        }
        stops
    }

    fn borrows_from_made(&self, name: &str) -> bool {
        let Some(service) = self.project.services.get(name) else {
            return false;
        };
        lower::borrowed_services(service).any(|lender| self.services.get(lender).is_some_and(super::Replicas::any_made))
    }
}

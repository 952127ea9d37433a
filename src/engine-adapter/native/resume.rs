//! What comes up again after a start of the machine.
//!
//! Whoever ran when the machine went down is known by its record: it says that it runs, in another start of the machine. One that is
//! stopped in good order as the machine goes down looks as if it had been stopped by hand; so who ran is written down first. And where the machine's manager has
//! sent SIGTERM to a shim before, since that is in the session or unit of whoever called, the record says that it was a signal.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rcompose_engine_adapter::{ContainerName, ContainerState, Restart, Result, labels};
use rcompose_supervise::Record;
use serde::{Deserialize, Serialize};

use crate::document::{Container, FORM, check_form};
use crate::engine::Native;
use crate::file;
use crate::place::Places;
use crate::sentence::Standing;
use crate::stand;

/// Which containers ran when their project was stopped with the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Suspended {
    form: u32,
    containers: BTreeSet<String>,
}

/// What comes up again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resumption {
    /// Containers to start.
    pub start: BTreeSet<ContainerName>,
    /// Those of them that have to be made anew: their secrets were in memory, or their replacement was cut off.
    pub remake: BTreeSet<ContainerName>,
}

impl Native {
    /// Writes down which containers of a project run, before they are stopped with the machine.
    ///
    /// # Errors
    /// A document cannot be read or written.
    pub async fn suspend(&self, project: &str) -> Result<()> {
        let project = project.to_owned();
        self.work(move |it| it.places.suspend(&project)).await
    }

    /// Tells which containers of a project come up again by their restart policy: `always`, and `unless-stopped` unless it was.
    ///
    /// # Errors
    /// A document cannot be read.
    pub async fn resumption(&self, project: &str) -> Result<Resumption> {
        let project = project.to_owned();
        self.work(move |it| it.places.resumption(&project)).await
    }

    /// Forgets who ran, once all of them are up again.
    ///
    /// # Errors
    /// The list cannot be removed.
    pub async fn resumed(&self, project: &str) -> Result<()> {
        let project = project.to_owned();
        self.work(move |it| {
            let path = it.places.suspended(&project);
            file::remove(&path).and_then(|()| file::remove(&file::copy(&path)))
        })
        .await
    }
}

impl Places {
    fn suspend(&self, project: &str) -> Result<()> {
        let members = self.members(project)?.into_iter();
        let running = members.filter_map(|(container, _, standing)| standing.state.is_up().then_some(container.id));
        let containers: BTreeSet<String> = running.collect();
        let is_known = file::exists(&self.suspended(project));
        if containers.is_empty() && is_known {
            // Stopped already, and not up since: who ran then is who comes up.
            return Ok(());
        }
        file::private(&self.root.join("resume"))?;
        file::write(&self.suspended(project), &Suspended { form: FORM, containers })
    }

    fn resumption(&self, project: &str) -> Result<Resumption> {
        let found: Option<Suspended> = file::read(&self.suspended(project))?;
        if let Some(found) = &found {
            check_form("the list of what ran in project", project, found.form)?;
        }
        let ran = found.map(|it| it.containers).unwrap_or_default();
        let mut resumption = Resumption::default();
        for (container, record, Standing { state, .. }) in self.members(project)? {
            let policy = container.spec.restart;
            let comes = match &record {
                Some(record) => comes_again(policy, record.stop.is_some_and(|it| !it.by_signal), ran.contains(&container.id)),
                // One that never ran comes up only if it was about to take the place of one that did.
                None => container.labels.contains_key(labels::REPLACE) && comes_again(policy, false, false),
            };
            if !comes || state.is_up() || state == ContainerState::Removing {
                continue;
            }
            if record.is_none() || state == ContainerState::Dead {
                resumption.remake.insert(container.name.clone());
            }
            resumption.start.insert(container.name);
        }
        Ok(resumption)
    }

    fn members(&self, project: &str) -> Result<Vec<(Container, Option<Record>, Standing)>> {
        let all = self
            .all()?
            .into_iter()
            .filter(|it| it.project() == Some(project) && !self.container(&it.id).is_going());
        let patience = stand::Patience::new();
        all.map(|it| stand::look(self, &it, patience).map(|(record, standing)| (it, record, standing)))
            .collect()
    }

    fn suspended(&self, project: &str) -> PathBuf {
        self.root.join("resume").join(format!("{}.json", self.project_name(Some(project))))
    }
}

/// Tells whether a container that was started once comes up with the machine. `told` tells that a client told it to stop, `ran` that it ran
/// as the machine went down in order.
fn comes_again(policy: Restart, told: bool, ran: bool) -> bool {
    match policy {
        Restart::Always => true,
        Restart::UnlessStopped => ran || !told,
        // What is always started again, whatever its status, at a pace of its own.
        Restart::Paced { failures_only: false, .. } => ran || !told,
        // As Docker has it: a start of the machine is no failure of theirs.
        Restart::No | Restart::OnFailure { .. } | Restart::Paced { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stopped_by_hand_stays_so_unless_the_machine_stopped_it() {
        let on_failure = Restart::OnFailure { attempts: 0 };
        for (policy, told, ran, expected) in [
            (Restart::Always, false, false, true),
            (Restart::Always, true, false, true),
            (Restart::UnlessStopped, false, false, true),
            (Restart::UnlessStopped, true, false, false),
            (Restart::UnlessStopped, true, true, true),
            (on_failure, true, true, false),
            (Restart::No, false, true, false),
        ] {
            assert_eq!(comes_again(policy, told, ran), expected, "{policy:?} {told} {ran}");
        }
    }
}

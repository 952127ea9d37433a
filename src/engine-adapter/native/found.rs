//! All containers and how they stand, each read once; those that nobody looks after, since shim and guardian were killed, get a guardian first.

use std::collections::BTreeMap;
use std::sync::Arc;

use rcompose_engine_adapter::{ContainerState, Result};
use rcompose_supervise::{Phase, Record, boot};

use crate::document::Container;
use crate::engine::Native;
use crate::error;
use crate::link::{self, Joined};
use crate::sentence::Standing;
use crate::stand::{self, Patience};

/// From how many containers on several threads read them.
const MANY: usize = 8;
/// Most threads that read.
const THREADS: usize = 4;

/// A container, what its shim wrote down last, and how it is connected.
pub(crate) struct Found {
    pub(crate) container: Arc<Container>,
    pub(crate) record: Option<Record>,
    pub(crate) standing: Standing,
    pub(crate) joined: Arc<Joined>,
}

impl Native {
    /// Finds all containers. Whoever of them runs is looked after then.
    ///
    /// # Errors
    /// A document is damaged: nothing is done over its head. A guardian cannot be started.
    pub(crate) fn found(&self) -> Result<Vec<Found>> {
        let ids = self.places.ids()?;
        let patience = Patience::new();
        let found = self.read(&ids, patience)?;
        if self.recover(&found)? { self.read(&ids, patience) } else { Ok(found) }
    }

    fn read(&self, ids: &[String], patience: Patience) -> Result<Vec<Found>> {
        let read = |ids: &[String]| ids.iter().filter_map(|id| self.read_one(id, patience).transpose()).collect::<Result<Vec<_>>>();
        // What the standard library asks for this looks at the group's files, too, which takes longer than to read a container.
        let threads = rustix::thread::sched_getaffinity(None).map_or(1, |it| it.count() as usize).min(THREADS);
        if ids.len() < MANY || threads == 1 {
            return read(ids);
        }
        let mut found = Vec::with_capacity(ids.len());
        std::thread::scope(|scope| {
            let mut parts = ids.chunks(ids.len().div_ceil(threads));
            let own = parts.next().unwrap_or_default();
            let others: Vec<_> = parts.map(|part| (part, std::thread::Builder::new().spawn_scoped(scope, || read(part)))).collect();
            found.extend(read(own)?);
            for (part, other) in others {
                // Without a thread it is read here.
                found.extend(other.ok().and_then(|it| it.join().ok()).unwrap_or_else(|| read(part))?);
            }
            Ok(found)
        })
    }

    fn read_one(&self, id: &str, patience: Patience) -> Result<Option<Found>> {
        let Some(container) = self.places.shared(id)? else {
            return Ok(None);
        };
        let (record, standing) = stand::look(&self.places, &container, patience)?;
        let joined = Joined::shared(&self.places, &container)?;
        Ok(Some(Found { container, record, standing, joined }))
    }

    /// Makes sure that whoever runs is looked after; tells whether anything changed by that.
    fn recover(&self, all: &[Found]) -> Result<bool> {
        let mut running: BTreeMap<String, Vec<&Container>> = BTreeMap::new();
        let mut changed = false;
        for Found { container, record, joined, .. } in all {
            if record.as_ref().is_none_or(|it| it.phase == Phase::Ended || it.boot != boot()) {
                continue;
            }
            changed |= link::resume(self, container, joined)?;
            running.entry(self.places.project_name(container.project())).or_default().push(container);
        }
        for (project, containers) in &running {
            let client = self.client(containers[0]);
            if !client.is_guarded() {
                // Where all run it is only for what happens next, and whoever brings that about needs it, too.
                let is_lost = |it: &&Found| {
                    containers.iter().any(|one| one.id == it.container.id) && matches!(it.standing.state, ContainerState::Exited { .. })
                };
                match client.census().map_err(error::supervise("bring a guardian")) {
                    Err(error) if all.iter().any(|it| is_lost(&it)) => return Err(error),
                    Err(_) => continue,
                    Ok(_) => changed = true,
                }
            }
            link::hold_again(self, project, containers)?;
        }
        Ok(changed)
    }
}

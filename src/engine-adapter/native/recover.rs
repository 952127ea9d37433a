//! Finds containers that nobody looks after, since shim and guardian were killed, and brings a guardian.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;

use rcompose_engine_adapter::Result;
use rcompose_supervise::{Phase, Project, boot};

use crate::document::Container;
use crate::engine::Native;
use crate::error;
use crate::link;

impl Native {
    /// Makes sure that whoever runs is looked after, before it is told how they stand.
    ///
    /// # Errors
    /// A guardian cannot be started.
    pub(crate) fn recover(&self, containers: &[Container]) -> Result<()> {
        let mut alone: BTreeMap<String, (Project, &Container)> = BTreeMap::new();
        let mut held = None;
        let mut running = Vec::new();
        for container in containers {
            let record = self.places.record(container)?;
            if record.is_none_or(|it| it.phase == Phase::Ended || it.boot != boot()) {
                continue;
            }
            link::resume(self, container)?;
            running.push(container);
            let held = held.get_or_insert_with(held_locks);
            let shim = self.places.shim(container.project(), &container.id)?;
            let lock = std::fs::metadata(shim.folder().join("shim.lock"));
            if !lock.is_ok_and(|it| held.contains(&it.ino())) {
                let project = self.places.project(container.project());
                alone.insert(project.folder().display().to_string(), (project, container));
            }
        }
        for (_, container) in alone.into_values() {
            self.client(container).census().map_err(error::supervise("bring a guardian"))?;
        }
        link::hold_again(self, &running)?;
        Ok(())
    }
}

/// Inodes of all files that somebody holds a lock on. Asked here and not by trying to lock: that would stand in the way of a shim that is
/// just about to. Source: proc_locks(5).
fn held_locks() -> BTreeSet<u64> {
    let text = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    inodes(&text)
}

fn inodes(text: &str) -> BTreeSet<u64> {
    let inode = |line: &str| line.split_whitespace().nth(5)?.rsplit(':').next()?.parse().ok();
    text.lines().filter(|it| !it.contains("->") && it.contains(" FLOCK ")).filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_read_and_those_who_wait_are_not_holders() {
        let text = "1: FLOCK  ADVISORY  WRITE 713 fe:00:4721 0 EOF\n2: POSIX  ADVISORY  WRITE 5 fe:00:12 0 EOF\n2: -> FLOCK  ADVISORY  WRITE 9 fe:00:4722 0 EOF\n";
        assert_eq!(inodes(text), BTreeSet::from([4721]));
    }
}

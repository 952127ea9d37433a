//! What runs and what that uses: one process for each container, which takes a hundredth of a processor.

use rcompose_engine_adapter::{ContainerName, Processes, Result, Usage};

use crate::lifecycle::command;
use crate::state::Container;
use crate::time::nanoseconds;
use crate::world::{World, conflict};

/// The columns of `ps -ef`.
const TITLES: [&str; 8] = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];
/// Bytes that a container uses.
const MEMORY: u64 = 1 << 20;
/// Bytes that the machine has.
const ALL_MEMORY: u64 = 1 << 30;

impl World {
    fn up(&self, name: &ContainerName) -> Result<&Container> {
        let container = self.container(name)?;
        if container.has_process() {
            Ok(container)
        } else {
            Err(conflict(format!("container {name} is not running")))
        }
    }

    pub(crate) fn processes(&self, name: &ContainerName) -> Result<Processes> {
        let container = self.up(name)?;
        let user = container.spec.process.user.clone().filter(|it| !it.is_empty()).unwrap_or_else(|| "root".into());
        // A number of its own, the same in every run.
        let pid = 1000 + self.containers.keys().take_while(|it| *it < name).count();
        let line = command(container).join(" ");
        let row = [user, pid.to_string(), "1".into(), "0".into(), "00:00".into(), "?".into(), "00:00:00".into(), line];
        Ok(Processes { titles: TITLES.map(str::to_owned).to_vec(), rows: vec![row.to_vec()] })
    }

    pub(crate) fn usage(&self, name: &ContainerName) -> Result<Usage> {
        let container = self.up(name)?;
        let now = self.clock.now();
        let started = container.run.as_ref().map_or(now, |it| it.process.started);
        let ran = now.saturating_sub(started);
        let execs = self.execs.values().filter(|it| it.container == container.id && it.status.is_none()).count();
        Ok(Usage {
            at: u64::try_from(nanoseconds(now)).unwrap_or(0),
            cpu: u64::try_from((ran / 100).as_nanos()).unwrap_or(u64::MAX),
            memory: MEMORY,
            memory_limit: ALL_MEMORY,
            processes: 1 + execs as u64,
            ..Usage::default()
        })
    }
}

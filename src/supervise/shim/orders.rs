//! Orders that change how the container runs.

use std::time::Duration;

use super::{Shim, number};
use crate::event::What;
use crate::kernel;
use crate::poll::Ready;
use crate::protocol::Reply;
use crate::record::{self, Phase};
use crate::task::Update;

/// From the news that memory ran out to the count of those who were ended: on v1 it comes before.
const COUNTED: Duration = Duration::from_millis(20);

impl Shim<'_> {
    pub(super) fn pause(&mut self, frozen: bool) -> Reply {
        if !matches!(self.record.phase, Phase::Running { .. }) {
            return Reply::Refused("the container does not run".to_owned());
        }
        if self.record.paused == frozen {
            return Reply::Refused(format!("the container is {} paused", if frozen { "already" } else { "not" }));
        }
        match self.launcher.freeze(&self.place, &self.task, frozen) {
            Err(reason) => Reply::Refused(reason),
            Ok(()) => {
                self.froze(frozen);
                Reply::Fine
            }
        }
    }

    fn froze(&mut self, frozen: bool) {
        self.record.paused = frozen;
        // A record that cannot be written is a step behind; a later shim asks the kernel.
        let _ = self.record(vec![if frozen { What::Pause } else { What::Unpause }]);
        self.tell();
    }

    /// Of a frozen container no process can follow an order.
    pub(super) fn thaw(&mut self) {
        if self.record.paused && self.launcher.freeze(&self.place, &self.task, false).is_ok() {
            self.froze(false);
        }
    }

    /// What was done and not written before an earlier shim was killed.
    pub(super) fn find_frozen(&mut self) {
        let frozen = self.launcher.is_frozen(&self.place, &self.task);
        if self.record.paused != frozen {
            self.froze(frozen);
        }
    }

    pub(super) fn update(&mut self, json: &[u8]) -> Reply {
        match self.try_update(json) {
            Ok(warnings) => Reply::Status(serde_json::to_vec(&warnings).unwrap_or_default()),
            Err(reason) => Reply::Refused(reason),
        }
    }

    fn try_update(&mut self, json: &[u8]) -> Result<Vec<String>, String> {
        let update: Update = serde_json::from_slice(json).map_err(|error| format!("no update: {error}"))?;
        let warnings = match &update.limits {
            Some(_) if self.process.is_none() => return Err("the container does not run".to_owned()),
            Some(limits) => self.launcher.limit(&self.place, &self.task, limits)?,
            None => Vec::new(),
        };
        if let Some(restart) = update.restart {
            self.task.restart = restart;
            let text = serde_json::to_vec(&self.task).unwrap_or_default();
            record::put(&self.place.task(), &text).map_err(|error| error.chain())?;
        }
        self.say(What::Update);
        Ok(warnings)
    }

    /// Begins to watch for want of memory.
    pub(super) fn watch_memory(&mut self) {
        self.memory = self.launcher.watch_memory(&self.place, &self.task);
        self.memory_kills = if self.memory.is_some() {
            self.launcher.memory_kills(&self.place, &self.task).unwrap_or(0)
        } else {
            0
        };
        if let Some(memory) = &self.memory {
            let _ = self.poll.add(memory, number::MEMORY, Ready::IN);
        }
    }

    pub(super) fn memory_ran_out(&mut self) {
        if let Some(memory) = &self.memory {
            while rustix::io::read(memory, &mut [0u8; 1024]).is_ok_and(|it| it > 0) {}
            self.memory_at = Some(kernel::since_boot() + COUNTED);
        }
    }

    /// Looks how many processes were ended for want of memory.
    pub(super) fn count_memory_kills(&mut self) {
        self.memory_at = None;
        let Some(kills) = self.launcher.memory_kills(&self.place, &self.task) else {
            return;
        };
        if kills > self.memory_kills {
            self.memory_kills = kills;
            self.record.oom = true;
            let _ = self.record(vec![What::Oom]);
            self.tell();
        }
    }

    pub(super) fn forget_memory(&mut self) {
        self.memory_at = None;
        if let Some(memory) = self.memory.take() {
            self.poll.remove(&memory);
        }
    }
}

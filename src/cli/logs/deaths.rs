//! Containers that died, until it is clear whether they start again.

use std::collections::BTreeMap;
use std::time::Duration;

use rcompose_engine_adapter::{ContainerName, Scope};
use tokio::time::Instant;

use crate::failure::Failure;
use crate::session::Live;

/// Time between two looks at a container that died.
pub(crate) const LOOK: Duration = Duration::from_millis(100);
/// Time before the first look: the last lines come before the sentence about the end.
const REST: Duration = Duration::from_millis(200);
/// Time after which a container that is up again was restarted: an engine tells of a death before its own lists show it.
const SETTLED: Duration = Duration::from_secs(1);

/// Deaths that are not settled.
#[derive(Debug, Default)]
pub(crate) struct Deaths(BTreeMap<ContainerName, (i64, Instant)>);

impl Deaths {
    /// Takes in a death with its status.
    pub(crate) fn record(&mut self, name: &ContainerName, code: i64) {
        self.0.insert(name.clone(), (code, Instant::now()));
    }

    /// Takes a container out: it was started, or removed. Returns the status it had died with.
    pub(crate) fn clear(&mut self, name: &ContainerName) -> Option<i64> {
        self.0.remove(name).map(|(code, _)| code)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns every container that has ended for good, with its status.
    pub(crate) async fn settle(&mut self, live: &Live) -> Result<Vec<(ContainerName, i64)>, Failure> {
        let rested = |since: &Instant| since.elapsed() >= REST;
        let due = self.0.iter().filter(|(_, (_, since))| rested(since)).map(|(name, _)| name.clone());
        let scope = Scope { containers: due.collect(), ..Scope::default() };
        if scope.containers.is_empty() {
            return Ok(Vec::new());
        }
        let observed = live.observe(&scope).await?;
        let mut ended = Vec::new();
        self.0.retain(|name, (code, since)| {
            if !scope.containers.contains(name) {
                return true;
            }
            let up = observed.containers.get(name).is_some_and(|container| container.state.is_up());
            if !up {
                ended.push((name.clone(), *code));
            }
            up && since.elapsed() < SETTLED
        });
        Ok(ended)
    }
}

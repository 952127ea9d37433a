//! How a run is asked to end early.

use tokio::sync::watch;

/// How far a run is asked to wind down. It only ever rises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Goes on.
    #[default]
    Run,
    /// Nothing new starts, running steps finish, the rest is skipped: the first Ctrl-C.
    StopNew,
    /// Running steps are dropped too: the second Ctrl-C.
    Drop,
}

/// A handle that asks a run to end; clones share it.
#[derive(Debug, Clone)]
pub struct Cancel(watch::Sender<Level>);

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}

impl Cancel {
    /// Makes a handle that asks for nothing yet.
    pub fn new() -> Self {
        Self(watch::Sender::new(Level::Run))
    }

    /// Raises the level; a lower one than what is reached changes nothing.
    pub fn raise(&self, level: Level) {
        self.0.send_if_modified(|now| {
            let higher = level > *now;
            *now = level.max(*now);
            higher
        });
    }

    /// Returns how far the run is asked to wind down.
    pub fn level(&self) -> Level {
        *self.0.borrow()
    }

    /// Waits until the level is above this one; for ever where it is the highest.
    pub async fn above(&self, level: Level) {
        let mut levels = self.0.subscribe();
        if levels.wait_for(|now| *now > level).await.is_err() {
            // Not reached: `self` keeps the sender alive.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_level_only_rises() {
        let cancel = Cancel::new();
        cancel.clone().raise(Level::Drop);
        cancel.raise(Level::StopNew);
        assert_eq!(cancel.level(), Level::Drop);
        cancel.above(Level::StopNew).await;
    }
}

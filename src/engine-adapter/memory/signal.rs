//! Stops, kills, renames, freezes.

use std::time::Duration;

use rcompose_engine_adapter::{ContainerName, ContainerState, EventAction, Result, Stop};

use crate::Memory;
use crate::validate;
use crate::world::{Timer, World, conflict, invalid};

/// Time between the signal that asks and SIGKILL. Source: Docker `--stop-timeout`.
const GRACE: Duration = Duration::from_secs(10);

/// What a signal does to a process that does not catch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// It ends with this status.
    Ends(i64),
    /// It ends with this status, whatever it does about signals.
    Kills,
    /// Nothing that could be seen from outside.
    Nothing,
}

/// Tells what a signal does; names with and without `SIG`, and numbers. Source: signal(7), x86.
fn effect(signal: &str) -> Result<Effect> {
    let name = signal.strip_prefix("SIG").unwrap_or(signal);
    Ok(match name {
        "KILL" | "9" => Effect::Kills,
        "HUP" | "1" => Effect::Ends(129),
        "INT" | "2" => Effect::Ends(130),
        "QUIT" | "3" => Effect::Ends(131),
        "USR1" | "10" => Effect::Ends(138),
        "USR2" | "12" => Effect::Ends(140),
        "TERM" | "15" => Effect::Ends(143),
        "WINCH" | "28" | "CHLD" | "17" | "CONT" | "18" | "URG" | "23" => Effect::Nothing,
        _ => return Err(invalid(format!("{signal} is no signal"))),
    })
}

impl Memory {
    /// Asks a container to end, waits, and kills it when it does not.
    pub(crate) async fn stop(&self, name: &ContainerName, stop: &Stop) -> Result<()> {
        let Some((id, grace)) = self.ask_to_end(name, stop)? else {
            return Ok(());
        };
        let mut changes = self.changes();
        let ended = async {
            while self.world().by_id(&id).is_some_and(|it| it.is_up()) {
                self.next_change(&mut changes).await;
            }
        };
        let in_time = tokio::time::timeout(grace, ended).await.is_ok();
        let mut world = self.world();
        let now = world.now;
        if !in_time && world.by_id(&id).is_some_and(|it| it.is_up()) {
            world.end_process(&id, 137, now);
        }
        if let Some(name) = world.names.get(&id).cloned() {
            world.container_event(&name, EventAction::Stopped, now);
        }
        Ok(())
    }

    /// Returns the id and the grace time of a container that has to end.
    fn ask_to_end(&self, name: &ContainerName, stop: &Stop) -> Result<Option<(String, Duration)>> {
        let mut world = self.world();
        let now = world.now;
        let Some(container) = world.containers.get_mut(name).filter(|it| it.is_up()) else {
            return Ok(None);
        };
        let signal = stop.signal.clone().or_else(|| container.spec.stop_signal.clone());
        let signal = signal.or_else(|| container.defaults.stop_signal.clone()).unwrap_or_else(|| "SIGTERM".into());
        let grace = stop.grace.or(container.spec.stop_grace).unwrap_or(GRACE);
        effect(&signal)?;
        container.stopped_by_hand = true;
        let id = container.id.clone();
        world.signal(&id, &signal, now)?;
        Ok(Some((id, grace)))
    }
}

impl World {
    pub(crate) fn kill(&mut self, name: &ContainerName, signal: &str, at: Duration) -> Result<()> {
        let effect = effect(signal)?;
        let container = self.container_mut(name)?;
        if !container.is_up() {
            return Ok(());
        }
        if effect == Effect::Kills {
            container.stopped_by_hand = true;
        }
        let id = container.id.clone();
        self.signal(&id, signal, at)
    }

    /// Delivers a signal.
    fn signal(&mut self, id: &str, signal: &str, at: Duration) -> Result<()> {
        let effect = effect(signal)?;
        let Some(name) = self.names.get(id).cloned() else { return Ok(()) };
        self.container_event(&name, EventAction::Killed, at);
        let Some(container) = self.containers.get_mut(&name) else {
            return Ok(());
        };
        let Some(run) = &container.run else {
            // Between two runs: its restart policy has nothing to restart any more.
            if let (ContainerState::Restarting, Effect::Ends(_) | Effect::Kills) = (container.state, effect) {
                container.state = ContainerState::Exited { code: 137 };
                self.touch();
            }
            return Ok(());
        };
        match effect {
            Effect::Nothing => {}
            Effect::Kills => self.end_process(id, 137, at),
            // What is frozen gets its signals when it is thawed, or is killed.
            Effect::Ends(_) if run.process.program.ignores_signals || container.state == ContainerState::Paused => {}
            Effect::Ends(code) => self.end_process(id, code, at),
        }
        Ok(())
    }

    pub(crate) fn rename(&mut self, from: &ContainerName, to: &ContainerName, at: Duration) -> Result<()> {
        validate::name(to.as_str())?;
        let id = self.container(from)?.id.clone();
        if self.containers.contains_key(to) {
            return Err(conflict(format!("the name {to} is in use by another container")));
        }
        if let Some(mut container) = self.containers.remove(from) {
            container.spec.name = to.clone();
            self.containers.insert(to.clone(), container);
        }
        self.names.insert(id, to.clone());
        self.container_event(to, EventAction::Renamed, at);
        Ok(())
    }

    pub(crate) fn pause(&mut self, name: &ContainerName, at: Duration) -> Result<()> {
        let container = self.container_mut(name)?;
        match container.state {
            ContainerState::Paused => return Ok(()),
            ContainerState::Running => container.state = ContainerState::Paused,
            ContainerState::Created
            | ContainerState::Restarting
            | ContainerState::Removing
            | ContainerState::Exited { .. }
            | ContainerState::Dead => return Err(conflict(format!("container {name} does not run, and cannot be paused"))),
        }
        self.container_event(name, EventAction::Paused, at);
        Ok(())
    }

    pub(crate) fn unpause(&mut self, name: &ContainerName, at: Duration) -> Result<()> {
        let container = self.container_mut(name)?;
        match container.state {
            ContainerState::Running => return Ok(()),
            ContainerState::Paused => container.state = ContainerState::Running,
            ContainerState::Created
            | ContainerState::Restarting
            | ContainerState::Removing
            | ContainerState::Exited { .. }
            | ContainerState::Dead => return Err(conflict(format!("container {name} does not run, and cannot be unpaused"))),
        }
        let id = container.id.clone();
        let run = container.run.as_ref().map(|run| run.number);
        self.container_event(name, EventAction::Unpaused, at);
        if let Some(run) = run {
            self.schedule(at, Timer::Process { id, run });
        }
        Ok(())
    }
}

//! The engine's seam: each method is recorded, may fail on purpose, and acts on the state at once.

use async_trait::async_trait;
use futures::stream::BoxStream;
use rcompose_engine_adapter::{
    Attachment, ContainerName, ContainerSpec, ContainerState, Engine, EngineEvent, EventAction, NetworkName, NetworkSpec, Observed, Result,
    Scope, Span, Stop, VolumeName, VolumeSpec,
};

use crate::Memory;
use crate::call::CallKind;

#[async_trait]
impl Engine for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn observe(&self, scope: &Scope) -> Result<Observed> {
        let _flight = self.enter(CallKind::Observe, "").await?;
        let world = self.world();
        Ok(world.observe(scope, world.now))
    }

    async fn create_network(&self, spec: &NetworkSpec) -> Result<()> {
        let _flight = self.enter(CallKind::CreateNetwork, &spec.name).await?;
        let mut world = self.world();
        let now = world.now;
        world.make_network(spec, now)
    }

    async fn remove_network(&self, name: &NetworkName) -> Result<()> {
        let _flight = self.enter(CallKind::RemoveNetwork, name).await?;
        let mut world = self.world();
        let now = world.now;
        world.drop_network(name, now)
    }

    async fn connect(&self, container: &ContainerName, attachment: &Attachment) -> Result<()> {
        let _flight = self.enter(CallKind::Connect, format!("{container} {}", attachment.network)).await?;
        self.world().attach(container, attachment)
    }

    async fn disconnect(&self, container: &ContainerName, network: &NetworkName) -> Result<()> {
        let _flight = self.enter(CallKind::Disconnect, format!("{container} {network}")).await?;
        self.world().detach(container, network);
        Ok(())
    }

    async fn create_volume(&self, spec: &VolumeSpec) -> Result<()> {
        let _flight = self.enter(CallKind::CreateVolume, &spec.name).await?;
        let mut world = self.world();
        let now = world.now;
        world.make_volume(spec, now)
    }

    async fn remove_volume(&self, name: &VolumeName) -> Result<()> {
        let _flight = self.enter(CallKind::RemoveVolume, name).await?;
        let mut world = self.world();
        let now = world.now;
        world.drop_volume(name, now)
    }

    async fn create_container(&self, spec: &ContainerSpec) -> Result<()> {
        let _flight = self.enter(CallKind::CreateContainer, &spec.name).await?;
        let mut world = self.world();
        let now = world.now;
        world.create(spec, now)
    }

    async fn start_container(&self, name: &ContainerName) -> Result<()> {
        let _flight = self.enter(CallKind::StartContainer, name).await?;
        let mut world = self.world();
        let now = world.now;
        world.start(name, now)
    }

    async fn stop_container(&self, name: &ContainerName, stop: &Stop) -> Result<()> {
        let _flight = self.enter(CallKind::StopContainer, name).await?;
        self.stop(name, stop).await
    }

    async fn kill_container(&self, name: &ContainerName, signal: &str) -> Result<()> {
        let _flight = self.enter(CallKind::KillContainer, format!("{name} {signal}")).await?;
        let mut world = self.world();
        let now = world.now;
        world.kill(name, signal, now)
    }

    async fn remove_container(&self, name: &ContainerName, volumes: bool) -> Result<()> {
        let _flight = self.enter(CallKind::RemoveContainer, name).await?;
        let mut world = self.world();
        let now = world.now;
        world.remove(name, volumes, now);
        Ok(())
    }

    async fn rename_container(&self, from: &ContainerName, to: &ContainerName) -> Result<()> {
        let _flight = self.enter(CallKind::RenameContainer, format!("{from} {to}")).await?;
        let mut world = self.world();
        let now = world.now;
        world.rename(from, to, now)
    }

    async fn pause_container(&self, name: &ContainerName) -> Result<()> {
        let _flight = self.enter(CallKind::PauseContainer, name).await?;
        let mut world = self.world();
        let now = world.now;
        world.pause(name, now)
    }

    async fn unpause_container(&self, name: &ContainerName) -> Result<()> {
        let _flight = self.enter(CallKind::UnpauseContainer, name).await?;
        let mut world = self.world();
        let now = world.now;
        world.unpause(name, now)
    }

    async fn wait_container(&self, name: &ContainerName) -> Result<i64> {
        let _flight = self.enter(CallKind::WaitContainer, name).await?;
        let mut changes = self.changes();
        let id = self.world().container(name)?.id.clone();
        let mut last = 0;
        loop {
            let state = self.world().by_id(&id).map(|it| it.state);
            match state {
                Some(ContainerState::Exited { code }) => return Ok(code),
                // It removed itself: the event log still has its status.
                None => return Ok(self.last_status(name).unwrap_or(last)),
                Some(_) => last = self.last_status(name).unwrap_or(last),
            }
            self.next_change(&mut changes).await;
        }
    }

    fn events_within(&self, scope: &Scope, span: Span) -> BoxStream<'static, Result<EngineEvent>> {
        self.event_stream(scope.clone(), span)
    }
}

impl Memory {
    fn last_status(&self, name: &ContainerName) -> Option<i64> {
        let subject = rcompose_engine_adapter::EventSubject::Container(name.clone());
        let world = self.world();
        world
            .events
            .iter()
            .rev()
            .filter(|event| event.subject == subject)
            .find_map(|event| match event.action {
                EventAction::Died { code } => Some(code),
                EventAction::Created
                | EventAction::Started
                | EventAction::Stopped
                | EventAction::Killed
                | EventAction::Removed
                | EventAction::Renamed
                | EventAction::Paused
                | EventAction::Unpaused
                | EventAction::OutOfMemory
                | EventAction::Health(_)
                | EventAction::Other(_) => None,
            })
    }
}

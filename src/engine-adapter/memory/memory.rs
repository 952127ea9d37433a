//! The handle: one client of an engine that lives as long as any of its handles.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rcompose_engine_adapter::{ContainerName, ErrorKind, Feature, ImageConfig, ImageReference, Protocol, Result};
use tokio::sync::watch;
use tokio::time::sleep_until;

use crate::client::{Client, Flight};
use crate::image::normal;
use crate::world::World;
use crate::{Call, CallKind, InFlight, Pace, Script, Snapshot};

/// One client of an engine in memory. Clones are the same client; [`Memory::reconnect`] makes another one.
#[derive(Debug, Clone)]
pub struct Memory {
    shared: Arc<Shared>,
    pub(crate) client: Arc<Client>,
}

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    /// The version of the state that was told last.
    changed: watch::Sender<u64>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

/// The state, locked and moved on to now. Unlocking it tells who waits for changes.
pub(crate) struct Guard<'a> {
    world: MutexGuard<'a, World>,
    changed: &'a watch::Sender<u64>,
    pub(crate) now: Duration,
}

impl std::ops::Deref for Guard<'_> {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl std::ops::DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let version = self.world.version;
        self.changed.send_if_modified(|told| std::mem::replace(told, version) != version);
    }
}

impl Memory {
    /// Boots an engine with nothing on it.
    pub fn new() -> Self {
        let shared = Shared { world: Mutex::new(World::new()), changed: watch::Sender::new(0) };
        Self { shared: Arc::new(shared), client: Arc::default() }
    }

    /// Makes another client of the same engine: without faults, with a call log of its own.
    #[must_use]
    pub fn reconnect(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), client: Arc::default() }
    }

    /// Puts an image on the engine.
    pub fn add_image(&self, image: impl Into<ImageReference>, config: ImageConfig) {
        let mut world = self.world();
        let now = world.now;
        world.tag(&image.into(), config, now);
    }

    /// Puts an image into the registry, to be pulled; again with another config is a newer image of the same name.
    pub fn add_remote(&self, image: impl Into<ImageReference>, config: ImageConfig) {
        self.world().images.remote.insert(normal(&image.into()), config);
    }

    /// Says what the build of a service makes; without it an image without defaults.
    pub fn set_build(&self, service: &str, config: ImageConfig) {
        self.world().images.build_results.insert(service.to_owned(), config);
    }

    /// Lets the build of a service fail after its output.
    pub fn fail_build(&self, service: &str, message: &str) {
        self.world().images.failing_builds.insert(service.to_owned(), message.to_owned());
    }

    /// Says what a container does at its starts, one script each; the last one counts for all later starts.
    pub fn script(&self, container: impl Into<ContainerName>, scripts: impl IntoIterator<Item = Script>) {
        self.world().scripts.insert(container.into(), scripts.into_iter().collect());
    }

    /// Says what containers of an image do that have no script of their own.
    pub fn script_image(&self, image: impl Into<ImageReference>, script: Script) {
        self.world().image_scripts.insert(normal(&image.into()), script);
    }

    /// Lets something other than a container hold a port of the host.
    pub fn occupy_port(&self, host_ip: IpAddr, port: u16, protocol: Protocol, holder: &str) {
        self.world().foreign_ports.push((host_ip, port, protocol, holder.to_owned()));
    }

    /// Says that a path of the host is not there; every other path is.
    pub fn lack_path(&self, path: &str) {
        self.world().missing_paths.insert(path.to_owned());
    }

    /// Sets what the engine can do; from the start all but shared ports, a pace of restarts, BuildKit and Windows.
    pub fn set_features(&self, features: impl IntoIterator<Item = Feature>) {
        self.world().info.features = features.into_iter().collect();
    }

    /// Fails the calls of this client that a predicate picks.
    pub fn fail_when(&self, predicate: impl Fn(&Call) -> bool + Send + Sync + 'static, kind: ErrorKind) {
        self.client.faults().fail_when(Box::new(predicate), kind);
    }

    /// Fails this client's call of that number, the first being 1.
    pub fn fail_nth(&self, number: u64, kind: ErrorKind) {
        self.fail_when(move |call| call.number == number, kind);
    }

    /// Cuts this client off after so many calls that can change something: every later call is
    /// [`ErrorKind::Unreachable`], and what is there stays as it is, as when a program is killed there.
    pub fn crash_after(&self, mutations: u64) {
        self.client.faults().crash_after(mutations);
        self.world().touch();
    }

    /// Sets how long the calls of this client take.
    pub fn set_pace(&self, pace: Pace) {
        self.client.faults().set_pace(pace);
    }

    /// Returns the calls of this client so far.
    pub fn calls(&self) -> Vec<Call> {
        self.client.calls().clone()
    }

    /// Returns the calls of this client that can change something.
    pub fn mutations(&self) -> Vec<Call> {
        self.client.calls().iter().filter(|call| call.kind.is_mutating()).cloned().collect()
    }

    /// Returns the most calls of this client that were in flight at the same time.
    pub fn most_in_flight(&self) -> InFlight {
        self.client.most_in_flight()
    }

    /// Returns what is there, without what differs from run to run.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.world())
    }

    /// Locks the state and moves it on to now.
    pub(crate) fn world(&self) -> Guard<'_> {
        let mut world = self.shared.world.lock().unwrap_or_else(PoisonError::into_inner);
        let now = world.advance();
        Guard { world, changed: &self.shared.changed, now }
    }

    /// Begins a call.
    pub(crate) async fn enter(&self, kind: CallKind, object: impl ToString) -> Result<Flight<'_>> {
        self.client.enter(kind, object.to_string()).await
    }

    /// Subscribes to changes; what changes from now on is told.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        let mut changes = self.shared.changed.subscribe();
        changes.mark_unchanged();
        changes
    }

    /// Waits until something has changed or happens by itself.
    pub(crate) async fn next_change(&self, changes: &mut watch::Receiver<u64>) {
        let due = {
            let world = self.world();
            world.next_due().and_then(|due| world.clock.instant(due))
        };
        let sleep = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // The sender lives as long as `self`.
            _ = changes.changed() => {}
            () = sleep => {}
        }
        // Whatever is due happens now, and is told to all.
        drop(self.world());
    }
}

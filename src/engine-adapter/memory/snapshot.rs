//! What is there, for comparing: without ids, times and addresses, which differ from run to run.

use std::collections::{BTreeMap, BTreeSet};

use rcompose_engine_adapter::{ContainerName, ContainerState, HealthStatus, ImageReference, NetworkName, VolumeName, labels};

use crate::state::Container;
use crate::world::World;

/// What is there. Two engines that were brought to the same end have equal ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// By name.
    pub containers: BTreeMap<ContainerName, ContainerShot>,
    /// By name, the engine's own left out.
    pub networks: BTreeMap<NetworkName, NetworkShot>,
    /// Named volumes, with their labels.
    pub volumes: BTreeMap<VolumeName, BTreeMap<String, String>>,
    /// How many anonymous volumes there are: their names are ids.
    pub anonymous_volumes: usize,
    /// By name.
    pub images: BTreeSet<ImageReference>,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerShot {
    /// What it does.
    pub state: ContainerState,
    /// Health, where it has a healthcheck and runs.
    pub health: Option<HealthStatus>,
    /// Labels; the configuration hash is left out where it hangs on ids.
    pub labels: BTreeMap<String, String>,
    /// Networks it is attached to.
    pub networks: BTreeSet<NetworkName>,
    /// Targets of its mounts and files.
    pub mounts: BTreeSet<String>,
    /// Ports of the host that it holds.
    pub ports: BTreeSet<u16>,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkShot {
    /// The driver.
    pub driver: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

impl Snapshot {
    pub(crate) fn of(world: &World) -> Self {
        let networks = world.networks.iter().filter(|(_, it)| !it.built_in);
        let named = world.volumes.iter().filter(|(_, it)| !it.anonymous);
        Self {
            containers: world.containers.iter().map(|(name, it)| (name.clone(), shot(it))).collect(),
            networks: networks
                .map(|(name, it)| (name.clone(), NetworkShot { driver: it.driver.clone(), labels: it.labels.clone() }))
                .collect(),
            volumes: named.map(|(name, it)| (name.clone(), it.labels.clone())).collect(),
            anonymous_volumes: world.volumes.values().filter(|it| it.anonymous).count(),
            images: world.images.local.keys().cloned().collect(),
        }
    }

    /// Tells whether nothing is there but images.
    pub fn is_bare(&self) -> bool {
        self.containers.is_empty() && self.networks.is_empty() && self.volumes.is_empty() && self.anonymous_volumes == 0
    }
}

fn shot(container: &Container) -> ContainerShot {
    let mut all = container.labels.clone();
    if container.spec.config_hash.as_ref().is_some_and(|hash| !hash.holes.is_empty()) {
        all.remove(labels::CONFIG_HASH);
    }
    let mounts = container
        .spec
        .mounts
        .iter()
        .map(|it| &it.target)
        .chain(container.spec.files.iter().map(|it| &it.target));
    ContainerShot {
        state: container.state,
        health: container.health(),
        labels: all,
        networks: container.endpoints.keys().cloned().collect(),
        mounts: mounts.chain(container.anonymous.keys()).cloned().collect(),
        ports: container.ports.iter().map(|it| it.port).collect(),
    }
}

//! What is there: the only door through which state of an engine comes in.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::{
    ContainerName, ContainerSpec, EngineInfo, HealthStatus, ImageConfig, ImageId, ImageReference, NetworkName, Protocol, VolumeName, labels,
};

/// What to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Objects labelled with a project.
    pub projects: Projects,
    /// These containers too, by name.
    pub containers: BTreeSet<ContainerName>,
    /// These networks too, by name.
    pub networks: BTreeSet<NetworkName>,
    /// These volumes too, by name.
    pub volumes: BTreeSet<VolumeName>,
    /// These images.
    pub images: BTreeSet<ImageReference>,
    /// Inspect each container, so that [`ObservedContainer::spec`] is there; costs a call each.
    pub detail: bool,
    /// Who holds which port of the host, over all projects.
    pub ports: bool,
}

/// Which projects to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Projects {
    /// None: only what is named.
    #[default]
    None,
    /// This one.
    One(String),
    /// Every one.
    All,
}

impl Scope {
    /// All of one project, with details.
    pub fn project(name: impl Into<String>) -> Self {
        Self { projects: Projects::One(name.into()), detail: true, ..Self::default() }
    }

    /// One container by name.
    pub fn container(name: ContainerName) -> Self {
        Self { containers: BTreeSet::from([name]), ..Self::default() }
    }
}

/// What is there. Absent from a map is absent on the engine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// The engine itself.
    pub engine: EngineInfo,
    /// By name, one-off and hook containers included.
    pub containers: BTreeMap<ContainerName, ObservedContainer>,
    /// By name.
    pub networks: BTreeMap<NetworkName, ObservedNetwork>,
    /// By name.
    pub volumes: BTreeMap<VolumeName, ObservedVolume>,
    /// By the reference asked for.
    pub images: BTreeMap<ImageReference, ObservedImage>,
    /// Ports of the host that running containers hold.
    pub ports: Vec<PortHolder>,
}

/// A container that is there.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedContainer {
    /// The engine's id.
    pub id: String,
    /// The name.
    pub name: ContainerName,
    /// The image as it was asked for.
    pub image: ImageReference,
    /// The image's id; `None` where the engine did not tell.
    pub image_id: Option<ImageId>,
    /// What it does.
    pub state: ContainerState,
    /// Health, where it has a healthcheck and runs.
    pub health: Option<HealthStatus>,
    /// The engine's sentence about the state, such as `Up 3 minutes (healthy)`.
    pub status: String,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// Seconds since 1970-01-01 UTC.
    pub created: i64,
    /// The command line, as one text.
    pub command: String,
    /// Published and exposed ports.
    pub ports: Vec<ObservedPort>,
    /// Networks it is attached to.
    pub networks: BTreeMap<NetworkName, ObservedEndpoint>,
    /// Its mounts.
    pub mounts: Vec<ObservedMount>,
    /// The container read back as a spec; only with [`Scope::detail`].
    pub spec: Option<Box<ContainerSpec>>,
    /// Bytes of the writable layer, where known.
    pub size: Option<u64>,
}

impl ObservedContainer {
    /// Returns the value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }

    /// Returns the project it belongs to.
    pub fn project(&self) -> Option<&str> {
        self.label(labels::PROJECT)
    }

    /// Returns the service it belongs to.
    pub fn service(&self) -> Option<&str> {
        self.label(labels::SERVICE)
    }

    /// Tells whether `run` made it.
    pub fn is_oneoff(&self) -> bool {
        self.label(labels::ONEOFF).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Tells whether listings show it: hook containers have no configuration hash.
    pub fn is_listed(&self) -> bool {
        self.labels.contains_key(labels::CONFIG_HASH)
    }

    /// Returns the replica's number.
    pub fn number(&self) -> Option<u32> {
        self.label(labels::NUMBER)?.parse().ok()
    }
}

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    /// Made, never started.
    Created,
    /// Its process runs.
    Running,
    /// Its processes are frozen.
    Paused,
    /// Ended, and about to be started again by its restart policy.
    Restarting,
    /// Being removed.
    Removing,
    /// Ended with this status.
    Exited {
        /// 0 to 255.
        code: i64,
    },
    /// Could not be removed in full.
    Dead,
}

impl ContainerState {
    /// Returns the Docker API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited { .. } => "exited",
            Self::Dead => "dead",
        }
    }

    /// Tells whether a process is there to be stopped.
    pub fn is_up(self) -> bool {
        match self {
            Self::Running | Self::Paused | Self::Restarting => true,
            Self::Created | Self::Removing | Self::Exited { .. } | Self::Dead => false,
        }
    }
}

/// A container's end on a network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObservedEndpoint {
    /// The network's id.
    pub network_id: String,
    /// Names others find it by.
    pub aliases: Vec<String>,
    /// Address now, where it runs.
    pub ipv4_address: Option<String>,
    /// Address now, where it runs.
    pub ipv6_address: Option<String>,
}

/// A mount that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedMount {
    /// Path inside the container.
    pub target: String,
    /// The volume, where it is one.
    pub volume: Option<VolumeName>,
    /// Path on the engine's host.
    pub source: String,
    /// The Docker API's word: `bind`, `volume`, `tmpfs`, …
    pub kind: String,
}

/// A port that is published or exposed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObservedPort {
    /// Port inside the container.
    pub target: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Address and port of the host, where published.
    pub host: Option<(IpAddr, u16)>,
}

/// A network that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObservedNetwork {
    /// The engine's id.
    pub id: String,
    /// The driver.
    pub driver: String,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// Containers attached, of any project.
    pub containers: BTreeSet<ContainerName>,
}

/// A volume that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObservedVolume {
    /// The driver.
    pub driver: String,
    /// All labels.
    pub labels: BTreeMap<String, String>,
}

/// An image that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedImage {
    /// Its id.
    pub id: ImageId,
    /// Seconds since 1970-01-01 UTC at which it was last tagged or pulled here; `None` where the engine does not tell.
    pub pulled: Option<i64>,
    /// Defaults for its containers.
    pub config: ImageConfig,
}

/// A port of the host that a running container holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortHolder {
    /// Address of the host.
    pub host_ip: IpAddr,
    /// Port of the host.
    pub port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// The container.
    pub container: ContainerName,
    /// Its project, where it has one.
    pub project: Option<String>,
    /// Its service, where it has one.
    pub service: Option<String>,
}

//! A container to create.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ConfigHash, ContainerName, FileMount, ImageReference, Mount, NetworkMode, PortSpec, Resources};

/// All that an engine is told about one container. Whatever it cannot honour it refuses by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// The name; also the key of every later call.
    pub name: ContainerName,
    /// The image to run.
    pub image: ImageReference,
    /// `os/arch[/variant]` of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Labels, those of [`crate::labels`] included; the engine adds `config-hash` and `image`, whose values hang on ids.
    pub labels: BTreeMap<String, String>,
    /// Annotations for the runtime.
    pub annotations: BTreeMap<String, String>,
    /// What runs, and as whom.
    pub process: Process,
    /// Host name; `None` is the engine's default (the short id).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// NIS domain name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domainname: Option<String>,
    /// Mounts, ordered by target.
    pub mounts: Vec<Mount>,
    /// Containers (`name[:ro|rw]`) whose mounts come along.
    pub volumes_from: Vec<String>,
    /// Files put in before the start.
    pub files: Vec<FileMount>,
    /// Where the network stack comes from.
    pub network: NetworkMode,
    /// Container-wide MAC address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// Published ports.
    pub ports: Vec<PortSpec>,
    /// Exposed ports, `port/protocol`.
    pub expose: BTreeSet<String>,
    /// Name servers.
    pub dns: Vec<String>,
    /// Options of the resolver.
    pub dns_options: Vec<String>,
    /// Search domains.
    pub dns_search: Vec<String>,
    /// Further lines of `/etc/hosts`.
    pub extra_hosts: Vec<HostEntry>,
    /// Legacy links on the default bridge, `container:alias`.
    pub links: Vec<String>,
    /// Limits and devices.
    pub resources: Resources,
    /// GPUs and the like.
    pub device_requests: Vec<DeviceRequest>,
    /// Rights.
    pub security: Security,
    /// Namespaces shared.
    pub namespaces: Namespaces,
    /// Replaces the image's healthcheck.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<rcompose_health::Check>,
    /// What happens when the container ends by itself.
    pub restart: Restart,
    /// Where output goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    /// Signal that asks the container to end; `None` is the image's, else `SIGTERM`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Time between that signal and SIGKILL; `None` is the engine's default (10 s).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_grace: Option<Duration>,
    /// Run a small init as PID 1; `None` is the engine's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
    /// OCI runtime by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// Isolation technology (Windows).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<String>,
    /// Options of the storage driver.
    pub storage_opt: BTreeMap<String, String>,
    /// Kernel parameters.
    pub sysctls: BTreeMap<String, String>,
    /// Remove the container when it ends.
    pub auto_remove: bool,
    /// Environment keys whose values are never shown: from an env file, or with a name that looks secret.
    #[serde(skip)]
    pub private_environment: BTreeSet<String>,
    /// Goes into the label `config-hash`; `None` leaves the label out.
    #[serde(skip)]
    pub config_hash: Option<ConfigHash>,
}

/// What runs in a container, and as whom. `None` is the image's value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Replaces the image's entrypoint; an empty list clears it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Replaces the image's command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Variables; `None` takes a variable of the image away.
    pub environment: BTreeMap<String, Option<String>>,
    /// `user[:group]`, names or ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Absolute path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// A pseudo terminal.
    pub tty: bool,
    /// Standard input stays open.
    pub stdin_open: bool,
    /// Standard input closes when the first client that attached goes.
    pub stdin_once: bool,
}

/// A line of `/etc/hosts`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostEntry {
    /// Host name.
    pub host: String,
    /// Address, or `host-gateway`.
    pub address: String,
}

/// A request for devices that a driver of the engine chooses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRequest {
    /// Driver, such as `nvidia` or `cdi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// How many; -1 is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
    /// Which, by id.
    pub device_ids: Vec<String>,
    /// What they must be able to do, such as `gpu`.
    pub capabilities: Vec<String>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
}

/// Rights of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Security {
    /// All rights of the host.
    pub privileged: bool,
    /// The root file system takes no writes.
    pub read_only: bool,
    /// Capabilities added.
    pub cap_add: Vec<String>,
    /// Capabilities dropped.
    pub cap_drop: Vec<String>,
    /// Options such as `no-new-privileges:true`, `seccomp=<profile JSON>`.
    pub security_opt: Vec<String>,
    /// Further groups.
    pub group_add: Vec<String>,
    /// `host` leaves the engine's user namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userns_mode: Option<String>,
    /// Windows credential spec, as the engine takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_spec: Option<String>,
}

/// Namespaces: `None` is the engine's default; `host`, `private`, `shareable`, or `container:<name>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespaces {
    /// System V IPC and `/dev/shm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipc: Option<String>,
    /// Processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<String>,
    /// Host and domain name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uts: Option<String>,
    /// Control groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
}

/// What happens when a container ends by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Nothing.
    #[default]
    No,
    /// It is started again, also when the engine starts.
    Always,
    /// It is started again, unless somebody stopped it.
    UnlessStopped,
    /// It is started again after a status other than 0, so many times (0: without limit).
    OnFailure {
        /// Attempts.
        attempts: u32,
    },
    /// It is started again at a pace of its own ([`crate::Feature::RestartPace`]).
    Paced {
        /// Only after a status other than 0.
        failures_only: bool,
        /// Time before each start; `None` is the engine's own, which grows.
        delay: Option<Duration>,
        /// Starts that may fail; `None` is without limit.
        attempts: Option<u32>,
        /// A start that ends before this has failed; `None` counts every start.
        window: Option<Duration>,
    },
}

/// Where a container's output goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// Driver; `None` is the engine's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
}

/// How to stop a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Signal; `None` is the container's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Time before SIGKILL; `None` is the container's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Duration>,
    /// Others go on with its work: nobody new is led to it first, and its open connections have as long as the grace to end. Engines that
    /// do not spread connections stop it at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drain: bool,
}

//! One service: everything its containers are made from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::scalar::absent;
use super::{
    Attachments, Blkio, Build, Bytes, CredentialSpec, Dependency, Deploy, Develop, Device, DeviceRequest, Duration, EnvFile, Environment,
    ExtraHosts, Float, Healthcheck, Hook, Labels, Logging, ModelBinding, Mount, Port, Provider, ServiceVolume, Ulimit,
};

/// One service. Empty strings, zeros and empty lists mean: not set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Key of the service in the file.
    #[serde(skip)]
    pub name: String,
    /// Profiles that enable the service; none: always enabled.
    #[serde(skip_serializing_if = "absent")]
    pub profiles: Vec<String>,
    /// Annotations of the container.
    #[serde(skip_serializing_if = "absent")]
    pub annotations: BTreeMap<String, String>,
    /// Whether `up` shows its logs.
    #[serde(skip_serializing_if = "absent")]
    pub attach: Option<bool>,
    /// How its image is made.
    #[serde(skip_serializing_if = "absent")]
    pub build: Option<Box<Build>>,
    /// Rules for working on its sources.
    #[serde(skip_serializing_if = "absent")]
    pub develop: Option<Develop>,
    /// Block device limits.
    #[serde(skip_serializing_if = "absent")]
    pub blkio_config: Option<Box<Blkio>>,
    /// Capabilities added.
    #[serde(skip_serializing_if = "absent")]
    pub cap_add: Vec<String>,
    /// Capabilities dropped.
    #[serde(skip_serializing_if = "absent")]
    pub cap_drop: Vec<String>,
    /// Parent cgroup.
    #[serde(skip_serializing_if = "absent")]
    pub cgroup_parent: String,
    /// Cgroup namespace, `host` or `private`.
    #[serde(skip_serializing_if = "absent")]
    pub cgroup: String,
    /// Usable CPUs (Windows).
    #[serde(skip_serializing_if = "absent")]
    pub cpu_count: i64,
    /// Usable share of the CPUs (Windows).
    #[serde(skip_serializing_if = "absent")]
    pub cpu_percent: Float,
    /// Period of the CFS scheduler in microseconds.
    #[serde(skip_serializing_if = "absent")]
    pub cpu_period: i64,
    /// Quota of the CFS scheduler in microseconds.
    #[serde(skip_serializing_if = "absent")]
    pub cpu_quota: i64,
    /// Period of the real-time scheduler in microseconds.
    #[serde(skip_serializing_if = "absent")]
    pub cpu_rt_period: i64,
    /// Runtime of the real-time scheduler in microseconds.
    #[serde(skip_serializing_if = "absent")]
    pub cpu_rt_runtime: i64,
    /// Most CPUs.
    #[serde(skip_serializing_if = "absent")]
    pub cpus: Float,
    /// CPUs to run on, such as `0-3`.
    #[serde(skip_serializing_if = "absent")]
    pub cpuset: String,
    /// Relative weight.
    #[serde(skip_serializing_if = "absent")]
    pub cpu_shares: i64,
    /// Command; `None` for the image's, empty to clear it.
    pub command: Option<Vec<String>>,
    /// Configs given to it.
    #[serde(skip_serializing_if = "absent")]
    pub configs: Vec<Mount>,
    /// Fixed name of its one container.
    #[serde(skip_serializing_if = "absent")]
    pub container_name: String,
    /// Windows credential specification.
    #[serde(skip_serializing_if = "absent")]
    pub credential_spec: Option<Box<CredentialSpec>>,
    /// Services it waits for, those implied by other attributes too.
    #[serde(skip_serializing_if = "absent")]
    pub depends_on: BTreeMap<String, Dependency>,
    /// Replicas, resources and update rules.
    #[serde(skip_serializing_if = "absent")]
    pub deploy: Option<Box<Deploy>>,
    /// Rules of the device cgroup.
    #[serde(skip_serializing_if = "absent")]
    pub device_cgroup_rules: Vec<String>,
    /// Devices of the host.
    #[serde(skip_serializing_if = "absent")]
    pub devices: Vec<Device>,
    /// DNS servers.
    #[serde(skip_serializing_if = "absent")]
    pub dns: Vec<String>,
    /// Resolver options.
    #[serde(skip_serializing_if = "absent")]
    pub dns_opt: Vec<String>,
    /// Search domains.
    #[serde(skip_serializing_if = "absent")]
    pub dns_search: Vec<String>,
    /// Domain name.
    #[serde(skip_serializing_if = "absent")]
    pub domainname: String,
    /// Entrypoint; `None` for the image's, empty to clear it.
    pub entrypoint: Option<Vec<String>>,
    /// A program that manages the service in the engine's place.
    #[serde(skip_serializing_if = "absent")]
    pub provider: Option<Provider>,
    /// Variables; `None` for one that stays unset.
    #[serde(skip_serializing_if = "absent")]
    pub environment: Environment,
    /// Files whose variables `environment` already holds, unless they were left unresolved.
    #[serde(skip_serializing_if = "absent")]
    pub env_file: Vec<EnvFile>,
    /// Ports for other containers only.
    #[serde(skip_serializing_if = "absent")]
    pub expose: Vec<String>,
    /// Links to containers of other projects.
    #[serde(skip_serializing_if = "absent")]
    pub external_links: Vec<String>,
    /// Further host names.
    #[serde(skip_serializing_if = "absent")]
    pub extra_hosts: ExtraHosts,
    /// Further groups.
    #[serde(skip_serializing_if = "absent")]
    pub group_add: Vec<String>,
    /// GPUs.
    #[serde(skip_serializing_if = "absent")]
    pub gpus: Vec<DeviceRequest>,
    /// Host name.
    #[serde(skip_serializing_if = "absent")]
    pub hostname: String,
    /// Health probe.
    #[serde(skip_serializing_if = "absent")]
    pub healthcheck: Option<Box<Healthcheck>>,
    /// Image.
    #[serde(skip_serializing_if = "absent")]
    pub image: String,
    /// An init as process 1.
    #[serde(skip_serializing_if = "absent")]
    pub init: Option<bool>,
    /// IPC namespace.
    #[serde(skip_serializing_if = "absent")]
    pub ipc: String,
    /// Isolation technology.
    #[serde(skip_serializing_if = "absent")]
    pub isolation: String,
    /// Labels of the container.
    #[serde(skip_serializing_if = "absent")]
    pub labels: Labels,
    /// Files whose labels `labels` already holds, unless they were left unresolved.
    #[serde(skip_serializing_if = "absent")]
    pub label_file: Vec<String>,
    /// Links to other services.
    #[serde(skip_serializing_if = "absent")]
    pub links: Vec<String>,
    /// Log driver.
    #[serde(skip_serializing_if = "absent")]
    pub logging: Option<Logging>,
    /// Most memory.
    #[serde(skip_serializing_if = "absent")]
    pub mem_limit: Bytes,
    /// Memory promised.
    #[serde(skip_serializing_if = "absent")]
    pub mem_reservation: Bytes,
    /// Most memory and swap together; -1 for no limit.
    #[serde(skip_serializing_if = "absent")]
    pub memswap_limit: Bytes,
    /// Tendency to swap, 0 to 100.
    #[serde(skip_serializing_if = "absent")]
    pub mem_swappiness: Bytes,
    /// MAC address.
    #[serde(skip_serializing_if = "absent")]
    pub mac_address: String,
    /// AI models it uses.
    #[serde(skip_serializing_if = "absent")]
    pub models: BTreeMap<String, Option<ModelBinding>>,
    /// `none`, `host`, `bridge`, `service:X` or `container:X`.
    #[serde(skip_serializing_if = "absent")]
    pub network_mode: String,
    /// Networks it joins.
    #[serde(skip_serializing_if = "absent")]
    pub networks: Attachments,
    /// Spared by the OOM killer.
    #[serde(skip_serializing_if = "absent")]
    pub oom_kill_disable: bool,
    /// Preference of the OOM killer, -1000 to 1000.
    #[serde(skip_serializing_if = "absent")]
    pub oom_score_adj: i64,
    /// PID namespace.
    #[serde(skip_serializing_if = "absent")]
    pub pid: String,
    /// Most processes; -1 for no limit.
    #[serde(skip_serializing_if = "absent")]
    pub pids_limit: i64,
    /// Platform, such as `linux/arm64`.
    #[serde(skip_serializing_if = "absent")]
    pub platform: String,
    /// Published ports.
    #[serde(skip_serializing_if = "absent")]
    pub ports: Vec<Port>,
    /// With elevated privileges.
    #[serde(skip_serializing_if = "absent")]
    pub privileged: bool,
    /// When the image is pulled.
    #[serde(skip_serializing_if = "absent")]
    pub pull_policy: String,
    /// Age at which the image is pulled again; no part of the output or the hash.
    #[serde(skip_serializing)]
    pub pull_refresh_after: String,
    /// Root file system without writing.
    #[serde(skip_serializing_if = "absent")]
    pub read_only: bool,
    /// `no`, `always`, `on-failure[:n]` or `unless-stopped`; unchecked.
    #[serde(skip_serializing_if = "absent")]
    pub restart: String,
    /// OCI runtime.
    #[serde(skip_serializing_if = "absent")]
    pub runtime: String,
    /// Number of containers.
    #[serde(skip_serializing_if = "absent")]
    pub scale: Option<i64>,
    /// Secrets given to it.
    #[serde(skip_serializing_if = "absent")]
    pub secrets: Vec<Mount>,
    /// Security labels and profiles.
    #[serde(skip_serializing_if = "absent")]
    pub security_opt: Vec<String>,
    /// Size of /dev/shm.
    #[serde(skip_serializing_if = "absent")]
    pub shm_size: Bytes,
    /// Standard input stays open.
    #[serde(skip_serializing_if = "absent")]
    pub stdin_open: bool,
    /// Time between the stop signal and SIGKILL.
    #[serde(skip_serializing_if = "absent")]
    pub stop_grace_period: Option<Duration>,
    /// Signal that stops it.
    #[serde(skip_serializing_if = "absent")]
    pub stop_signal: String,
    /// Options of the storage driver.
    #[serde(skip_serializing_if = "absent")]
    pub storage_opt: BTreeMap<String, String>,
    /// Kernel parameters.
    #[serde(skip_serializing_if = "absent")]
    pub sysctls: BTreeMap<String, String>,
    /// Memory file systems, `path[:options]`.
    #[serde(skip_serializing_if = "absent")]
    pub tmpfs: Vec<String>,
    /// A terminal.
    #[serde(skip_serializing_if = "absent")]
    pub tty: bool,
    /// Resource limits of its processes.
    #[serde(skip_serializing_if = "absent")]
    pub ulimits: BTreeMap<String, Ulimit>,
    /// Gets the engine's socket and credentials.
    #[serde(skip_serializing_if = "absent")]
    pub use_api_socket: bool,
    /// User and group.
    #[serde(skip_serializing_if = "absent")]
    pub user: String,
    /// User namespace.
    #[serde(skip_serializing_if = "absent")]
    pub userns_mode: String,
    /// UTS namespace.
    #[serde(skip_serializing_if = "absent")]
    pub uts: String,
    /// Mounts.
    #[serde(skip_serializing_if = "absent")]
    pub volumes: Vec<ServiceVolume>,
    /// Services and containers whose mounts it shares.
    #[serde(skip_serializing_if = "absent")]
    pub volumes_from: Vec<String>,
    /// Where its command runs.
    #[serde(skip_serializing_if = "absent")]
    pub working_dir: String,
    /// Containers run before it starts.
    #[serde(skip_serializing_if = "absent")]
    pub pre_start: Vec<Hook>,
    /// Commands run after it started.
    #[serde(skip_serializing_if = "absent")]
    pub post_start: Vec<Hook>,
    /// Commands run before it is stopped.
    #[serde(skip_serializing_if = "absent")]
    pub pre_stop: Vec<Hook>,
}

impl Service {
    /// How many containers the file asks for: `scale`, else `deploy.replicas`, else 1.
    #[must_use]
    pub fn replicas(&self) -> i64 {
        let deployed = self.deploy.as_ref().and_then(|deploy| deploy.replicas);
        self.scale.or(deployed).unwrap_or(1)
    }
}

//! `deploy`: replicas, resources, placement and update rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::scalar::absent;
use super::{Bytes, Duration, Float, Labels};

/// Deployment rules of a service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Deploy {
    /// `replicated`, `global`, `replicated-job` or `global-job`; unchecked.
    #[serde(skip_serializing_if = "absent")]
    pub mode: String,
    /// Number of containers.
    #[serde(skip_serializing_if = "absent")]
    pub replicas: Option<i64>,
    /// Labels of the service, not of its containers.
    #[serde(skip_serializing_if = "absent")]
    pub labels: Labels,
    /// How an update proceeds.
    #[serde(skip_serializing_if = "absent")]
    pub update_config: Option<UpdateConfig>,
    /// How a rollback proceeds.
    #[serde(skip_serializing_if = "absent")]
    pub rollback_config: Option<UpdateConfig>,
    /// Limits and reservations.
    pub resources: Resources,
    /// When an ended container is started again.
    #[serde(skip_serializing_if = "absent")]
    pub restart_policy: Option<RestartPolicy>,
    /// Where containers may run.
    pub placement: Placement,
    /// `vip` or `dnsrr`.
    #[serde(skip_serializing_if = "absent")]
    pub endpoint_mode: String,
}

/// How containers are replaced.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpdateConfig {
    /// Containers replaced at a time; 0 is all.
    #[serde(skip_serializing_if = "absent")]
    pub parallelism: Option<u64>,
    /// Pause between groups.
    #[serde(skip_serializing_if = "absent")]
    pub delay: Duration,
    /// `continue`, `rollback` or `pause`.
    #[serde(skip_serializing_if = "absent")]
    pub failure_action: String,
    /// How long a new container is watched.
    #[serde(skip_serializing_if = "absent")]
    pub monitor: Duration,
    /// Share of failures tolerated.
    #[serde(skip_serializing_if = "absent")]
    pub max_failure_ratio: Float,
    /// Which goes first.
    #[serde(skip_serializing_if = "absent")]
    pub order: Option<UpdateOrder>,
}

/// Whether the new container starts before the old one stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateOrder {
    /// The new one starts first.
    StartFirst,
    /// The old one stops first.
    StopFirst,
}

/// Limits and reservations of a service's containers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// What a container may use at most.
    #[serde(skip_serializing_if = "absent")]
    pub limits: Option<Resource>,
    /// What a container is promised.
    #[serde(skip_serializing_if = "absent")]
    pub reservations: Option<Resource>,
}

/// An amount of resources.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resource {
    /// CPUs.
    #[serde(skip_serializing_if = "absent")]
    pub cpus: Float,
    /// Memory.
    #[serde(skip_serializing_if = "absent")]
    pub memory: Bytes,
    /// Processes.
    #[serde(skip_serializing_if = "absent")]
    pub pids: i64,
    /// Devices.
    #[serde(skip_serializing_if = "absent")]
    pub devices: Vec<DeviceRequest>,
    /// Resources named by the user.
    #[serde(skip_serializing_if = "absent")]
    pub generic_resources: Vec<GenericResource>,
}

/// A request for devices by capability or driver.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceRequest {
    /// Capabilities the device needs, such as `gpu`.
    #[serde(skip_serializing_if = "absent")]
    pub capabilities: Vec<String>,
    /// Driver of the device.
    #[serde(skip_serializing_if = "absent")]
    pub driver: String,
    /// Number of devices; -1 is all.
    #[serde(skip_serializing_if = "absent")]
    pub count: i64,
    /// Devices by id.
    #[serde(skip_serializing_if = "absent")]
    pub device_ids: Vec<String>,
    /// Options for the driver.
    #[serde(skip_serializing_if = "absent")]
    pub options: BTreeMap<String, String>,
}

/// A countable resource named by the user.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GenericResource {
    /// Kind and count.
    #[serde(skip_serializing_if = "absent")]
    pub discrete_resource_spec: Option<DiscreteResource>,
}

/// Kind and count of a resource.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiscreteResource {
    /// Name of the resource.
    pub kind: String,
    /// How many.
    pub value: i64,
}

/// When an ended container is started again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestartPolicy {
    /// `none`, `on-failure` or `any`; unchecked.
    #[serde(skip_serializing_if = "absent")]
    pub condition: String,
    /// Pause before a restart.
    #[serde(skip_serializing_if = "absent")]
    pub delay: Option<Duration>,
    /// Restarts before giving up.
    #[serde(skip_serializing_if = "absent")]
    pub max_attempts: Option<u64>,
    /// How long a run must last to count as a success.
    #[serde(skip_serializing_if = "absent")]
    pub window: Option<Duration>,
}

/// Where containers may run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Placement {
    /// Rules a node must meet.
    #[serde(skip_serializing_if = "absent")]
    pub constraints: Vec<String>,
    /// Rules a node should meet.
    #[serde(skip_serializing_if = "absent")]
    pub preferences: Vec<PlacementPreference>,
    /// Most containers on one node; 0 is no limit.
    #[serde(skip_serializing_if = "absent")]
    pub max_replicas_per_node: u64,
}

/// A node label over whose values containers are spread.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlacementPreference {
    /// The label.
    #[serde(skip_serializing_if = "absent")]
    pub spread: String,
}

//! Smaller parts of a service: dependencies, devices, ports, logging, providers, models.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Bytes;
use super::scalar::absent;

/// What a dependency must have reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// It runs.
    #[default]
    #[serde(rename = "service_started")]
    Started,
    /// Its probe succeeded.
    #[serde(rename = "service_healthy")]
    Healthy,
    /// It ended with exit code 0.
    #[serde(rename = "service_completed_successfully")]
    Completed,
}

/// A service that another one waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dependency {
    /// What it must have reached.
    pub condition: Condition,
    /// Whether the dependent restarts with it.
    #[serde(skip_serializing_if = "absent")]
    pub restart: bool,
    /// Whether its absence is an error.
    pub required: bool,
}

impl Default for Dependency {
    fn default() -> Self {
        Self { condition: Condition::Started, restart: false, required: true }
    }
}

/// A device of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Device {
    /// Path on the host, or the name of a CDI device.
    #[serde(skip_serializing_if = "absent")]
    pub source: String,
    /// Path in the container.
    #[serde(skip_serializing_if = "absent")]
    pub target: String,
    /// Any of `r`, `w`, `m`.
    #[serde(skip_serializing_if = "absent")]
    pub permissions: String,
}

/// One published port, or a range of host ports for one container port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Port {
    /// A name for people.
    #[serde(skip_serializing_if = "absent")]
    pub name: String,
    /// `ingress` or `host`.
    #[serde(skip_serializing_if = "absent")]
    pub mode: String,
    /// Address of the host; empty for all.
    #[serde(skip_serializing_if = "absent")]
    pub host_ip: String,
    /// Port of the container.
    #[serde(skip_serializing_if = "absent")]
    pub target: u32,
    /// Port or range `a-b` of the host; empty for one that the engine picks.
    #[serde(skip_serializing_if = "absent")]
    pub published: String,
    /// `tcp`, `udp` or `sctp`.
    #[serde(skip_serializing_if = "absent")]
    pub protocol: String,
    /// Protocol of the application, such as `http`.
    #[serde(skip_serializing_if = "absent")]
    pub app_protocol: String,
}

/// Where logs go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Logging {
    /// Log driver; empty for the engine's default.
    #[serde(skip_serializing_if = "absent")]
    pub driver: String,
    /// Options for the driver.
    #[serde(skip_serializing_if = "absent")]
    pub options: BTreeMap<String, String>,
}

/// A program that manages a service in the engine's place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Provider {
    /// The program.
    #[serde(rename = "type", skip_serializing_if = "absent")]
    pub kind: String,
    /// Its options, each with one or more values.
    #[serde(skip_serializing_if = "absent")]
    pub options: BTreeMap<String, Vec<String>>,
}

/// Block device limits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Blkio {
    /// Relative weight, 10 to 1000.
    #[serde(skip_serializing_if = "absent")]
    pub weight: u16,
    /// Weight per device.
    #[serde(skip_serializing_if = "absent")]
    pub weight_device: Vec<WeightDevice>,
    /// Bytes read per second.
    #[serde(skip_serializing_if = "absent")]
    pub device_read_bps: Vec<ThrottleDevice>,
    /// Reads per second.
    #[serde(skip_serializing_if = "absent")]
    pub device_read_iops: Vec<ThrottleDevice>,
    /// Bytes written per second.
    #[serde(skip_serializing_if = "absent")]
    pub device_write_bps: Vec<ThrottleDevice>,
    /// Writes per second.
    #[serde(skip_serializing_if = "absent")]
    pub device_write_iops: Vec<ThrottleDevice>,
}

/// Relative weight of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all(serialize = "PascalCase"))]
pub struct WeightDevice {
    /// Path on the host.
    #[serde(alias = "Path")]
    pub path: String,
    /// The weight.
    #[serde(alias = "Weight")]
    pub weight: u16,
}

/// Rate limit of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all(serialize = "PascalCase"))]
pub struct ThrottleDevice {
    /// Path on the host.
    #[serde(alias = "Path")]
    pub path: String,
    /// Bytes or operations per second.
    #[serde(alias = "Rate")]
    pub rate: Bytes,
}

/// An AI model of the project.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Model {
    /// Name on the model runner.
    #[serde(skip_serializing_if = "absent")]
    pub name: String,
    /// The model.
    #[serde(skip_serializing_if = "absent")]
    pub model: String,
    /// Largest context in tokens.
    #[serde(skip_serializing_if = "absent")]
    pub context_size: i64,
    /// Flags for the inference engine.
    #[serde(skip_serializing_if = "absent")]
    pub runtime_flags: Vec<String>,
}

/// How a service learns about a model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelBinding {
    /// Variable that gets the endpoint.
    #[serde(skip_serializing_if = "absent")]
    pub endpoint_var: String,
    /// Variable that gets the name of the model.
    #[serde(skip_serializing_if = "absent")]
    pub model_var: String,
}

//! `healthcheck`: how a container is known to work.

use serde::{Deserialize, Serialize};

use super::Duration;
use super::scalar::absent;

/// The health probe of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Healthcheck {
    /// `NONE`, or `CMD` / `CMD-SHELL` and its words.
    #[serde(skip_serializing_if = "absent")]
    pub test: Vec<String>,
    /// Longest run of one probe.
    #[serde(skip_serializing_if = "absent")]
    pub timeout: Option<Duration>,
    /// Pause between probes.
    #[serde(skip_serializing_if = "absent")]
    pub interval: Option<Duration>,
    /// Failures in a row that make a container unhealthy.
    #[serde(skip_serializing_if = "absent")]
    pub retries: Option<u64>,
    /// Time in which failures do not count.
    #[serde(skip_serializing_if = "absent")]
    pub start_period: Option<Duration>,
    /// Pause between probes while starting.
    #[serde(skip_serializing_if = "absent")]
    pub start_interval: Option<Duration>,
    /// Without any probe, also that of the image.
    #[serde(skip_serializing_if = "absent")]
    pub disable: bool,
}

//! Named volumes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ConfigHash, VolumeName};

/// A volume to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSpec {
    /// The name on the engine.
    pub name: VolumeName,
    /// `None` is the engine's default (`local`).
    pub driver: Option<String>,
    /// Options of the driver.
    pub driver_opts: BTreeMap<String, String>,
    /// Labels, those of [`crate::labels`] included, the configuration hash left out.
    pub labels: BTreeMap<String, String>,
    /// Goes into the label `config-hash`.
    #[serde(skip)]
    pub config_hash: ConfigHash,
}

//! What the engine adds by itself where nothing was asked for, so that reading back can leave it out.

use rcompose_engine_adapter::Result;
use serde::Deserialize;

use crate::docker::Docker;
use crate::transport::Call;

/// The part of `/info` that says what the engine does by default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Defaults {
    /// The host's name, which a container in the host's network gets.
    pub(crate) name: String,
    pub(crate) logging_driver: String,
    pub(crate) default_runtime: String,
    /// `1` or `2`.
    cgroup_version: String,
}

impl Defaults {
    /// Tells whether a container gets the host's cgroup namespace by default. Source: dockerd's `default-cgroupns-mode`:
    /// `host` with cgroup v1 and for privileged containers, else `private`.
    pub(crate) fn shares_cgroup(&self, privileged: bool) -> bool {
        privileged || self.cgroup_version != "2"
    }
}

impl Docker {
    /// Returns the engine's defaults, asked for once.
    pub(crate) async fn defaults(&self) -> Result<&Defaults> {
        self.defaults.get_or_try_init(|| self.api.json(Call::get("/info"))).await
    }
}

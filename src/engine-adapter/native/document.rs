//! What is written down of containers, networks and volumes.

use std::collections::BTreeMap;

use rcompose_engine_adapter::{
    Attachment, ContainerName, ContainerSpec, ImageConfig, ImageId, NetworkName, NetworkSpec, VolumeName, labels,
};
use rcompose_network::ipam::Pool;
use serde::{Deserialize, Serialize};

use crate::error::{Result, newer};

/// The form in which documents are written. A newer one is refused, never overwritten.
pub(crate) const FORM: u32 = 1;

/// A container: what was asked for, and what was decided when it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Container {
    pub(crate) form: u32,
    pub(crate) id: String,
    pub(crate) name: ContainerName,
    /// Nanoseconds since 1970.
    pub(crate) created: u64,
    /// All labels, those whose values hang on ids included.
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) image_id: ImageId,
    pub(crate) image: ImageConfig,
    /// As asked for; without the content of its files, and without networks it was detached from since.
    pub(crate) spec: ContainerSpec,
    /// Its volumes.
    pub(crate) volumes: Vec<Bound>,
    /// The start of the machine during which its files were put in memory; nothing where it has none.
    pub(crate) files_of: Option<String>,
}

/// A volume in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bound {
    pub(crate) target: String,
    pub(crate) volume: VolumeName,
    pub(crate) subpath: Option<String>,
    pub(crate) read_only: bool,
    /// Made for this container, and removed with it where that is asked for.
    pub(crate) anonymous: bool,
}

impl Container {
    pub(crate) fn project(&self) -> Option<&str> {
        self.labels.get(labels::PROJECT).map(String::as_str)
    }

    pub(crate) fn service(&self) -> Option<&str> {
        self.labels.get(labels::SERVICE).map(String::as_str)
    }

    /// Names it as its author does: by its service, where it is of one.
    pub(crate) fn who(&self) -> String {
        self.service().map_or_else(|| format!("container {}", self.name), |it| format!("service {it}"))
    }

    pub(crate) fn attachments(&self) -> &[Attachment] {
        match &self.spec.network {
            rcompose_engine_adapter::NetworkMode::Networks { attachments } => attachments,
            _ => &[],
        }
    }
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Network {
    pub(crate) form: u32,
    pub(crate) id: String,
    pub(crate) created: u64,
    pub(crate) spec: NetworkSpec,
    pub(crate) labels: BTreeMap<String, String>,
    /// Its subnets, chosen when it was made.
    pub(crate) pools: Vec<Pool>,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Volume {
    pub(crate) form: u32,
    pub(crate) created: u64,
    pub(crate) driver_opts: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    /// Nothing was put into it yet: the first container that mounts it brings the image's content.
    pub(crate) fresh: bool,
    /// The image's content is being brought: what there is of it may be half, where whoever brought it was cut off.
    #[serde(default)]
    pub(crate) filling: bool,
}

/// Refuses what another version wrote.
pub(crate) fn check_form(what: &str, name: &str, form: u32) -> Result<()> {
    if form > FORM {
        return Err(newer(&format!("{what} {name}"), form));
    }
    Ok(())
}

/// Which network a name means in a spec.
pub(crate) fn attachment(network: &NetworkName, spec: &ContainerSpec) -> Option<usize> {
    match &spec.network {
        rcompose_engine_adapter::NetworkMode::Networks { attachments } => attachments.iter().position(|it| it.network == *network),
        _ => None,
    }
}

//! `volumes`: at the top level, and as a service mounts them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::scalar::absent;
use super::{Bytes, Labels};

/// A named volume of the project.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Volume {
    /// Name on the engine.
    #[serde(skip_serializing_if = "absent")]
    pub name: String,
    /// Driver; empty for the engine's default.
    #[serde(skip_serializing_if = "absent")]
    pub driver: String,
    /// Options for the driver.
    #[serde(skip_serializing_if = "absent")]
    pub driver_opts: BTreeMap<String, String>,
    /// Made by somebody else; must exist.
    #[serde(skip_serializing_if = "absent")]
    pub external: bool,
    /// Labels.
    #[serde(skip_serializing_if = "absent")]
    pub labels: Labels,
}

/// What kind of thing is mounted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VolumeKind {
    /// A path of the host.
    Bind,
    /// A volume, named or anonymous.
    #[default]
    Volume,
    /// Memory.
    Tmpfs,
    /// A Windows named pipe.
    Npipe,
    /// A cluster volume.
    Cluster,
    /// The files of an image.
    Image,
}

/// One mount of a service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceVolume {
    /// What is mounted.
    #[serde(rename = "type")]
    pub kind: VolumeKind,
    /// Host path, volume key or image; empty for an anonymous volume or tmpfs.
    #[serde(skip_serializing_if = "absent")]
    pub source: String,
    /// Path in the container.
    #[serde(skip_serializing_if = "absent")]
    pub target: String,
    /// Without writing.
    #[serde(skip_serializing_if = "absent")]
    pub read_only: bool,
    /// Consistency demand; a matter of the platform.
    #[serde(skip_serializing_if = "absent")]
    pub consistency: String,
    /// Options of a bind.
    #[serde(skip_serializing_if = "absent")]
    pub bind: Option<BindOptions>,
    /// Options of a volume.
    #[serde(skip_serializing_if = "absent")]
    pub volume: Option<VolumeOptions>,
    /// Options of a tmpfs.
    #[serde(skip_serializing_if = "absent")]
    pub tmpfs: Option<TmpfsOptions>,
    /// Options of an image mount.
    #[serde(skip_serializing_if = "absent")]
    pub image: Option<ImageOptions>,
}

/// Options of a bind mount.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BindOptions {
    /// SELinux label: `z` shared, `Z` private.
    #[serde(skip_serializing_if = "absent")]
    pub selinux: String,
    /// Propagation of mounts, such as `rshared`.
    #[serde(skip_serializing_if = "absent")]
    pub propagation: String,
    /// Makes the folder on the host if it is missing; the short syntax says yes, `None` that nothing was said.
    #[serde(skip_serializing_if = "not_true")]
    pub create_host_path: Option<bool>,
    /// `enabled`, `disabled`, `writable` or `readonly`.
    #[serde(skip_serializing_if = "absent")]
    pub recursive: String,
}

/// docker compose 2.40 writes this attribute only where it is true.
#[expect(clippy::trivially_copy_pass_by_ref, clippy::ref_option, reason = "serde passes a reference")]
fn not_true(value: &Option<bool>) -> bool {
    *value != Some(true)
}

/// Options of a volume mount.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeOptions {
    /// Labels of an anonymous volume.
    #[serde(skip_serializing_if = "absent")]
    pub labels: Labels,
    /// Leaves the image's files at the target out of a new volume.
    #[serde(skip_serializing_if = "absent")]
    pub nocopy: bool,
    /// Folder inside the volume.
    #[serde(skip_serializing_if = "absent")]
    pub subpath: String,
}

/// Options of a tmpfs mount.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TmpfsOptions {
    /// Most memory it takes.
    #[serde(skip_serializing_if = "absent")]
    pub size: Bytes,
    /// Permission bits of its root.
    #[serde(skip_serializing_if = "absent")]
    pub mode: u32,
}

/// Options of an image mount.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageOptions {
    /// Folder inside the image.
    #[serde(skip_serializing_if = "absent")]
    pub subpath: String,
}

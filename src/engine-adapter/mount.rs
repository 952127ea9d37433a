//! What is mounted into a container.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ImageReference, VolumeName};

/// One mount of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mount {
    /// The path inside the container.
    pub target: String,
    /// What is mounted there.
    pub kind: MountKind,
    /// No writes through this mount.
    pub read_only: bool,
}

/// What a mount shows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum MountKind {
    /// A file or folder of the engine's host.
    Bind {
        /// Absolute path on the engine's host.
        source: String,
        /// Make a missing source as a folder.
        create_host_path: bool,
        /// How mounts below propagate; `None` is the engine's default (`rprivate`).
        propagation: Option<Propagation>,
        /// Whether mounts below the source come along; `None` is the engine's default (`enabled`).
        recursive: Option<Recursive>,
        /// `z` or `Z`: relabel for SELinux.
        selinux: Option<String>,
    },
    /// A named volume.
    Volume {
        /// The volume's name on the engine.
        name: VolumeName,
        /// Leave out copying the image's content into the empty volume.
        nocopy: bool,
        /// A path inside the volume to mount instead of its root.
        subpath: Option<String>,
        /// Labels for a volume that this mount makes.
        labels: BTreeMap<String, String>,
    },
    /// A volume without a name, made for this container; `carry` keeps the one of the container that is replaced.
    Anonymous {
        /// The volume to take over instead of making one.
        carry: Option<VolumeName>,
        /// Leave out copying the image's content into the empty volume.
        nocopy: bool,
        /// Labels for the volume made.
        labels: BTreeMap<String, String>,
    },
    /// Memory.
    Tmpfs(Tmpfs),
    /// An image's root file system.
    Image {
        /// The image.
        image: ImageReference,
        /// A path inside the image to mount instead of its root.
        subpath: Option<String>,
    },
    /// A named pipe (Windows).
    Npipe {
        /// The pipe's path on the host.
        source: String,
    },
}

/// Limits of a tmpfs mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tmpfs {
    /// Bytes; `None` is unlimited.
    pub size: Option<i64>,
    /// Mode bits; `None` is 1777.
    pub mode: Option<u32>,
    /// Mount options as written in the short `tmpfs:` form, joined by commas.
    pub options: Option<String>,
}

/// Mount propagation; source: mount_namespaces(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Propagation {
    /// No propagation.
    Private,
    /// No propagation, recursively.
    Rprivate,
    /// Both ways.
    Shared,
    /// Both ways, recursively.
    Rshared,
    /// From the host into the container.
    Slave,
    /// From the host into the container, recursively.
    Rslave,
}

/// Whether mounts below a bind's source come along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recursive {
    /// They do, read-only ones as far as the kernel can.
    Enabled,
    /// They do not.
    Disabled,
    /// They do, and keep their own writability when the bind is read-only.
    Writable,
    /// They do, and must become read-only when the bind is.
    Readonly,
}

/// A file put into a container before it starts: a config, or a secret that is not a bind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMount {
    /// Absolute path inside the container.
    pub target: String,
    /// The bytes.
    #[serde(skip)]
    pub content: Content,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Mode bits.
    pub mode: u32,
}

/// Bytes that may be secret: never shown, logged or serialised.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Content(Vec<u8>);

impl Content {
    /// Wraps the bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Hands the bytes out, for the one place that delivers them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes)", self.0.len())
    }
}

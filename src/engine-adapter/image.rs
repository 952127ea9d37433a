//! Images: what to pull, what to build, and what an image says about itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Check, ImageId, ImageReference, Ulimit};

/// An image to pull.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PullSpec {
    /// The image.
    pub image: ImageReference,
    /// `os/arch[/variant]`; `None` is the engine's own.
    pub platform: Option<String>,
}

/// An image to build.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BuildSpec {
    /// The service it is built for, for messages.
    pub name: String,
    /// Where the files come from.
    pub context: BuildContext,
    /// The instructions.
    pub dockerfile: Dockerfile,
    /// Tags; the first is the one the service runs.
    pub tags: Vec<ImageReference>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// The stage to stop at.
    pub target: Option<String>,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
    /// Images whose layers may be reused.
    pub cache_from: Vec<String>,
    /// Where the cache goes.
    pub cache_to: Vec<String>,
    /// Reuse no layer.
    pub no_cache: bool,
    /// Stages that reuse no layer.
    pub no_cache_filter: Vec<String>,
    /// Always look for newer base images.
    pub pull: bool,
    /// Network mode of `RUN`.
    pub network: Option<String>,
    /// Further lines of `/etc/hosts` during the build, `host:address`.
    pub extra_hosts: Vec<String>,
    /// Bytes of `/dev/shm`.
    pub shm_size: Option<i64>,
    /// Bytes.
    pub memory: Option<i64>,
    /// Limits of `RUN`.
    pub ulimits: BTreeMap<String, Ulimit>,
    /// Platforms to build for.
    pub platforms: Vec<String>,
    /// Isolation technology (Windows).
    pub isolation: Option<String>,
    /// Named contexts.
    pub additional_contexts: BTreeMap<String, String>,
    /// Secrets by id.
    pub secrets: BTreeSet<String>,
    /// SSH agents and keys.
    pub ssh: Vec<String>,
    /// Privileged entitlements.
    pub entitlements: Vec<String>,
    /// `RUN` with all rights.
    pub privileged: bool,
    /// Provenance attestation.
    pub provenance: Option<String>,
    /// Bill of materials.
    pub sbom: Option<String>,
}

/// Where a build's files come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildContext {
    /// A folder of this machine, absolute.
    Folder(PathBuf),
    /// A git or HTTP address that the engine fetches.
    Remote(String),
}

/// A build's instructions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dockerfile {
    /// A path, relative to the context or absolute.
    Path(PathBuf),
    /// The text itself.
    Inline(String),
}

/// When an image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PullPolicy {
    /// On every `up`.
    Always,
    /// When it is not there.
    Missing,
    /// Not at all.
    Never,
    /// It is built, not pulled.
    Build,
    /// When the one there is older than so many seconds.
    OlderThan {
        /// Seconds.
        seconds: u64,
    },
}

/// One piece of progress of a pull or build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageProgress {
    /// A layer moved on.
    Layer {
        /// Short id of the layer.
        id: String,
        /// What happens to it, such as `Downloading`.
        status: String,
        /// Bytes done, where known.
        current: Option<u64>,
        /// Bytes in all, where known.
        total: Option<u64>,
    },
    /// A message about the whole.
    Status(String),
    /// A line of a build's own output.
    Output(String),
    /// The image is there.
    Done(ImageId),
}

/// An image's defaults for its containers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// Entrypoint.
    pub entrypoint: Vec<String>,
    /// Command.
    pub command: Vec<String>,
    /// Variables.
    pub environment: BTreeMap<String, String>,
    /// `user[:group]`.
    pub user: String,
    /// Absolute path.
    pub working_dir: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Exposed ports, `port/protocol`.
    pub expose: BTreeSet<String>,
    /// Paths that get an anonymous volume.
    pub volumes: BTreeSet<String>,
    /// Signal that asks a container to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Healthcheck.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Check>,
}

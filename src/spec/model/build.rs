//! `build`: how a service's image is made.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::scalar::absent;
use super::{Bytes, Environment, ExtraHosts, Labels, Mount, Ulimit};

/// The definition of an image build.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Build {
    /// Folder or URL that the build sees.
    #[serde(skip_serializing_if = "absent")]
    pub context: String,
    /// Path of the Dockerfile, relative to the context.
    #[serde(skip_serializing_if = "absent")]
    pub dockerfile: String,
    /// Dockerfile text written in the compose file.
    #[serde(skip_serializing_if = "absent")]
    pub dockerfile_inline: String,
    /// Privileged entitlements granted to the build.
    #[serde(skip_serializing_if = "absent")]
    pub entitlements: Vec<String>,
    /// Build arguments.
    #[serde(skip_serializing_if = "absent")]
    pub args: Environment,
    /// Provenance attestation: a bool as text, or its parameters.
    #[serde(skip_serializing_if = "absent")]
    pub provenance: String,
    /// SBOM attestation: a bool as text, or its parameters.
    #[serde(skip_serializing_if = "absent")]
    pub sbom: String,
    /// SSH agents and keys for the build.
    #[serde(skip_serializing_if = "absent")]
    pub ssh: Vec<SshKey>,
    /// Labels of the image.
    #[serde(skip_serializing_if = "absent")]
    pub labels: Labels,
    /// Sources of the build cache.
    #[serde(skip_serializing_if = "absent")]
    pub cache_from: Vec<String>,
    /// Where the build cache is exported to.
    #[serde(skip_serializing_if = "absent")]
    pub cache_to: Vec<String>,
    /// Builds without cache.
    #[serde(skip_serializing_if = "absent")]
    pub no_cache: bool,
    /// Stages built without cache.
    #[serde(skip_serializing_if = "absent")]
    pub no_cache_filter: Vec<String>,
    /// Named contexts: a path, a URL or `service:X`.
    #[serde(skip_serializing_if = "absent")]
    pub additional_contexts: BTreeMap<String, String>,
    /// Pulls newer base images.
    #[serde(skip_serializing_if = "absent")]
    pub pull: bool,
    /// Host names known during the build.
    #[serde(skip_serializing_if = "absent")]
    pub extra_hosts: ExtraHosts,
    /// Isolation technology.
    #[serde(skip_serializing_if = "absent")]
    pub isolation: String,
    /// Network of RUN steps.
    #[serde(skip_serializing_if = "absent")]
    pub network: String,
    /// Stage to build.
    #[serde(skip_serializing_if = "absent")]
    pub target: String,
    /// Secrets that RUN steps may mount.
    #[serde(skip_serializing_if = "absent")]
    pub secrets: Vec<Mount>,
    /// Size of /dev/shm.
    #[serde(skip_serializing_if = "absent")]
    pub shm_size: Bytes,
    /// Further tags of the image.
    #[serde(skip_serializing_if = "absent")]
    pub tags: Vec<String>,
    /// Resource limits of RUN steps.
    #[serde(skip_serializing_if = "absent")]
    pub ulimits: BTreeMap<String, Ulimit>,
    /// Platforms to build for.
    #[serde(skip_serializing_if = "absent")]
    pub platforms: Vec<String>,
    /// Runs RUN steps with elevated privileges.
    #[serde(skip_serializing_if = "absent")]
    pub privileged: bool,
}

/// One SSH agent socket or key; written `id` or `id=path`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SshKey {
    /// Name that the Dockerfile uses.
    pub id: String,
    /// Socket or key file; empty for the agent of the environment.
    pub path: String,
}

impl Serialize for SshKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.path.is_empty() {
            return serializer.serialize_str(&self.id);
        }
        serializer.collect_str(&format_args!("{}={}", self.id, self.path))
    }
}

impl<'de> Deserialize<'de> for SshKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (id, path) = text.split_once('=').unwrap_or((&text, ""));
        if id.is_empty() {
            return Err(de::Error::custom("an ssh key needs an id"));
        }
        Ok(Self { id: id.to_owned(), path: path.to_owned() })
    }
}

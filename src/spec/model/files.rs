//! Secrets and configs, and how a service is given them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::scalar::absent;
use super::{FileMode, Labels};

/// A secret or a config of the project: content from a file, a variable or the compose file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileObject {
    /// Name on the engine.
    #[serde(skip_serializing_if = "absent")]
    pub name: String,
    /// Path of the file that holds the content.
    #[serde(skip_serializing_if = "absent")]
    pub file: String,
    /// Variable that holds the content.
    #[serde(skip_serializing_if = "absent")]
    pub environment: String,
    /// The content itself; configs only.
    #[serde(skip_serializing_if = "absent")]
    pub content: String,
    /// Made by somebody else; must exist.
    #[serde(skip_serializing_if = "absent")]
    pub external: bool,
    /// Labels.
    #[serde(skip_serializing_if = "absent")]
    pub labels: Labels,
    /// Driver; secrets only.
    #[serde(skip_serializing_if = "absent")]
    pub driver: String,
    /// Options for the driver; secrets only.
    #[serde(skip_serializing_if = "absent")]
    pub driver_opts: BTreeMap<String, String>,
    /// Driver that fills templates in the content.
    #[serde(skip_serializing_if = "absent")]
    pub template_driver: String,
}

/// A secret or config given to a service or a build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mount {
    /// Key of the secret or config in the file.
    #[serde(skip_serializing_if = "absent")]
    pub source: String,
    /// Path in the container; relative ones lie below /run/secrets or /.
    #[serde(skip_serializing_if = "absent")]
    pub target: String,
    /// Owner.
    #[serde(skip_serializing_if = "absent")]
    pub uid: String,
    /// Group.
    #[serde(skip_serializing_if = "absent")]
    pub gid: String,
    /// Permission bits.
    #[serde(skip_serializing_if = "absent")]
    pub mode: Option<FileMode>,
}

/// A file of variables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EnvFile {
    /// Where it lies.
    pub path: String,
    /// Whether a missing file is an error.
    #[serde(skip_serializing_if = "is_true")]
    pub required: bool,
    /// Empty for the dotenv grammar, `raw` for lines taken as they are.
    #[serde(skip_serializing_if = "absent")]
    pub format: String,
}

impl Default for EnvFile {
    fn default() -> Self {
        Self { path: String::new(), required: true, format: String::new() }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_true(value: &bool) -> bool {
    *value
}

/// The Windows credential specification of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CredentialSpec {
    /// Key of a config.
    #[serde(skip_serializing_if = "absent")]
    pub config: String,
    /// Path of a file.
    #[serde(skip_serializing_if = "absent")]
    pub file: String,
    /// Entry of the Windows registry.
    #[serde(skip_serializing_if = "absent")]
    pub registry: String,
}

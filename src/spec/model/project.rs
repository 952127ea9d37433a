//! The project: all services and what they share.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{FileObject, Model, Network, Service, Volume};

/// Services by name. Boxed: a service is large, and a node of the tree has room for eleven whether they are there or not.
pub type Services = BTreeMap<String, Box<Service>>;

/// One resolved project.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Project {
    /// Project name: lowercase letters, digits, `_` and `-`.
    pub name: String,
    /// The project directory, which relative paths start from.
    pub working_dir: PathBuf,
    /// The compose files, absolute, in order; without those they include.
    pub files: Vec<PathBuf>,
    /// The variables that the files were resolved with.
    pub environment: BTreeMap<String, String>,
    /// Enabled services.
    pub services: Services,
    /// Services that no active profile enables.
    pub disabled: Services,
    /// Networks by key.
    pub networks: BTreeMap<String, Network>,
    /// Volumes by key.
    pub volumes: BTreeMap<String, Volume>,
    /// Secrets by key.
    pub secrets: BTreeMap<String, FileObject>,
    /// Configs by key.
    pub configs: BTreeMap<String, FileObject>,
    /// AI models by key.
    pub models: BTreeMap<String, Model>,
}

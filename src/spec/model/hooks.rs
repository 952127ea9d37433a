//! Commands run at moments of a container's life, and the rules of `develop.watch`.

use serde::{Deserialize, Serialize};

use super::Environment;
use super::scalar::absent;

/// A command run after start, before stop, or (in a container of its own) before start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hook {
    /// Command and arguments.
    pub command: Option<Vec<String>>,
    /// Image of a `pre_start` hook; empty for the service's own.
    #[serde(skip_serializing_if = "absent")]
    pub image: String,
    /// User that runs it.
    #[serde(skip_serializing_if = "absent")]
    pub user: String,
    /// With elevated privileges.
    #[serde(skip_serializing_if = "absent")]
    pub privileged: bool,
    /// Where it runs.
    #[serde(skip_serializing_if = "absent")]
    pub working_dir: String,
    /// Further variables.
    #[serde(skip_serializing_if = "absent")]
    pub environment: Environment,
    /// Runs a `pre_start` hook for every container and not once per service.
    #[serde(skip_serializing_if = "absent")]
    pub per_replica: bool,
}

/// Rules for working on a service's sources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Develop {
    /// What is watched, and what a change does.
    #[serde(skip_serializing_if = "absent")]
    pub watch: Vec<Watch>,
}

/// One watched path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// The path on the host.
    pub path: String,
    /// What a change does.
    pub action: WatchAction,
    /// Where files are copied to.
    #[serde(default, skip_serializing_if = "absent")]
    pub target: String,
    /// Command of `sync+exec`.
    #[serde(default)]
    pub exec: Hook,
    /// Patterns watched; empty for all.
    #[serde(default, skip_serializing_if = "absent")]
    pub include: Vec<String>,
    /// Patterns left out.
    #[serde(default, skip_serializing_if = "absent")]
    pub ignore: Vec<String>,
    /// Copies everything once at the start.
    #[serde(default, skip_serializing_if = "absent")]
    pub initial_sync: bool,
}

/// What a changed file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WatchAction {
    /// Builds the image and recreates the container.
    #[serde(rename = "rebuild")]
    Rebuild,
    /// Copies the file into the container.
    #[serde(rename = "sync")]
    Sync,
    /// Restarts the container.
    #[serde(rename = "restart")]
    Restart,
    /// Copies, then restarts.
    #[serde(rename = "sync+restart")]
    SyncRestart,
    /// Copies, then runs a command.
    #[serde(rename = "sync+exec")]
    SyncExec,
}

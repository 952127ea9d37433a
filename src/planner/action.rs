//! What a step does: one engine call each, by names, never by ids.

use std::time::Duration;

use rcompose_engine_adapter::{
    Attachment, BuildSpec, ContainerName, ContainerSpec, Exec, ImageReference, NetworkName, NetworkSpec, PullSpec, Stop, VolumeName,
    VolumeSpec,
};
use serde::Serialize;

/// One engine call.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Action {
    /// Pulls an image.
    PullImage(PullSpec),
    /// Builds an image.
    BuildImage(Box<BuildSpec>),
    /// Takes a name off an image.
    RemoveImage {
        /// The image.
        image: ImageReference,
    },
    /// Makes a network.
    CreateNetwork(Box<NetworkSpec>),
    /// Removes a network.
    RemoveNetwork {
        /// The network.
        name: NetworkName,
    },
    /// Attaches a container.
    Connect {
        /// The container.
        container: ContainerName,
        /// How.
        attachment: Box<Attachment>,
    },
    /// Detaches a container.
    Disconnect {
        /// The container.
        container: ContainerName,
        /// From where.
        network: NetworkName,
    },
    /// Makes a volume.
    CreateVolume(Box<VolumeSpec>),
    /// Removes a volume with its content.
    RemoveVolume {
        /// The volume.
        name: VolumeName,
    },
    /// Makes a container, not started.
    CreateContainer(Box<ContainerSpec>),
    /// Starts a container.
    StartContainer {
        /// The container.
        name: ContainerName,
    },
    /// Stops a container and waits for its end.
    StopContainer {
        /// The container.
        name: ContainerName,
        /// How.
        stop: Stop,
    },
    /// Sends a signal.
    KillContainer {
        /// The container.
        name: ContainerName,
        /// The signal, such as `SIGKILL`.
        signal: String,
    },
    /// Removes a container.
    RemoveContainer {
        /// The container.
        name: ContainerName,
        /// Its anonymous volumes too.
        volumes: bool,
    },
    /// Renames a container.
    RenameContainer {
        /// The name it has.
        from: ContainerName,
        /// The name it gets.
        to: ContainerName,
    },
    /// Freezes a container.
    PauseContainer {
        /// The container.
        name: ContainerName,
    },
    /// Thaws a container.
    UnpauseContainer {
        /// The container.
        name: ContainerName,
    },
    /// Runs a hook in a container that runs, and fails when the hook does.
    RunHook {
        /// The container.
        name: ContainerName,
        /// What runs.
        exec: Box<Exec>,
    },
    /// Starts a container that does a job, passes its output on, and fails when its status is not 0.
    RunJob {
        /// The container.
        name: ContainerName,
    },
    /// Waits for a container.
    Await {
        /// The container.
        name: ContainerName,
        /// For what.
        until: Condition,
        /// How long at the most.
        limit: Option<Duration>,
    },
}

/// What a container is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It runs.
    Started,
    /// Its healthcheck passes. Unhealthy, ended, or without a healthcheck is a failure.
    Healthy,
    /// It ended with status 0. Any other status is a failure.
    CompletedSuccessfully,
    /// It is ready: healthy where it has a healthcheck, else running; or it ended with status 0, as jobs do.
    Ready,
    /// It ended, with whatever status.
    Ended,
}

/// What an action is about, by kind and name; for displays.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Subject {
    /// `Container`, `Network`, `Volume`, `Image`.
    pub kind: &'static str,
    /// Its name on the engine; for an image that is built, the tag.
    pub name: String,
}

impl Action {
    /// Returns what the action is about.
    pub fn subject(&self) -> Subject {
        let (kind, name) = match self {
            Self::PullImage(spec) => ("Image", spec.image.as_str()),
            Self::BuildImage(spec) => ("Image", spec.tags.first().map_or(spec.name.as_str(), ImageReference::as_str)),
            Self::RemoveImage { image } => ("Image", image.as_str()),
            Self::CreateNetwork(spec) => ("Network", spec.name.as_str()),
            Self::RemoveNetwork { name } => ("Network", name.as_str()),
            Self::CreateVolume(spec) => ("Volume", spec.name.as_str()),
            Self::RemoveVolume { name } => ("Volume", name.as_str()),
            Self::CreateContainer(spec) => ("Container", spec.name.as_str()),
            Self::Connect { container, .. } | Self::Disconnect { container, .. } => ("Container", container.as_str()),
            Self::RenameContainer { to, .. } => ("Container", to.as_str()),
            Self::StartContainer { name }
            | Self::StopContainer { name, .. }
            | Self::KillContainer { name, .. }
            | Self::RemoveContainer { name, .. }
            | Self::PauseContainer { name }
            | Self::UnpauseContainer { name }
            | Self::RunHook { name, .. }
            | Self::RunJob { name }
            | Self::Await { name, .. } => ("Container", name.as_str()),
        };
        Subject { kind, name: name.to_owned() }
    }

    /// Returns the words while it is done and once it is done, as docker compose has them where it has them.
    pub fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::PullImage(_) => ("Pulling", "Pulled"),
            Self::BuildImage(_) => ("Building", "Built"),
            Self::RemoveImage { .. } | Self::RemoveNetwork { .. } | Self::RemoveVolume { .. } | Self::RemoveContainer { .. } => {
                ("Removing", "Removed")
            }
            Self::CreateNetwork(_) | Self::CreateVolume(_) | Self::CreateContainer(_) => ("Creating", "Created"),
            Self::Connect { .. } => ("Connecting", "Connected"),
            Self::Disconnect { .. } => ("Disconnecting", "Disconnected"),
            Self::StartContainer { .. } => ("Starting", "Started"),
            Self::StopContainer { .. } => ("Stopping", "Stopped"),
            Self::KillContainer { .. } => ("Killing", "Killed"),
            Self::RenameContainer { .. } => ("Renaming", "Renamed"),
            Self::PauseContainer { .. } => ("Pausing", "Paused"),
            Self::UnpauseContainer { .. } => ("Unpausing", "Unpaused"),
            Self::RunHook { .. } | Self::RunJob { .. } => ("Running hook", "Hook done"),
            Self::Await { until, .. } => ("Waiting", until.reached()),
        }
    }
}

impl Condition {
    /// Returns the word for the condition once it holds.
    pub fn reached(self) -> &'static str {
        match self {
            Self::Started => "Running",
            Self::Healthy => "Healthy",
            Self::CompletedSuccessfully | Self::Ended => "Exited",
            Self::Ready => "Ready",
        }
    }
}

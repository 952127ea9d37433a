//! The three seams: containers and what they need, images, and streams.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{
    ArchiveBytes, Attach, Attachment, BuildSpec, ContainerName, ContainerSpec, EngineEvent, Exec, ExecId, ExecSession, ImageProgress,
    ImageReference, LogLine, LogOptions, NetworkName, NetworkSpec, Observed, PathStat, Processes, PullSpec, Result, Scope, Session, Span,
    Stop, TerminalSize, Usage, VolumeName, VolumeSpec,
};

/// Runs containers. Every call is safe to repeat; removing what is absent is success.
#[async_trait]
pub trait Engine: fmt::Debug + Send + Sync {
    /// Returns the engine's name: `docker`, `memory`, `native`.
    fn name(&self) -> &'static str;

    /// Tells what is there. The only door through which state of projects comes in.
    async fn observe(&self, scope: &Scope) -> Result<Observed>;

    /// Makes a network; one of the same name with the same project label is success.
    async fn create_network(&self, spec: &NetworkSpec) -> Result<()>;

    /// Removes a network; [`crate::ErrorKind::Conflict`] names who is attached.
    async fn remove_network(&self, name: &NetworkName) -> Result<()>;

    /// Attaches a container; being attached already is success.
    async fn connect(&self, container: &ContainerName, attachment: &Attachment) -> Result<()>;

    /// Detaches a container; not being attached is success.
    async fn disconnect(&self, container: &ContainerName, network: &NetworkName) -> Result<()>;

    /// Makes a volume; one of the same name is success.
    async fn create_volume(&self, spec: &VolumeSpec) -> Result<()>;

    /// Removes a volume; [`crate::ErrorKind::Conflict`] when a container uses it.
    async fn remove_volume(&self, name: &VolumeName) -> Result<()>;

    /// Makes a container, with its files and networks, not started. Where it fails nothing of it is left.
    /// A container of the same name is [`crate::ErrorKind::Conflict`].
    async fn create_container(&self, spec: &ContainerSpec) -> Result<()>;

    /// Starts a container; one that runs is success.
    async fn start_container(&self, name: &ContainerName) -> Result<()>;

    /// Stops a container and waits for its end; one that does not run, or is absent, is success.
    async fn stop_container(&self, name: &ContainerName, stop: &Stop) -> Result<()>;

    /// Sends a signal to a container's first process; one that does not run is success.
    async fn kill_container(&self, name: &ContainerName, signal: &str) -> Result<()>;

    /// Removes a container, killing it if it runs, and with `volumes` its anonymous volumes.
    async fn remove_container(&self, name: &ContainerName, volumes: bool) -> Result<()>;

    /// Renames a container.
    async fn rename_container(&self, from: &ContainerName, to: &ContainerName) -> Result<()>;

    /// Freezes a container's processes.
    async fn pause_container(&self, name: &ContainerName) -> Result<()>;

    /// Thaws a container's processes.
    async fn unpause_container(&self, name: &ContainerName) -> Result<()>;

    /// Waits for the end of a container and returns its status.
    async fn wait_container(&self, name: &ContainerName) -> Result<i64>;

    /// Follows what happens to objects in scope, from now on. Dropping the stream ends it.
    fn events(&self, scope: &Scope) -> BoxStream<'static, Result<EngineEvent>> {
        self.events_within(scope, Span::default())
    }

    /// As [`Self::events`], also from before now and up to a point in time.
    fn events_within(&self, scope: &Scope, span: Span) -> BoxStream<'static, Result<EngineEvent>>;

    /// Takes what the engine remarked beside its answers since the last call: what it accepted and does not honour.
    fn remarks(&self) -> Vec<Remark> {
        Vec::new()
    }
}

/// What an engine said beside an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The container it is about.
    pub container: ContainerName,
    /// The engine's own words.
    pub text: String,
}

/// Brings images.
#[async_trait]
pub trait Images: fmt::Debug + Send + Sync {
    /// Pulls an image; ends with [`ImageProgress::Done`] or an error.
    fn pull(&self, spec: &PullSpec) -> BoxStream<'static, Result<ImageProgress>>;

    /// Builds an image; ends with [`ImageProgress::Done`] or an error.
    fn build(&self, spec: &BuildSpec) -> BoxStream<'static, Result<ImageProgress>>;

    /// Pushes an image; ends with [`ImageProgress::Done`] or an error.
    fn push(&self, image: &ImageReference) -> BoxStream<'static, Result<ImageProgress>>;

    /// Takes a name off an image, and the image away with its last name; absent is success.
    async fn remove_image(&self, image: &ImageReference) -> Result<()>;
}

/// Carries bytes, and looks into what runs.
#[async_trait]
pub trait Streams: fmt::Debug + Send + Sync {
    /// Sends a container's output, whole lines, in the order recorded.
    fn logs(&self, name: &ContainerName, options: &LogOptions) -> BoxStream<'static, Result<LogLine>>;

    /// Attaches to a container's first process. Ends when that process does.
    async fn attach(&self, name: &ContainerName, attach: Attach) -> Result<Session>;

    /// Starts a process in a container that runs.
    async fn exec(&self, name: &ContainerName, exec: &Exec) -> Result<ExecSession>;

    /// Returns the exit status of an exec; `None` while it runs.
    async fn exec_status(&self, id: &ExecId) -> Result<Option<i64>>;

    /// Lists the processes of a container; [`crate::ErrorKind::Conflict`] where it does not run.
    async fn top(&self, name: &ContainerName) -> Result<Processes>;

    /// Measures what a container uses; [`crate::ErrorKind::Conflict`] where it does not run.
    async fn usage(&self, name: &ContainerName) -> Result<Usage>;

    /// Looks at a path in a container, whether it runs or not; nothing where the path is absent.
    async fn stat(&self, name: &ContainerName, path: &str) -> Result<Option<PathStat>>;

    /// Packs what is at a path in a container as a tar archive, whose first entry has the last part of the path for a name, and all others
    /// begin with it. A path that ends with `/` or `/.` leads through a symbolic link. [`crate::ErrorKind::NotFound`] where it is absent.
    fn pack(&self, name: &ContainerName, path: &str) -> BoxStream<'static, Result<Bytes>>;

    /// Unpacks a tar archive into a folder of a container, with the owners that the archive tells. Nothing outside the folder is written. A
    /// folder is never replaced by something else, nor something else by a folder. [`crate::ErrorKind::NotFound`] where the folder is absent,
    /// [`crate::ErrorKind::Invalid`] where it is none or takes no writes.
    async fn unpack(&self, name: &ContainerName, folder: &str, archive: ArchiveBytes) -> Result<()>;

    /// Resizes the terminal of a container's first process.
    async fn resize(&self, name: &ContainerName, size: TerminalSize) -> Result<()>;

    /// Resizes the terminal of an exec.
    async fn resize_exec(&self, id: &ExecId, size: TerminalSize) -> Result<()>;
}

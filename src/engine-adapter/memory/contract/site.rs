//! Where one case works: a project of its own, and short ways to say what is asked in every case.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use rcompose_engine_adapter::{
    ConfigHash, ContainerName, ContainerSpec, Engine, EngineError, ErrorKind, Exec, ExecId, ImageReference, Images, LogLine, LogOptions,
    NetworkMode, NetworkName, NetworkSpec, Observed, ObservedContainer, Output, Result, Scope, Streams, VolumeName, VolumeSpec, labels,
};
use tokio::time::{Instant, sleep, timeout};

use super::{Broken, Harness, ensure};

/// A real engine may take so long for what it does by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where one case works.
#[derive(Debug)]
pub struct Site {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) images: Arc<dyn Images>,
    pub(super) streams: Arc<dyn Streams>,
    pub(super) image: ImageReference,
    pub(super) project: String,
}

/// What an exec put out, and its status.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ran {
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) status: i64,
}

impl Site {
    pub(super) fn new(harness: &dyn Harness, number: usize) -> Self {
        Self {
            engine: harness.engine(),
            images: harness.images(),
            streams: harness.streams(),
            image: harness.shell_image(),
            project: format!("{}c{number}", harness.prefix()),
        }
    }

    pub(super) fn name(&self, name: &str) -> ContainerName {
        format!("{}-{name}-1", self.project).into()
    }

    pub(super) fn network_name(&self, name: &str) -> NetworkName {
        format!("{}_{name}", self.project).into()
    }

    pub(super) fn volume_name(&self, name: &str) -> VolumeName {
        format!("{}_{name}", self.project).into()
    }

    /// A container of the project, without a network, that runs a line of shell.
    pub(super) fn shell(&self, name: &str, text: &str) -> ContainerSpec {
        let mut spec = crate::spec::container(self.name(name), self.image.clone());
        spec.process.command = Some(words(&["sh", "-c", text]));
        spec.network = NetworkMode::None;
        spec.labels = self.labels();
        spec.labels.insert(labels::SERVICE.into(), name.into());
        spec.config_hash = Some(hash(name));
        spec
    }

    /// A container that runs until it is stopped.
    pub(super) fn idle(&self, name: &str) -> ContainerSpec {
        self.shell(name, "sleep 1000")
    }

    pub(super) fn network(&self, name: &str) -> NetworkSpec {
        let mut spec = crate::spec::network(self.network_name(name));
        spec.labels = self.labels();
        spec.labels.insert(labels::NETWORK.into(), name.into());
        spec.config_hash = hash(name);
        spec
    }

    pub(super) fn volume(&self, name: &str) -> VolumeSpec {
        let mut spec = crate::spec::volume(self.volume_name(name));
        spec.labels = self.labels();
        spec.labels.insert(labels::VOLUME.into(), name.into());
        spec.config_hash = hash(name);
        spec
    }

    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(labels::PROJECT.into(), self.project.clone()), (labels::ONEOFF.into(), "False".into())])
    }

    /// Creates and starts; returns the name.
    pub(super) async fn start(&self, spec: &ContainerSpec) -> Result<ContainerName> {
        self.engine.create_container(spec).await?;
        self.engine.start_container(&spec.name).await?;
        Ok(spec.name.clone())
    }

    pub(super) async fn observe(&self) -> Result<Observed> {
        self.engine.observe(&Scope::project(&self.project)).await
    }

    /// Looks at one container; `None` where it is not there.
    pub(super) async fn look(&self, name: &ContainerName) -> Result<Option<ObservedContainer>> {
        Ok(self.engine.observe(&Scope::container(name.clone())).await?.containers.remove(name))
    }

    /// Looks at one container that is there.
    pub(super) async fn see(&self, name: &ContainerName) -> Result<ObservedContainer, Broken> {
        self.look(name).await?.ok_or_else(|| Broken(format!("container {name} is not there")))
    }

    /// Looks until a container is as it should be.
    pub(super) async fn until(
        &self,
        name: &ContainerName,
        what: &str,
        holds: impl Fn(Option<&ObservedContainer>) -> bool,
    ) -> Result<(), Broken> {
        let start = Instant::now();
        loop {
            let seen = self.look(name).await?;
            if holds(seen.as_ref()) {
                return Ok(());
            }
            let stands = seen.map(|it| (it.state, it.health));
            ensure!(start.elapsed() < PATIENCE, "container {name} was not {what} in time, but {stands:?}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits for the end of a container.
    pub(super) async fn wait(&self, name: &ContainerName) -> Result<i64, Broken> {
        match timeout(PATIENCE, self.engine.wait_container(name)).await {
            Ok(status) => Ok(status?),
            Err(_) => Err(Broken(format!("container {name} did not end in time"))),
        }
    }

    /// Returns a container's lines as (from standard error, text).
    pub(super) async fn logs(&self, name: &ContainerName, options: LogOptions) -> Result<Vec<(bool, String)>, Broken> {
        let lines: Vec<LogLine> = self.log_lines(name, options).await?;
        Ok(lines.iter().map(|line| (line.stderr, String::from_utf8_lossy(&line.line).into_owned())).collect())
    }

    pub(super) async fn log_lines(&self, name: &ContainerName, options: LogOptions) -> Result<Vec<LogLine>, Broken> {
        let lines: Vec<Result<LogLine>> = self.collect(self.streams.logs(name, &options), "log").await?;
        Ok(lines.into_iter().collect::<Result<_>>()?)
    }

    /// Takes a stream to its end.
    pub(super) async fn collect<T>(&self, stream: impl futures::Stream<Item = T>, what: &str) -> Result<Vec<T>, Broken> {
        match timeout(PATIENCE, stream.collect()).await {
            Ok(items) => Ok(items),
            Err(_) => Err(Broken(format!("the {what} did not end in time"))),
        }
    }

    /// Takes a session's output to its end; returns (standard output, standard error).
    pub(super) async fn outputs(&self, stream: impl futures::Stream<Item = Result<Output>>) -> Result<(String, String), Broken> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        for piece in self.collect(stream, "output").await? {
            match piece? {
                Output::Stdout(bytes) => stdout.extend_from_slice(&bytes),
                Output::Stderr(bytes) => stderr.extend_from_slice(&bytes),
            }
        }
        Ok((String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned()))
    }

    /// Runs a command in a container to its end.
    pub(super) async fn exec(&self, name: &ContainerName, exec: &Exec) -> Result<Ran, Broken> {
        let started = self.streams.exec(name, exec).await?;
        let session = started.session.ok_or_else(|| Broken("an exec that is not detached has no session".into()))?;
        drop(session.input);
        let (stdout, stderr) = self.outputs(session.output).await?;
        Ok(Ran { stdout, stderr, status: self.exec_status(&started.id).await? })
    }

    pub(super) async fn exec_status(&self, id: &ExecId) -> Result<i64, Broken> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.streams.exec_status(id).await? {
                return Ok(status);
            }
            ensure!(start.elapsed() < PATIENCE, "the exec did not end in time");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Takes away all that the project has.
    pub(super) async fn clear(&self) -> Result<(), Broken> {
        let observed = self.observe().await?;
        for name in observed.containers.keys() {
            self.engine.remove_container(name, true).await?;
        }
        for name in observed.networks.keys() {
            self.engine.remove_network(name).await?;
        }
        for name in observed.volumes.keys() {
            self.engine.remove_volume(name).await?;
        }
        let left = self.observe().await?;
        let bare = left.containers.is_empty() && left.networks.is_empty() && left.volumes.is_empty();
        ensure!(bare, "the project could not be cleared: {left:?}");
        Ok(())
    }
}

/// Checks that a call failed with this kind of error.
pub(super) fn fails<T>(result: Result<T>, kind: ErrorKind, what: &str) -> Result<EngineError, Broken> {
    match result {
        Ok(_) => Err(Broken(format!("{what} must fail with {kind:?}, and did not"))),
        Err(error) if error.kind == kind => Ok(error),
        Err(error) => Err(Broken(format!("{what} must fail with {kind:?}, and failed with {:?}: {error}", error.kind))),
    }
}

pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

pub(super) fn shell_exec(text: &str) -> Exec {
    Exec { command: words(&["sh", "-c", text]), ..Exec::default() }
}

/// A configuration hash without holes.
pub(super) fn hash(text: &str) -> ConfigHash {
    ConfigHash { preimage: format!("{{\"name\":\"{text}\"}}"), dialects: Vec::new(), holes: Vec::new() }
}

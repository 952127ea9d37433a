//! The engine: one value that the seams are implemented on.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use rcompose_engine_adapter::{
    ArchiveBytes, Attach, Attachment, BuildSpec, ContainerName, ContainerSpec, Discard, Engine, EngineEvent, EngineInfo, Exec, ExecId,
    ExecSession, Ground, ImageProgress, ImageReference, Images, LogLine, LogOptions, NetworkName, NetworkSpec, Observed, PathStat,
    Processes, PullSpec, Remark, Result, Scope, Session, Span, Stock, Stop, Streams, TerminalSize, Upkeep, Usage, VolumeName, VolumeSpec,
};
use tokio::sync::OnceCell;

use crate::connect::{Connection, connect};
use crate::defaults::Defaults;
use crate::transport::Api;

/// A Docker engine, connected to. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Docker {
    pub(crate) api: Api,
    pub(crate) info: EngineInfo,
    /// The docker configuration folder.
    pub(crate) config: Option<PathBuf>,
    /// Ids of the containers made through this connection: one of them that holds a name was not left by a client that was killed.
    pub(crate) made: Arc<Mutex<BTreeSet<String>>>,
    /// What the engine said beside its answers, and nobody took yet.
    pub(crate) remarks: Arc<Mutex<Vec<Remark>>>,
    /// Asked for when first needed.
    pub(crate) defaults: Arc<OnceCell<Defaults>>,
}

impl Docker {
    /// Connects to an engine and settles the API version.
    ///
    /// # Errors
    /// Unreachable or Denied with what to do, Unsupported where the engine is too old or too new.
    pub async fn connect(connection: &Connection) -> Result<Self> {
        let (api, info) = connect(&connection.endpoint).await?;
        Ok(Self {
            api,
            info,
            config: connection.config.clone(),
            made: Arc::default(),
            remarks: Arc::default(),
            defaults: Arc::default(),
        })
    }

    /// Returns what the engine is and can do.
    pub fn info(&self) -> &EngineInfo {
        &self.info
    }

    /// Returns the engine's address.
    pub fn address(&self) -> &str {
        self.api.address()
    }
}

#[async_trait]
impl Engine for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn remarks(&self) -> Vec<Remark> {
        std::mem::take(&mut self.remarks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn observe(&self, scope: &Scope) -> Result<Observed> {
        crate::observe::observe(self, scope).await
    }

    async fn create_network(&self, spec: &NetworkSpec) -> Result<()> {
        crate::network::create(self, spec).await
    }

    async fn remove_network(&self, name: &NetworkName) -> Result<()> {
        crate::network::remove(&self.api, name).await
    }

    async fn connect(&self, container: &ContainerName, attachment: &Attachment) -> Result<()> {
        crate::network::connect(&self.api, container, attachment).await
    }

    async fn disconnect(&self, container: &ContainerName, network: &NetworkName) -> Result<()> {
        crate::network::disconnect(&self.api, container, network).await
    }

    async fn create_volume(&self, spec: &VolumeSpec) -> Result<()> {
        crate::volume::create(&self.api, spec).await
    }

    async fn remove_volume(&self, name: &VolumeName) -> Result<()> {
        crate::volume::remove(&self.api, name).await
    }

    async fn create_container(&self, spec: &ContainerSpec) -> Result<()> {
        crate::create::create(self, spec).await
    }

    async fn start_container(&self, name: &ContainerName) -> Result<()> {
        crate::containers::start(&self.api, name).await
    }

    async fn stop_container(&self, name: &ContainerName, stop: &Stop) -> Result<()> {
        crate::containers::stop(&self.api, name, stop).await
    }

    async fn kill_container(&self, name: &ContainerName, signal: &str) -> Result<()> {
        crate::containers::kill(&self.api, name, signal).await
    }

    async fn remove_container(&self, name: &ContainerName, volumes: bool) -> Result<()> {
        crate::containers::remove(&self.api, name, volumes).await
    }

    async fn rename_container(&self, from: &ContainerName, to: &ContainerName) -> Result<()> {
        crate::containers::rename(&self.api, from, to).await
    }

    async fn pause_container(&self, name: &ContainerName) -> Result<()> {
        crate::containers::pause(&self.api, name).await
    }

    async fn unpause_container(&self, name: &ContainerName) -> Result<()> {
        crate::containers::unpause(&self.api, name).await
    }

    async fn wait_container(&self, name: &ContainerName) -> Result<i64> {
        crate::containers::wait(&self.api, name, "not-running").await
    }

    fn events_within(&self, scope: &Scope, span: Span) -> BoxStream<'static, Result<EngineEvent>> {
        crate::event::events(self, scope, span)
    }
}

#[async_trait]
impl Upkeep for Docker {
    async fn ground(&self) -> Result<Ground> {
        crate::upkeep::ground(&self.api).await
    }

    async fn stock(&self, sizes: bool) -> Result<Stock> {
        crate::upkeep::stock(&self.api, sizes).await
    }

    async fn discard(&self, what: &Discard) -> Result<Option<u64>> {
        crate::upkeep::discard(&self.api, what).await
    }
}

#[async_trait]
impl Images for Docker {
    fn pull(&self, spec: &PullSpec) -> BoxStream<'static, Result<ImageProgress>> {
        crate::image::pull(self, spec)
    }

    fn build(&self, spec: &BuildSpec) -> BoxStream<'static, Result<ImageProgress>> {
        crate::image::build(self, spec)
    }

    fn push(&self, image: &ImageReference) -> BoxStream<'static, Result<ImageProgress>> {
        crate::image::push(self, image)
    }

    async fn remove_image(&self, image: &ImageReference) -> Result<()> {
        crate::image::remove(&self.api, image).await
    }
}

#[async_trait]
impl Streams for Docker {
    fn logs(&self, name: &ContainerName, options: &LogOptions) -> BoxStream<'static, Result<LogLine>> {
        crate::logs::logs(&self.api, name, options)
    }

    async fn attach(&self, name: &ContainerName, attach: Attach) -> Result<Session> {
        crate::session::attach(&self.api, name, attach).await
    }

    async fn exec(&self, name: &ContainerName, exec: &Exec) -> Result<ExecSession> {
        crate::session::exec(&self.api, name, exec).await
    }

    async fn exec_status(&self, id: &ExecId) -> Result<Option<i64>> {
        crate::session::exec_status(&self.api, id).await
    }

    async fn top(&self, name: &ContainerName) -> Result<Processes> {
        crate::usage::top(&self.api, name).await
    }

    async fn usage(&self, name: &ContainerName) -> Result<Usage> {
        crate::usage::usage(&self.api, name).await
    }

    async fn stat(&self, name: &ContainerName, path: &str) -> Result<Option<PathStat>> {
        crate::copy::stat(&self.api, name, path).await
    }

    fn pack(&self, name: &ContainerName, path: &str) -> BoxStream<'static, Result<Bytes>> {
        crate::copy::pack(&self.api, name, path)
    }

    async fn unpack(&self, name: &ContainerName, folder: &str, archive: ArchiveBytes) -> Result<()> {
        crate::copy::unpack(&self.api, name, folder, archive).await
    }

    async fn resize(&self, name: &ContainerName, size: TerminalSize) -> Result<()> {
        crate::session::resize(&self.api, name, size).await
    }

    async fn resize_exec(&self, id: &ExecId, size: TerminalSize) -> Result<()> {
        crate::session::resize_exec(&self.api, id, size).await
    }
}

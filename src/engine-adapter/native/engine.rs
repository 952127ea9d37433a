//! The engine: one value that the seams are implemented on.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use rcompose_engine_adapter::{
    ArchiveBytes, Attach, Attachment, BuildSpec, ContainerName, ContainerSpec, Engine, EngineEvent, EngineInfo, Exec, ExecId, ExecSession,
    Feature, ImageProgress, ImageReference, Images, LogLine, LogOptions, NetworkName, NetworkSpec, Observed, PathStat, Processes, PullSpec,
    Remark, Result, Scope, Session, Span, Stop, Streams, TerminalSize, Usage, VolumeName, VolumeSpec,
};
use rcompose_image::{Registries, Store};
use rcompose_network::Firewall;

use crate::ahead::Ahead;
use crate::error;
use crate::place::Places;
use crate::remark::Remarks;
use crate::thread::blocking;
use crate::trash::Trash;
use crate::{container, copy, events, images, link, measure, network, observe, streams, volume};

/// How registries are reached: asked for when an image is pulled or pushed.
pub type Reach = Arc<dyn Fn() -> Result<Registries> + Send + Sync>;

/// Where an engine is, and what it needs of its caller.
pub struct Setup {
    /// What outlives a start of the machine: images, containers, volumes.
    pub root: PathBuf,
    /// What does not: sockets, namespaces, secrets. In memory.
    pub run: PathBuf,
    /// The program that shims and guardians are, with its hidden verbs; `None` is this program.
    pub program: Option<PathBuf>,
    /// How registries are reached.
    pub registries: Reach,
    /// This program's version.
    pub version: String,
    /// Containers that were read before, in the same folder.
    pub ahead: Ahead,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("root", &self.root).field("run", &self.run).finish_non_exhaustive()
    }
}

/// Our own engine. Cloning is cheap.
#[derive(Clone)]
pub struct Native {
    pub(crate) places: Places,
    pub(crate) images: Store,
    pub(crate) registries: Reach,
    pub(crate) program: Option<PathBuf>,
    pub(crate) remarks: Arc<Remarks>,
    pub(crate) executions: Arc<streams::Executions>,
    pub(crate) trash: Arc<Trash>,
    pub(crate) stale: Arc<link::Stale>,
    /// Networks that were looked at in the kernel, by id.
    pub(crate) ensured: Arc<Mutex<BTreeSet<String>>>,
    firewall: Arc<Mutex<Option<Firewall>>>,
    version: Arc<str>,
}

impl fmt::Debug for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Native").field("places", &self.places).finish_non_exhaustive()
    }
}

impl Native {
    /// Opens the engine; its folders are made where they are missing.
    ///
    /// # Errors
    /// A folder cannot be made or belongs to another user.
    pub fn open(setup: Setup) -> Result<Self> {
        let images = Store::open(&setup.root).map_err(error::image)?;
        let places = setup.ahead.places(setup.root, setup.run);
        places.make()?;
        let trash = Trash::new(places.containers(), setup.program.as_deref());
        let stale = link::Stale::new(places.clone());
        Ok(Self {
            places,
            images,
            registries: setup.registries,
            program: setup.program,
            remarks: Arc::default(),
            executions: Arc::default(),
            trash: Arc::new(trash),
            stale: Arc::new(stale),
            ensured: Arc::default(),
            firewall: Arc::default(),
            version: setup.version.into(),
        })
    }

    /// Returns what the engine is and can do.
    #[must_use]
    pub fn info(&self) -> EngineInfo {
        let lacks = [Feature::BuildKit, Feature::Windows];
        let features: BTreeSet<Feature> = Feature::ALL.iter().copied().filter(|it| !lacks.contains(it)).collect();
        EngineInfo {
            name: "native".into(),
            version: self.version.to_string(),
            api: rcompose_runtime::OCI_VERSION.into(),
            features,
        }
    }

    /// Does something with the kernel's rules. The way there is opened once: to close it takes 10 ms.
    pub(crate) fn rules<T>(&self, what: &str, work: impl FnOnce(&Firewall) -> rcompose_network::Result<T>) -> Result<T> {
        let mut held = self.firewall.lock().unwrap_or_else(PoisonError::into_inner);
        let firewall = match held.take() {
            Some(firewall) => firewall,
            None => Firewall::open().map_err(error::network(what))?,
        };
        let firewall = held.insert(firewall);
        work(firewall).map_err(error::network(what))
    }

    /// Does blocking work with a handle of the engine.
    pub(crate) async fn work<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> Result<T> + Send + 'static) -> Result<T> {
        let native = self.clone();
        blocking(move || work(&native)).await
    }
}

#[async_trait]
impl Engine for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    async fn observe(&self, scope: &Scope) -> Result<Observed> {
        let scope = scope.clone();
        self.work(move |it| observe::observe(it, &scope)).await
    }

    async fn create_network(&self, spec: &NetworkSpec) -> Result<()> {
        let spec = spec.clone();
        self.work(move |it| network::create(it, &spec)).await
    }

    async fn remove_network(&self, name: &NetworkName) -> Result<()> {
        let name = name.clone();
        self.work(move |it| network::remove(it, &name)).await
    }

    async fn connect(&self, container: &ContainerName, attachment: &Attachment) -> Result<()> {
        let (container, attachment) = (container.clone(), attachment.clone());
        self.work(move |it| link::connect(it, &container, &attachment)).await
    }

    async fn disconnect(&self, container: &ContainerName, network: &NetworkName) -> Result<()> {
        let (container, network) = (container.clone(), network.clone());
        self.work(move |it| link::disconnect(it, &container, &network)).await
    }

    async fn create_volume(&self, spec: &VolumeSpec) -> Result<()> {
        let spec = spec.clone();
        self.work(move |it| volume::create(it, &spec)).await
    }

    async fn remove_volume(&self, name: &VolumeName) -> Result<()> {
        let name = name.clone();
        self.work(move |it| volume::remove(it, &name)).await
    }

    async fn create_container(&self, spec: &ContainerSpec) -> Result<()> {
        let spec = spec.clone();
        self.work(move |it| container::create(it, &spec)).await
    }

    async fn start_container(&self, name: &ContainerName) -> Result<()> {
        let name = name.clone();
        self.work(move |it| container::start(it, &name)).await
    }

    async fn stop_container(&self, name: &ContainerName, stop: &Stop) -> Result<()> {
        let (name, stop) = (name.clone(), stop.clone());
        self.work(move |it| container::stop(it, &name, &stop)).await
    }

    async fn kill_container(&self, name: &ContainerName, signal: &str) -> Result<()> {
        let (name, signal) = (name.clone(), signal.to_owned());
        self.work(move |it| container::kill(it, &name, &signal)).await
    }

    async fn remove_container(&self, name: &ContainerName, volumes: bool) -> Result<()> {
        let name = name.clone();
        self.work(move |it| container::remove(it, &name, volumes)).await
    }

    async fn rename_container(&self, from: &ContainerName, to: &ContainerName) -> Result<()> {
        let (from, to) = (from.clone(), to.clone());
        self.work(move |it| container::rename(it, &from, &to)).await
    }

    async fn pause_container(&self, name: &ContainerName) -> Result<()> {
        let name = name.clone();
        self.work(move |it| container::pause(it, &name, true)).await
    }

    async fn unpause_container(&self, name: &ContainerName) -> Result<()> {
        let name = name.clone();
        self.work(move |it| container::pause(it, &name, false)).await
    }

    async fn wait_container(&self, name: &ContainerName) -> Result<i64> {
        let name = name.clone();
        self.work(move |it| container::wait(it, &name)).await
    }

    fn events_within(&self, scope: &Scope, span: Span) -> BoxStream<'static, Result<EngineEvent>> {
        events::events(self, scope, span)
    }

    fn remarks(&self) -> Vec<Remark> {
        self.remarks.take()
    }
}

#[async_trait]
impl Images for Native {
    fn pull(&self, spec: &PullSpec) -> BoxStream<'static, Result<ImageProgress>> {
        images::pull(self, spec)
    }

    fn build(&self, spec: &BuildSpec) -> BoxStream<'static, Result<ImageProgress>> {
        images::build(spec)
    }

    fn push(&self, image: &ImageReference) -> BoxStream<'static, Result<ImageProgress>> {
        images::push(self, image)
    }

    async fn remove_image(&self, image: &ImageReference) -> Result<()> {
        let image = image.clone();
        self.work(move |it| images::remove(it, &image)).await
    }
}

#[async_trait]
impl Streams for Native {
    fn logs(&self, name: &ContainerName, options: &LogOptions) -> BoxStream<'static, Result<LogLine>> {
        streams::logs(self, name, options)
    }

    async fn attach(&self, name: &ContainerName, attach: Attach) -> Result<Session> {
        let name = name.clone();
        self.work(move |it| streams::attach(it, &name, attach)).await
    }

    async fn exec(&self, name: &ContainerName, exec: &Exec) -> Result<ExecSession> {
        let (name, exec) = (name.clone(), exec.clone());
        self.work(move |it| streams::exec(it, &name, &exec)).await
    }

    async fn exec_status(&self, id: &ExecId) -> Result<Option<i64>> {
        let id = id.clone();
        self.work(move |it| streams::exec_status(it, &id)).await
    }

    async fn top(&self, name: &ContainerName) -> Result<Processes> {
        let name = name.clone();
        self.work(move |it| measure::top(it, &name)).await
    }

    async fn usage(&self, name: &ContainerName) -> Result<Usage> {
        let name = name.clone();
        self.work(move |it| measure::usage(it, &name)).await
    }

    async fn stat(&self, name: &ContainerName, path: &str) -> Result<Option<PathStat>> {
        let (name, path) = (name.clone(), path.to_owned());
        self.work(move |it| copy::stat(it, &name, &path)).await
    }

    fn pack(&self, name: &ContainerName, path: &str) -> BoxStream<'static, Result<Bytes>> {
        copy::pack(self, name, path)
    }

    async fn unpack(&self, name: &ContainerName, folder: &str, archive: ArchiveBytes) -> Result<()> {
        copy::unpack(self, name, folder, archive).await
    }

    async fn resize(&self, name: &ContainerName, size: TerminalSize) -> Result<()> {
        let name = name.clone();
        self.work(move |it| streams::resize(it, &name, size)).await
    }

    async fn resize_exec(&self, id: &ExecId, size: TerminalSize) -> Result<()> {
        let id = id.clone();
        self.work(move |it| streams::resize_exec(it, &id, size)).await
    }
}

//! An engine, a project of one's own on it, and a clean room afterwards.

use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::FutureExt;
use rcompose_docker::{Connection, Docker, Endpoint};
use rcompose_engine_adapter::{
    Attachment, ConfigHash, ContainerName, ContainerSpec, Engine, NetworkMode, NetworkSpec, Observed, ObservedContainer, Scope, VolumeSpec,
    labels,
};

/// The one image of these tests: busybox and nothing else.
pub(crate) const IMAGE: &str = "rcompose-test/busybox:1";

/// A project of a test's own.
pub(crate) struct Lab {
    pub(crate) docker: Docker,
    pub(crate) project: String,
}

fn connection() -> Connection {
    let host = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
    let endpoint = host.map_or_else(Endpoint::local, |host| Endpoint::parse(&host, None).expect("DOCKER_HOST is an address"));
    Connection { endpoint, config: None }
}

/// Connects as one more client.
pub(crate) async fn connect() -> Docker {
    Docker::connect(&connection()).await.expect("the engine answered before")
}

/// Runs a test in a project of its own, and removes what it made, also when it failed.
pub(crate) fn with_engine<Test, Done>(test: Test)
where
    Test: FnOnce(Lab) -> Done,
    Done: Future<Output = ()>,
{
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let docker = match Docker::connect(&connection()).await {
            Ok(docker) => docker,
            Err(error) if std::env::var_os("RCOMPOSE_REQUIRE_ENGINE").is_some() => panic!("an engine is required: {error}"),
            Err(error) => {
                eprintln!("left out: {error}");
                return;
            }
        };
        let project = format!("rct{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let result = AssertUnwindSafe(test(Lab { docker: docker.clone(), project: project.clone() }))
            .catch_unwind()
            .await;
        clean(&docker, &project).await;
        if let Err(panic) = result {
            resume_unwind(panic);
        }
    });
}

async fn clean(docker: &Docker, project: &str) {
    let found = docker.observe(&Scope::project(project)).await.expect("observable");
    for name in found.containers.keys() {
        docker.remove_container(name, true).await.expect("removable");
    }
    for name in found.networks.keys() {
        docker.remove_network(name).await.expect("removable");
    }
    for name in found.volumes.keys() {
        docker.remove_volume(name).await.expect("removable");
    }
}

impl Lab {
    /// A container of the project that sleeps.
    pub(crate) fn sleeper(&self, name: &str) -> ContainerSpec {
        self.shell(name, "trap 'exit 7' TERM; while :; do sleep 0.1; done")
    }

    /// A container of the project that runs a line of shell.
    pub(crate) fn shell(&self, name: &str, line: &str) -> ContainerSpec {
        let mut spec = self.plain(name);
        spec.process.command = Some(["sh", "-c", line].map(str::to_owned).to_vec());
        spec
    }

    /// A container of the project with nothing asked for.
    pub(crate) fn plain(&self, name: &str) -> ContainerSpec {
        let mut spec = rcompose_memory::container(self.name(name).as_str(), IMAGE);
        spec.labels.insert(labels::PROJECT.into(), self.project.clone());
        spec.labels.insert(labels::SERVICE.into(), name.into());
        spec.network = NetworkMode::None;
        spec
    }

    pub(crate) fn name(&self, name: &str) -> ContainerName {
        ContainerName::new(format!("{}-{name}-1", self.project))
    }

    pub(crate) fn network(&self, key: &str) -> NetworkSpec {
        let mut spec = rcompose_memory::network(format!("{}_{key}", self.project));
        spec.labels.insert(labels::PROJECT.into(), self.project.clone());
        spec.config_hash = ConfigHash { preimage: "{}".into(), ..ConfigHash::default() };
        spec
    }

    pub(crate) fn attachment(&self, key: &str) -> Attachment {
        rcompose_memory::attachment(format!("{}_{key}", self.project))
    }

    pub(crate) fn volume(&self, key: &str) -> VolumeSpec {
        let mut spec = rcompose_memory::volume(format!("{}_{key}", self.project));
        spec.labels.insert(labels::PROJECT.into(), self.project.clone());
        spec
    }

    /// Creates and starts a container.
    pub(crate) async fn run(&self, spec: &ContainerSpec) {
        self.docker.create_container(spec).await.expect("creatable");
        self.docker.start_container(&spec.name).await.expect("startable");
    }

    /// Observes the project.
    pub(crate) async fn look(&self) -> Observed {
        self.docker.observe(&Scope::project(self.project.as_str())).await.expect("observable")
    }

    /// Observes one container of the project.
    pub(crate) async fn see(&self, name: &str) -> ObservedContainer {
        self.look().await.containers.remove(&self.name(name)).expect("it is there")
    }
}

/// Waits until something holds.
pub(crate) async fn until<Done: Future<Output = bool>>(what: &str, holds: impl Fn() -> Done) {
    for _ in 0..300 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never came: {what}");
}

//! The engine that this invocation talks to.

use std::sync::Arc;

use rcompose_docker::{Docker, Endpoint};
use rcompose_engine_adapter::{Observed, Scope};
use rcompose_executor::Engines;

use super::{Session, context};
use crate::args::EngineChoice;
use crate::failure::Failure;

/// An engine that answered.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    /// Its seams.
    pub(crate) engines: Engines,
    /// It runs on this machine.
    pub(crate) local: bool,
    /// Where it is.
    pub(crate) address: String,
}

impl Session {
    /// Connects to the engine that is chosen; without a choice to the one that has the project.
    pub(crate) async fn engine(&self, project: Option<&str>) -> Result<Live, Failure> {
        match self.globals.engine.unwrap_or(EngineChoice::Auto) {
            EngineChoice::Native => self.native(),
            EngineChoice::Docker => self.docker().await,
            EngineChoice::Auto => self.auto(project).await,
        }
    }

    /// Who has the project already goes on with it. Else it is a Docker engine that is named or answers, and else our own.
    async fn auto(&self, project: Option<&str>) -> Result<Live, Failure> {
        let is_ours = project.is_some_and(|it| self.native_has(it));
        match (self.docker().await, is_ours) {
            (Ok(docker), false) => Ok(docker),
            (Ok(docker), true) => {
                let project = project.unwrap_or_default();
                let scope = Scope { projects: rcompose_engine_adapter::Projects::One(project.to_owned()), ..Scope::default() };
                if docker.observe(&scope).await?.containers.is_empty() {
                    return self.native();
                }
                Err(Failure::refused_with(
                    format!("project {project} is on two engines: the native one, and docker at {}", docker.address),
                    "say which is meant: --engine native or --engine docker; `down` on the other one ends this",
                ))
            }
            (Err(_), true) => self.native(),
            (Err(error), false) if context::is_named(&self.caller)? => Err(error),
            (Err(error), false) => self.instead(error),
        }
    }

    /// Where no Docker engine answers and none was named, ours does it.
    #[cfg(target_os = "linux")]
    fn instead(&self, error: Failure) -> Result<Live, Failure> {
        if !rustix::process::geteuid().is_root() {
            return Err(error);
        }
        if matches!(self.verb, "up" | "run" | "create") {
            self.say("no Docker engine answers: the native engine runs this");
        }
        self.native()
    }

    #[cfg(not(target_os = "linux"))]
    fn instead(&self, error: Failure) -> Result<Live, Failure> {
        Err(error)
    }

    #[cfg(target_os = "linux")]
    fn native_has(&self, project: &str) -> bool {
        super::native::has(&self.caller, project)
    }

    #[cfg(not(target_os = "linux"))]
    fn native_has(&self, _: &str) -> bool {
        false
    }

    #[cfg(target_os = "linux")]
    fn native(&self) -> Result<Live, Failure> {
        super::native::open(&self.caller, &self.globals.insecure_registry)
    }

    #[cfg(not(target_os = "linux"))]
    fn native(&self) -> Result<Live, Failure> {
        Err(Failure::refused_with(
            "the native engine runs on Linux only".to_owned(),
            "use a Docker engine: --engine docker",
        ))
    }

    async fn docker(&self) -> Result<Live, Failure> {
        let connection = context::connection(&self.caller)?;
        let local = match &connection.endpoint {
            Endpoint::Unix(_) | Endpoint::Npipe(_) => true,
            Endpoint::Tcp { .. } => false,
        };
        let docker = Arc::new(Docker::connect(&connection).await?);
        let address = docker.address().to_owned();
        Ok(Live { engines: Engines { engine: docker.clone(), images: docker.clone(), streams: docker }, local, address })
    }
}

impl Live {
    /// Looks at what is there.
    pub(crate) async fn observe(&self, scope: &Scope) -> Result<Observed, Failure> {
        Ok(self.engines.engine.observe(scope).await?)
    }
}

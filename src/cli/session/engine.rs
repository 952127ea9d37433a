//! The engine that this invocation talks to.

use std::sync::Arc;

use rcompose_docker::{Docker, Endpoint};
use rcompose_engine_adapter::{Observed, Scope, Upkeep};
use rcompose_executor::Engines;

use super::{Session, context};
use crate::args::EngineChoice;
use crate::failure::Failure;
use crate::report;

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

/// The engine that was chosen, and why.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    /// The engine.
    pub(crate) live: Live,
    /// Its seam that is about all of it.
    pub(crate) upkeep: Arc<dyn Upkeep>,
    /// The reason, in words.
    pub(crate) why: String,
}

impl Session {
    /// Connects to the engine that is chosen; without a choice to the one that has the project.
    pub(crate) async fn engine(&self, project: Option<&str>) -> Result<Live, Failure> {
        Ok(self.choose(project).await?.live)
    }

    /// As [`Self::engine`], with the reason.
    pub(crate) async fn choose(&self, project: Option<&str>) -> Result<Chosen, Failure> {
        let asked = "--engine or RCOMPOSE_ENGINE says so";
        match self.globals.engine.unwrap_or(EngineChoice::Auto) {
            EngineChoice::Native => self.native(asked),
            EngineChoice::Docker => self.docker(asked).await,
            EngineChoice::Auto => self.auto(project).await,
        }
    }

    /// Who has the project already goes on with it. Else it is a Docker engine that is named or answers, and else our own.
    async fn auto(&self, project: Option<&str>) -> Result<Chosen, Failure> {
        let is_ours = project.is_some_and(|it| self.native_has(it));
        let holds = "the project is on it";
        let named = context::is_named(&self.caller)?;
        let answers = if named {
            "DOCKER_HOST or a docker context names it"
        } else {
            "a Docker engine answers at the default socket"
        };
        match (self.docker(answers).await, is_ours) {
            (Ok(docker), false) => Ok(docker),
            (Ok(docker), true) => {
                let project = project.unwrap_or_default();
                let scope = Scope { projects: rcompose_engine_adapter::Projects::One(project.to_owned()), ..Scope::default() };
                if docker.live.observe(&scope).await?.containers.is_empty() {
                    return self.native(holds);
                }
                Err(Failure::refused_with(
                    format!("project {project} is on two engines: the native one, and docker at {}", docker.live.address),
                    "say which is meant: --engine native or --engine docker; `down` on the other one ends this",
                ))
            }
            (Err(_), true) => self.native(holds),
            (Err(error), false) if named => Err(error),
            (Err(error), false) => self.instead(error),
        }
    }

    /// Where no Docker engine answers and none was named, ours does it.
    #[cfg(target_os = "linux")]
    fn instead(&self, error: Failure) -> Result<Chosen, Failure> {
        if !rustix::process::geteuid().is_root() {
            return Err(error);
        }
        if matches!(self.verb, "up" | "run" | "create" | "scale") {
            self.say("no Docker engine answers: the native engine runs this");
        }
        self.native("no Docker engine answers, and none is named")
    }

    #[cfg(not(target_os = "linux"))]
    fn instead(&self, error: Failure) -> Result<Chosen, Failure> {
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
    fn native(&self, why: &str) -> Result<Chosen, Failure> {
        let native = Arc::new(super::native::open(&self.caller, &self.globals.insecure_registry, self.ahead.clone())?);
        let engines = Engines { engine: native.clone(), images: native.clone(), streams: native.clone() };
        let address = super::native::root(&self.caller).display().to_string();
        Ok(Chosen { live: Live { engines, local: true, address }, upkeep: native, why: why.to_owned() })
    }

    #[cfg(not(target_os = "linux"))]
    fn native(&self, _: &str) -> Result<Chosen, Failure> {
        Err(Failure::refused_with(
            "the native engine runs on Linux only".to_owned(),
            "use a Docker engine: --engine docker",
        ))
    }

    async fn docker(&self, why: &str) -> Result<Chosen, Failure> {
        let connection = context::connection(&self.caller)?;
        let local = match &connection.endpoint {
            Endpoint::Unix(_) | Endpoint::Npipe(_) => true,
            Endpoint::Tcp { .. } => false,
        };
        let docker = Arc::new(Docker::connect(&connection).await?);
        let address = docker.address().to_owned();
        let engines = Engines { engine: docker.clone(), images: docker.clone(), streams: docker.clone() };
        Ok(Chosen { live: Live { engines, local, address }, upkeep: docker, why: why.to_owned() })
    }
}

impl Session {
    /// Returns in words what an engine remarked since it was asked last.
    pub(crate) fn remarks(&self, live: &Live) -> Vec<String> {
        let remarks = live.engines.engine.remarks();
        remarks.iter().map(|it| report::remark(it, &self.caller, self.err).trim_end().to_owned()).collect()
    }

    /// Says what an engine remarked while it was looked at, where nothing is done that would say so.
    pub(crate) fn say_remarks(&self, live: &Live) {
        self.remarks(live).iter().for_each(|text| self.say(text));
    }
}

impl Live {
    /// Looks at what is there.
    pub(crate) async fn observe(&self, scope: &Scope) -> Result<Observed, Failure> {
        Ok(self.engines.engine.observe(scope).await?)
    }
}

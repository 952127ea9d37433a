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
    /// Connects to the engine that is chosen.
    pub(crate) async fn engine(&self) -> Result<Live, Failure> {
        match self.globals.engine.unwrap_or(EngineChoice::Auto) {
            EngineChoice::Native => Err(Failure::NotInThisVersion("the native engine".into())),
            // Auto: the native engine is not in this version.
            EngineChoice::Auto | EngineChoice::Docker => self.docker().await,
        }
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

//! What runs in a container, and what that uses: read from `/proc` and its control groups, from outside.

mod processes;
mod usage;

use rcompose_engine_adapter::{ContainerName, Result};
use rcompose_supervise::Record;

use crate::engine::Native;
use crate::error;

pub(crate) use processes::top;
pub(crate) use usage::usage;

/// Finds a container that runs, as the launcher made it.
fn running(native: &Native, name: &ContainerName) -> Result<(rcompose_runtime::Container, Record)> {
    let container = native.places.known(name)?;
    let stopped = || error::conflict(format!("container {name} is not running"));
    let record = native.running(&container)?.ok_or_else(stopped)?;
    let place = native.places.shim(container.project(), &container.id)?;
    Ok((rcompose_supervise::container(&place).ok_or_else(stopped)?, record))
}

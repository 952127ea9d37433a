//! What runs in a container, and what that uses: read from `/proc` and its control groups, from outside.

mod processes;
mod usage;

use rcompose_engine_adapter::{ContainerName, Result};
use rcompose_supervise::Record;

use crate::document::Container;
use crate::engine::Native;
use crate::error;

pub(crate) use processes::top;
pub(crate) use usage::usage;

/// Finds a container that runs: what was asked for, how it stands, and as the launcher made it.
fn running(native: &Native, name: &ContainerName) -> Result<(Container, Record, rcompose_runtime::Container)> {
    let container = native.places.known(name)?;
    let stopped = || error::conflict(format!("container {name} is not running"));
    let record = native.running(&container)?.ok_or_else(stopped)?;
    let place = native.places.shim(container.project(), &container.id)?;
    let made = rcompose_supervise::container(&place).ok_or_else(stopped)?;
    Ok((container, record, made))
}

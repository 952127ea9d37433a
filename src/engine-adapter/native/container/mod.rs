//! Containers, from made to removed.

mod create;
mod facts;
mod init;
mod life;
mod logging;
mod mounts;
mod remove;
mod start;

pub(crate) use create::{create, new_id};
pub(crate) use facts::resolved;
pub(crate) use life::{kill, pause, rename, stop, wait};
pub(crate) use mounts::{detach, forget as forget_mounts, make_sources};
pub(crate) use remove::{changed, remove, remove_ended, sweep};
pub(crate) use start::{healthcheck, start};

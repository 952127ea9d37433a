//! The program that is the first process of a container with `init: true`.

use std::path::PathBuf;

use rcompose_engine_adapter::Result;
use rcompose_runtime::INIT;

use crate::engine::Native;
use crate::file;

/// Finds it, and lays it down where it is not yet.
pub(super) fn find(native: &Native) -> Result<PathBuf> {
    let path = native.places.init();
    if std::fs::read(&path).is_ok_and(|it| it == INIT) {
        return Ok(path);
    }
    // Containers that run keep the file that they began with.
    file::write_program(&path, INIT)?;
    Ok(path)
}

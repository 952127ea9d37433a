//! Switches below `/proc/sys`. They are those of the network namespace of whoever opens the file.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::{NetworkError, Result};

/// Reads a switch; nothing where the kernel has none of that name.
pub(crate) fn read(name: &str) -> Option<String> {
    fs::read_to_string(path(name)).ok().map(|it| it.trim().to_owned())
}

/// Writes a switch, unless it has that value.
///
/// # Errors
/// As open(2) and write(2).
pub(crate) fn write(name: &str, value: &str) -> Result<()> {
    if read(name).as_deref() == Some(value) {
        return Ok(());
    }
    let path = path(name);
    fs::write(&path, value).map_err(|source| NetworkError::File { doing: "write", path, source })
}

/// Writes a switch that a kernel without that feature does not have, and does not need then.
///
/// # Errors
/// As [`write`], but for a file that is not there.
pub(crate) fn write_if_there(name: &str, value: &str) -> Result<()> {
    match write(name, value) {
        Err(NetworkError::File { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The file of a switch. Interfaces may have dots in their names, so parts are joined by `/`.
fn path(name: &str) -> PathBuf {
    Path::new("/proc/sys").join(name)
}

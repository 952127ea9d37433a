//! Switches below `/proc/sys`. They are those of the network namespace of whoever opens the file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
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

/// A switch that stays open: that of the namespace where it was opened, whoever writes it.
#[derive(Debug)]
pub(crate) struct Switch {
    /// Nothing where the kernel has none of that name.
    file: io::Result<Option<File>>,
    path: PathBuf,
}

impl Switch {
    /// Opens a switch. What keeps it from being opened counts once it must be changed.
    pub(crate) fn open(name: &str) -> Self {
        let path = path(name);
        let opened = OpenOptions::new().read(true).write(true).open(&path).map(Some);
        let file = match opened {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            other => other,
        };
        Self { file, path }
    }

    /// Writes the switch, and returns what it was before; nothing where it had that value, or is not there.
    ///
    /// # Errors
    /// As open(2), read(2) and write(2).
    pub(crate) fn change(&self, value: &str) -> Result<Option<String>> {
        let failed = |doing| move |source| NetworkError::File { doing, path: self.path.clone(), source };
        let again = |error: &io::Error| error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
        let Some(file) = self.file.as_ref().map_err(again).map_err(failed("open"))? else {
            return Ok(None);
        };
        let mut bytes = [0; 32];
        let length = file.read_at(&mut bytes, 0).map_err(failed("read"))?;
        let before = String::from_utf8_lossy(&bytes[..length]).trim().to_owned();
        if before == value {
            return Ok(None);
        }
        file.write_all_at(value.as_bytes(), 0).map_err(failed("write"))?;
        Ok(Some(before))
    }
}

/// The file of a switch. Interfaces may have dots in their names, so parts are joined by `/`.
fn path(name: &str) -> PathBuf {
    Path::new("/proc/sys").join(name)
}

//! Sockets in a folder whose path may be longer than an address.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Calls `with` with a path of at most 108 bytes that leads to the same place; source: unix(7).
pub(crate) fn short<T>(path: &Path, with: impl FnOnce(PathBuf) -> io::Result<T>) -> io::Result<T> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let folder = File::open(folder)?;
    with(PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name))
}

/// Connects to a socket, however long its path is.
///
/// # Errors
/// As connect(2).
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    short(path, UnixStream::connect)
}

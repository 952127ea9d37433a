//! Sockets of the file system: private, reached by a short name, and only for their owner.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen, socket_with};

/// Connections that may wait to be accepted.
const WAITING: i32 = 64;

/// An address has 108 bytes: a longer path is reached through its folder.
fn with_address<T>(path: &Path, act: impl FnOnce(&SocketAddrUnix) -> io::Result<T>) -> io::Result<T> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let folder = File::options().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(folder)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    act(&SocketAddrUnix::new(PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name))?)
}

/// Makes a socket that listens, in the place of one whose owner is gone. The caller holds the lock that says so.
pub(crate) fn serve(path: &Path, kind: SocketType) -> io::Result<OwnedFd> {
    let draft = path.with_extension("new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let made = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    with_address(&draft, |address| Ok(bind(&made, address)?))?;
    // The folder is private and so is the umask; the socket is, too, for whoever changed either.
    fs::set_permissions(&draft, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    listen(&made, WAITING)?;
    fs::rename(&draft, path)?;
    Ok(made)
}

/// Connects to a socket; the connection blocks.
pub(crate) fn call(path: &Path, kind: SocketType) -> io::Result<OwnedFd> {
    let made = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    with_address(path, |address| Ok(connect(&made, address)?))?;
    Ok(made)
}

/// Accepts a connection, if one waits and comes from this user or root.
pub(crate) fn accept(listener: &OwnedFd) -> Option<OwnedFd> {
    let made = accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK).ok()?;
    let peer = rustix::net::sockopt::socket_peercred(made.as_fd()).ok()?;
    (peer.uid.is_root() || peer.uid == rustix::process::geteuid()).then_some(made)
}

//! Sockets of the file system: private, reached by a short name, and only for their owner.

use std::fs::{self, File};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen, recvmsg, sendmsg, socket_with,
};

/// Connections that may wait to be accepted: those of commands that a guardian does not hear while it is stopped stay there.
const WAITING: i32 = 1024;

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

/// As [`call`], but that [`io::ErrorKind::WouldBlock`] says that there is no room for one more who waits to be accepted.
pub(crate) fn call_at_once(path: &Path, kind: SocketType) -> io::Result<OwnedFd> {
    let made = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    with_address(path, |address| Ok(connect(&made, address)?))?;
    rustix::io::ioctl_fionbio(&made, false)?;
    Ok(made)
}

/// Tells whether somebody listens at a socket, be it that it is stopped.
pub(crate) fn is_heard(path: &Path, kind: SocketType) -> bool {
    call_at_once(path, kind).map_or_else(|error| error.kind() == io::ErrorKind::WouldBlock, |_| true)
}

/// Most descriptors that go with one message of a stream.
const ALONG: usize = 4;

/// Sends bytes, and descriptors with the first of them; returns how many bytes went.
pub(crate) fn send_with(socket: impl AsFd, bytes: &[u8], lent: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(ALONG))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !lent.is_empty() && !control.push(SendAncillaryMessage::ScmRights(lent)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let sent = rustix::io::retry_on_intr(|| sendmsg(&socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL));
    Ok(sent?)
}

/// Receives bytes, and what descriptors came with them.
pub(crate) fn receive_with(socket: impl AsFd, buffer: &mut [u8]) -> rustix::io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(ALONG))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(&socket, &mut [IoSliceMut::new(buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    Ok((received.bytes, descriptors))
}

/// Accepts a connection, if one waits and comes from this user or root.
pub(crate) fn accept(listener: &OwnedFd) -> Option<OwnedFd> {
    let made = accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK).ok()?;
    let peer = rustix::net::sockopt::socket_peercred(made.as_fd()).ok()?;
    (peer.uid.is_root() || peer.uid == rustix::process::geteuid()).then_some(made)
}

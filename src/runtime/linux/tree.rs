//! Pieces of the host, cloned and set up before the container exists, so that no path of the host is looked up inside.

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::sys::{self, MountAttributes, tree_flag};
use crate::error::{Result, RuntimeError};
use crate::plan::options::{Propagation, attr};
use crate::plan::step::{IdMap, Tree};

/// Magic number of procfs; from `linux/magic.h`.
pub(crate) const PROC: i64 = 0x9fa0;
/// The inode of the root of a procfs.
const PROC_ROOT: u64 = 1;

/// Clones a piece of the host.
pub(crate) fn clone(tree: &Tree) -> Result<OwnedFd> {
    let step = || format!("open {} to bind it", tree.path.display());
    let opened = detached(&tree.path, tree.recursive).map_err(|error| RuntimeError::step(step(), error))?;
    if let Some(wanted) = tree.device {
        let found = sys::stat(opened.as_raw_fd()).map_err(|errno| RuntimeError::step(step(), errno.into()))?;
        if found.st_rdev != wanted || !(sys::is(&found, libc::S_IFCHR) || sys::is(&found, libc::S_IFBLK)) {
            return Err(RuntimeError::step(step(), io::Error::other("is not the device of that number")));
        }
    }
    if let Some(propagation) = tree.propagation {
        propagate(&opened, propagation).map_err(|error| RuntimeError::step(step(), error))?;
    }
    if let Some(map) = &tree.idmap {
        shift(&opened, map).map_err(|error| RuntimeError::step(format!("shift the ids of {}", tree.path.display()), error))?;
    }
    Ok(opened)
}

/// Clones the mount at a path; nothing of it is attached anywhere.
pub(crate) fn detached(path: &Path, recursive: bool) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let flags = tree_flag::CLONE | if recursive { tree_flag::RECURSIVE } else { 0 };
    Ok(sys::own(sys::open_tree(libc::AT_FDCWD, &path, flags)?))
}

/// Sets how a mount goes on with its peers.
pub(crate) fn propagate(mount: &OwnedFd, wanted: Propagation) -> io::Result<()> {
    let attributes = MountAttributes { propagation: wanted.flag, ..MountAttributes::default() };
    Ok(sys::mount_setattr(mount.as_raw_fd(), wanted.recursive, attributes)?)
}

/// Opens a procfs that nothing is mounted over: one of its own, else the host's after a check.
pub(crate) fn procfs() -> Result<OwnedFd> {
    let own = || -> sys::Sys<OwnedFd> {
        let context = sys::own(sys::fsopen(c"proc")?);
        sys::fsmount(context.as_raw_fd(), attr::NOSUID | attr::NODEV | attr::NOEXEC).map(sys::own)
    };
    if let Ok(mount) = own() {
        return Ok(mount);
    }
    let step = |errno: sys::Errno| RuntimeError::step("open /proc", errno.into());
    let opened = sys::own(sys::open(c"/proc", libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW).map_err(step)?);
    let inode = sys::stat(opened.as_raw_fd()).map_err(step)?.st_ino;
    if sys::file_system(opened.as_raw_fd()).map_err(step)? != PROC || inode != PROC_ROOT {
        return Err(RuntimeError::step("open /proc", io::Error::other("something else is mounted there")));
    }
    Ok(opened)
}

/// Opens a file of a procfs: no other mount, no link out of it (CVE-2025-52881).
pub(crate) fn open_proc(procfs: &OwnedFd, path: &CStr, flags: i32) -> sys::Sys<OwnedFd> {
    let resolve = sys::resolve::NO_XDEV | sys::resolve::NO_MAGICLINKS | sys::resolve::BENEATH;
    sys::openat2(procfs.as_raw_fd(), path, flags, 0, resolve).map(sys::own)
}

/// Shifts the ids of a mount by those of a user namespace that is made for it alone.
fn shift(mount: &OwnedFd, map: &IdMap) -> io::Result<()> {
    // SAFETY: the child makes one system call, and ends when it is killed.
    let pid = unsafe { sys::clone3(libc::CLONE_NEWUSER as u64) }?;
    if pid == 0 {
        loop {
            // SAFETY: takes no pointer.
            unsafe { libc::pause() };
        }
    }
    let namespace = (|| {
        fs::write(format!("/proc/{pid}/uid_map"), &map.uid_map)?;
        fs::write(format!("/proc/{pid}/gid_map"), &map.gid_map)?;
        fs::File::open(format!("/proc/{pid}/ns/user"))
    })();
    // SAFETY: only numbers are passed, and the process is a child that was not waited for.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    sys::wait(pid)?;
    let userns = namespace?;
    let attributes = MountAttributes { set: attr::IDMAP, userns: userns.as_raw_fd().cast_unsigned().into(), ..MountAttributes::default() };
    Ok(sys::mount_setattr(mount.as_raw_fd(), map.recursive, attributes)?)
}

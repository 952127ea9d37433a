//! Mounts of one thread alone.

use std::os::fd::{AsFd, AsRawFd};

use super::sys::{self, MountAttributes, check};
use crate::error::{Result, RuntimeError};
use crate::plan::options::attr;

/// Gives the calling thread a mount namespace of its own, which goes with the thread: what it mounts nobody else sees, and what the host
/// unmounts is gone there too. The thread cannot come back.
///
/// # Errors
/// As unshare(2) and mount_setattr(2).
pub fn mounts_apart() -> Result<()> {
    let step = |errno: sys::Errno| RuntimeError::step("make a mount namespace for a thread", errno.into());
    // SAFETY: only a number is passed. Of what threads share, this one lets go of root and working folder alone, which it has copies of.
    check(libc::c_long::from(unsafe { libc::unshare(libc::CLONE_NEWNS) })).map_err(step)?;
    let everything = sys::own(sys::open(c"/", libc::O_PATH | libc::O_DIRECTORY).map_err(step)?);
    let slave = MountAttributes { propagation: libc::MS_SLAVE, ..MountAttributes::default() };
    sys::mount_setattr(everything.as_raw_fd(), true, slave).map_err(step)
}

/// Lets nobody write through a mount, and with `recursive` through those below it.
///
/// # Errors
/// As mount_setattr(2).
pub fn read_only(mount: impl AsFd, recursive: bool) -> Result<()> {
    let attributes = MountAttributes { set: attr::RDONLY, ..MountAttributes::default() };
    let set = sys::mount_setattr(mount.as_fd().as_raw_fd(), recursive, attributes);
    set.map_err(|errno| RuntimeError::step("make a mount read-only", errno.into()))
}

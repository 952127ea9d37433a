//! Tells when memory of a group may have run out.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use super::sys;
use crate::plan::cgroup::Folder;

/// Makes a descriptor that can be read when processes of the groups may have been ended for want of memory, and does not block.
pub(crate) fn watch(folders: &[Folder]) -> io::Result<OwnedFd> {
    let folder = folders.iter().find(|it| it.controllers.iter().any(|name| name == "memory"));
    let folder = folder.ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))?;
    if folder.unified { watch_file(folder) } else { watch_group(folder) }
}

/// Source: cgroup-v2.rst, "memory.events": a change of the file is an event.
fn watch_file(folder: &Folder) -> io::Result<OwnedFd> {
    let path = CString::new(folder.path.join("memory.events").as_os_str().as_bytes())?;
    // SAFETY: only numbers are passed.
    let made = sys::check(libc::c_long::from(unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) }))?;
    let watch = sys::own(made as i32);
    // SAFETY: the path ends with NUL.
    sys::check(libc::c_long::from(unsafe { libc::inotify_add_watch(watch.as_raw_fd(), path.as_ptr(), libc::IN_MODIFY) }))?;
    Ok(watch)
}

/// Source: cgroup-v1/memory.rst, "OOM Control".
fn watch_group(folder: &Folder) -> io::Result<OwnedFd> {
    let control = fs::File::open(folder.path.join("memory.oom_control"))?;
    // SAFETY: only numbers are passed.
    let made = sys::check(libc::c_long::from(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }))?;
    let event = sys::own(made as i32);
    fs::write(folder.path.join("cgroup.event_control"), format!("{} {}", event.as_raw_fd(), control.as_raw_fd()))?;
    Ok(event)
}

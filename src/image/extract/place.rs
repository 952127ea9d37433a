//! What an entry has besides content: extended attributes, owner, permissions, time.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{
    AtFlags, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, chownat, fchmod, fchown, fsetxattr, futimens, setxattr,
};
use rustix::io::Errno;

use super::tree::{call_error, entry_error};
use super::{Unpacked, shown};
use crate::archive::Entry;
use crate::error::ImageError;

/// Attributes by which overlayfs would lead out of a layer. Source: kernel `overlayfs.rst`, `redirect_dir`, `metacopy`.
const OVERLAY: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];

/// Sets owner, extended attributes and permissions, in this order: a new owner takes away `security.capability` and set-user-id.
pub(super) fn dress(file: impl AsFd, entry: &Entry, done: &mut Unpacked) -> Result<(), ImageError> {
    let failed = |errno| call_error(&entry.path, errno);
    fchown(&file, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid))).map_err(failed)?;
    each(entry, done, |name, value| fsetxattr(&file, name, value, XattrFlags::empty()))?;
    fchmod(&file, Mode::from_raw_mode(entry.mode)).map_err(failed)
}

/// Sets the time of an open file.
pub(super) fn time(file: impl AsFd, entry: &Entry) -> Result<(), ImageError> {
    futimens(&file, &times(entry.mtime)).map_err(|errno| call_error(&entry.path, errno))
}

/// Sets the owner of what must not be opened.
pub(super) fn owner_at(parent: BorrowedFd<'_>, name: &[u8], entry: &Entry) -> Result<(), Errno> {
    chownat(parent, name, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)), AtFlags::SYMLINK_NOFOLLOW)
}

/// Returns times that leave the time of access as it is.
pub(crate) fn times((seconds, nanoseconds): (i64, u32)) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() },
    }
}

/// Sets the extended attributes of what can only be pointed at.
pub(super) fn attributes_of_path(file: impl AsFd, entry: &Entry, done: &mut Unpacked) -> Result<(), ImageError> {
    // The link in /proc leads to the thing itself, even where that is a symbolic link.
    let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    each(entry, done, |name, value| setxattr(path.as_str(), name, value, XattrFlags::empty()))
}

fn each(entry: &Entry, done: &mut Unpacked, mut set: impl FnMut(&OsStr, &[u8]) -> Result<(), Errno>) -> Result<(), ImageError> {
    for (name, value) in &entry.attributes {
        if OVERLAY.iter().any(|it| name.starts_with(it)) {
            return Err(entry_error(&entry.path, &format!("has the attribute `{}`, which belongs to overlayfs", shown(name))));
        }
        match set(OsStr::from_bytes(name), value) {
            Ok(()) => {}
            // Not every file system has each kind of attribute; docker goes on too, and says nothing.
            Err(Errno::OPNOTSUPP | Errno::PERM) => {
                done.lost_attributes.entry(shown(name)).or_insert_with(|| shown(&entry.path));
            }
            Err(errno) => return Err(call_error(&entry.path, errno)),
        }
    }
    Ok(())
}

//! Finds and makes places below the root. Every lookup is held inside it by the kernel, whatever links the image has there, and what was
//! looked up is a descriptor from then on: no name is resolved twice.

use std::ffi::CStr;
use std::os::fd::RawFd;

use crate::linux::sys::{self, Errno, Sys, check, resolve};

/// Longest path; `PATH_MAX`.
pub(super) const LONGEST: usize = 4096;
/// Mode of folders and files that a mount lies on.
const MODE: u32 = 0o755;

/// Makes a C string of a part of a path, in room of the caller's: nothing is allocated here.
fn c_string<'a>(room: &'a mut [u8; LONGEST], path: &[u8]) -> Sys<&'a CStr> {
    let within = room.get_mut(..path.len()).filter(|it| it.len() < LONGEST);
    within.ok_or(Errno(libc::ENAMETOOLONG))?.copy_from_slice(path);
    room[path.len()] = 0;
    CStr::from_bytes_until_nul(room).map_err(|_| Errno(libc::EINVAL))
}

/// Opens a place below the root. `extra` are more `RESOLVE_…` bits.
pub(super) fn open(root: RawFd, path: &CStr, flags: i32, extra: u64) -> Sys<RawFd> {
    let path = if path.is_empty() { c"." } else { path };
    sys::openat2(root, path, flags, 0, resolve::IN_ROOT | resolve::NO_MAGICLINKS | extra)
}

/// Splits off the last part of a path.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

/// Makes a folder and what is missing above it, and opens it.
pub(super) fn folder(root: RawFd, path: &CStr, extra: u64) -> Sys<RawFd> {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    match open(root, path, flags, extra) {
        Err(Errno(libc::ENOENT)) => {}
        other => return other,
    }
    let bytes = path.to_bytes();
    let mut end = bytes.len();
    // Each part is looked up from the root, so that a link in the middle leads where it would lead inside.
    let mut room = [0; LONGEST];
    let mut at = loop {
        end = split(&bytes[..end]).0.len();
        match open(root, c_string(&mut room, &bytes[..end])?, flags, extra) {
            Err(Errno(libc::ENOENT)) if end > 0 => {}
            other => break other?,
        }
    };
    while end < bytes.len() {
        end = bytes[end + 1..].iter().position(|byte| *byte == b'/').map_or(bytes.len(), |next| end + 1 + next);
        let name = c_string(&mut room, split(&bytes[..end]).1)?;
        // SAFETY: the name ends with NUL.
        match check(libc::c_long::from(unsafe { libc::mkdirat(at, name.as_ptr(), MODE) })) {
            // A link that leads to nothing is there already, and is not followed.
            Ok(_) | Err(Errno(libc::EEXIST)) => {}
            Err(errno) => return Err(errno),
        }
        let next = sys::openat2(at, name, flags | libc::O_NOFOLLOW, 0, resolve::BENEATH | resolve::NO_MAGICLINKS)?;
        sys::close(at);
        at = next;
    }
    Ok(at)
}

/// Opens the folder that a place is in, made where missing, and returns the place's name.
fn parent(root: RawFd, path: &CStr) -> Sys<(RawFd, &CStr)> {
    let (above, name) = split(path.to_bytes());
    let name = &path.to_bytes_with_nul()[path.to_bytes().len() - name.len()..];
    let name = CStr::from_bytes_with_nul(name).map_err(|_| Errno(libc::EINVAL))?;
    Ok((folder(root, c_string(&mut [0; LONGEST], above)?, 0)?, name))
}

/// Opens the place of a mount, made as a folder or as an empty file where missing.
pub(super) fn mount_point(root: RawFd, path: &CStr, is_folder: bool, extra: u64) -> Sys<RawFd> {
    if is_folder {
        return folder(root, path, extra);
    }
    match open(root, path, libc::O_PATH, extra) {
        Err(Errno(libc::ENOENT)) => {}
        other => return other,
    }
    let (above, name) = parent(root, path)?;
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW | libc::O_WRONLY;
    let made = sys::openat2(above, name, flags, MODE, resolve::BENEATH | resolve::NO_MAGICLINKS)?;
    sys::close(made);
    let opened = sys::openat2(above, name, libc::O_PATH | libc::O_NOFOLLOW, 0, resolve::BENEATH | resolve::NO_MAGICLINKS);
    sys::close(above);
    opened
}

/// Opens a place that must be an own file of its kind, never a link: made empty where missing.
pub(super) fn plain_file(root: RawFd, path: &CStr) -> Sys<RawFd> {
    let (above, name) = parent(root, path)?;
    let how = resolve::BENEATH | resolve::NO_MAGICLINKS | resolve::NO_SYMLINKS;
    let flags = libc::O_PATH | libc::O_NOFOLLOW;
    let opened = match sys::openat2(above, name, flags, 0, how) {
        Err(Errno(libc::ENOENT)) => {
            let made = sys::openat2(above, name, libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW | libc::O_WRONLY, 0o666, how)?;
            sys::close(made);
            sys::openat2(above, name, flags, 0, how)
        }
        other => other,
    };
    sys::close(above);
    opened
}

/// Makes a symbolic link. What is there stays, unless it is to be replaced.
pub(super) fn symlink(root: RawFd, path: &CStr, to: &CStr, replace: bool) -> Sys<()> {
    let (above, name) = parent(root, path)?;
    if replace {
        // SAFETY: the name ends with NUL. Where nothing is there, nothing goes.
        unsafe { libc::unlinkat(above, name.as_ptr(), 0) };
    }
    // SAFETY: both end with NUL.
    let made = check(libc::c_long::from(unsafe { libc::symlinkat(to.as_ptr(), above, name.as_ptr()) }));
    sys::close(above);
    match made {
        Ok(_) | Err(Errno(libc::EEXIST)) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Makes a device node; one that is there must be the same. Others may write in the folder that it is in, so nothing is done to its name.
pub(super) fn node(root: RawFd, path: &CStr, mode: u32, number: u64, owner: (u32, u32)) -> Sys<()> {
    let (above, name) = parent(root, path)?;
    // SAFETY: the name ends with NUL. The mask is that of this process, which has one thread.
    let made = unsafe {
        let mask = libc::umask(0);
        let made = check(libc::c_long::from(libc::mknodat(above, name.as_ptr(), mode, number)));
        libc::umask(mask);
        made
    };
    let is_new = match made {
        Ok(_) => true,
        Err(Errno(libc::EEXIST)) => false,
        Err(errno) => return Err(errno),
    };
    if !is_new || owner != (0, 0) {
        let how = resolve::BENEATH | resolve::NO_MAGICLINKS | resolve::NO_SYMLINKS;
        let opened = sys::openat2(above, name, libc::O_PATH | libc::O_NOFOLLOW, 0, how)?;
        let found = sys::stat(opened)?;
        if found.st_rdev != number || !sys::is(&found, mode & libc::S_IFMT) {
            return Err(Errno(libc::EEXIST));
        }
        if is_new {
            // SAFETY: an empty name is the descriptor itself.
            let changed = unsafe { libc::fchownat(opened, c"".as_ptr(), owner.0, owner.1, libc::AT_EMPTY_PATH) };
            check(libc::c_long::from(changed))?;
        }
        sys::close(opened);
    }
    sys::close(above);
    Ok(())
}

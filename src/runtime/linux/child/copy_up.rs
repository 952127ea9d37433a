//! `tmpcopyup`: what lies below a tmpfs is copied into it, without allocating.

use std::ffi::CStr;
use std::os::fd::RawFd;

use crate::linux::sys::{self, Errno, Sys, check};

/// Deeper folders end the copy: each level takes stack.
const DEEPEST: usize = 40;
/// Offset of the name in `struct linux_dirent64`.
const NAME: usize = 19;

/// Copies a folder's content.
pub(super) fn copy(from: RawFd, to: RawFd) -> Sys<()> {
    let from = sys::openat2(from, c".", libc::O_RDONLY | libc::O_DIRECTORY, 0, 0)?;
    let to = sys::openat2(to, c".", libc::O_RDONLY | libc::O_DIRECTORY, 0, 0)?;
    let found = sys::stat(from)?;
    let copied = folder(from, to, DEEPEST).and_then(|()| like(to, &found));
    sys::close(to);
    sys::close(from);
    copied
}

fn folder(from: RawFd, to: RawFd, deeper: usize) -> Sys<()> {
    let left = deeper.checked_sub(1).ok_or(Errno(libc::ELOOP))?;
    let mut buffer = [0u8; 4096];
    loop {
        // SAFETY: pointer and length are those of the buffer.
        let length = check(unsafe { libc::syscall(libc::SYS_getdents64, from, buffer.as_mut_ptr(), buffer.len()) })?;
        if length == 0 {
            return Ok(());
        }
        let mut at = 0;
        while at + NAME < length {
            let size = usize::from(u16::from_ne_bytes([buffer[at + 16], buffer[at + 17]]));
            let entry = buffer.get(at + NAME..at + size).ok_or(Errno(libc::EIO))?;
            let name = CStr::from_bytes_until_nul(entry).map_err(|_| Errno(libc::EIO))?;
            if name != c"." && name != c".." {
                one(from, to, name, left)?;
            }
            at += size.max(1);
        }
    }
}

fn one(from: RawFd, to: RawFd, name: &CStr, left: usize) -> Sys<()> {
    let opened = sys::openat2(from, name, libc::O_PATH | libc::O_NOFOLLOW, 0, sys::resolve::BENEATH)?;
    let found = sys::stat(opened)?;
    sys::close(opened);
    match found.st_mode & libc::S_IFMT {
        libc::S_IFDIR => {
            // SAFETY: the name ends with NUL.
            check(libc::c_long::from(unsafe { libc::mkdirat(to, name.as_ptr(), 0o700) }))?;
            let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
            let (below, made) = (sys::openat2(from, name, flags, 0, 0)?, sys::openat2(to, name, flags, 0, 0)?);
            let copied = folder(below, made, left).and_then(|()| like(made, &found));
            sys::close(made);
            sys::close(below);
            copied
        }
        libc::S_IFREG => {
            let below = sys::openat2(from, name, libc::O_RDONLY | libc::O_NOFOLLOW, 0, 0)?;
            let made = sys::openat2(to, name, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW, 0o600, 0)?;
            let copied = content(below, made).and_then(|()| like(made, &found));
            sys::close(made);
            sys::close(below);
            copied
        }
        libc::S_IFLNK => link(from, to, name, &found),
        _ => {
            // SAFETY: the name ends with NUL.
            check(libc::c_long::from(unsafe { libc::mknodat(to, name.as_ptr(), found.st_mode, found.st_rdev) }))?;
            owner(to, name, &found)
        }
    }
}

fn content(from: RawFd, to: RawFd) -> Sys<()> {
    let mut buffer = [0u8; 4096];
    loop {
        match sys::read(from, &mut buffer)? {
            0 => return Ok(()),
            length => sys::write_all(to, buffer.get(..length).unwrap_or_default())?,
        }
    }
}

fn link(from: RawFd, to: RawFd, name: &CStr, found: &libc::stat) -> Sys<()> {
    let mut target = [0u8; 4096];
    // SAFETY: pointer and length are those of the buffer, less one byte for the NUL.
    let read = unsafe { libc::readlinkat(from, name.as_ptr(), target.as_mut_ptr().cast(), target.len() - 1) };
    check(read as libc::c_long)?;
    let text = CStr::from_bytes_until_nul(&target).map_err(|_| Errno(libc::ENAMETOOLONG))?;
    // SAFETY: both end with NUL.
    check(libc::c_long::from(unsafe { libc::symlinkat(text.as_ptr(), to, name.as_ptr()) }))?;
    owner(to, name, found)
}

fn owner(folder: RawFd, name: &CStr, found: &libc::stat) -> Sys<()> {
    // SAFETY: the name ends with NUL.
    let changed = unsafe { libc::fchownat(folder, name.as_ptr(), found.st_uid, found.st_gid, libc::AT_SYMLINK_NOFOLLOW) };
    check(libc::c_long::from(changed)).map(drop)
}

/// Gives a file owner, mode and times of another.
fn like(fd: RawFd, found: &libc::stat) -> Sys<()> {
    let times = [
        libc::timespec { tv_sec: found.st_atime, tv_nsec: found.st_atime_nsec },
        libc::timespec { tv_sec: found.st_mtime, tv_nsec: found.st_mtime_nsec },
    ];
    // SAFETY: only numbers are passed.
    check(libc::c_long::from(unsafe { libc::fchown(fd, found.st_uid, found.st_gid) }))?;
    // SAFETY: only numbers are passed.
    check(libc::c_long::from(unsafe { libc::fchmod(fd, found.st_mode & 0o7777) }))?;
    // SAFETY: the array has the two times that are read.
    check(libc::c_long::from(unsafe { libc::futimens(fd, times.as_ptr()) })).map(drop)
}

//! Makes one thing in a folder: its content, then whose it is and what may be done with it.

use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, XattrFlags, chmod, chownat, fchmod, fchown, fsetxattr, fstat, ftruncate, futimens,
    linkat, openat, renameat, unlinkat, utimensat,
};
use rustix::io::{Errno, pwrite};

use super::unpack::Unpacking;
use super::{failed, wrong};
use crate::archive::{Entry, Kind, Piece};
use crate::error::ImageError;
use crate::extract::{make_special, times};

/// Permissions that everybody may give away: those of a program that is no more to others than to whoever made it.
pub(super) const HARMLESS: u32 = 0o1777;
/// Attributes by which overlayfs would lead out of a layer. Source: kernel `overlayfs.rst`.
const OVERLAY: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];

impl<R: Read> Unpacking<'_, R> {
    /// Writes a file under another name, and gives it its own when it is whole: what is there stays until then.
    pub(super) fn file(&mut self, parent: BorrowedFd<'_>, name: &[u8], entry: &Entry, size: u64) -> Result<(), ImageError> {
        self.check(parent, name, entry)?;
        let draft = format!(".rcompose-cp-{}-{}", std::process::id(), self.entries());
        let (flags, mode) = (OFlags::WRONLY | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR);
        // Without a name at first, so that whoever is killed leaves nothing; a file system that has no such files knows no such flag.
        let unnamed = openat(parent, ".", flags | OFlags::TMPFILE, mode);
        let is_unnamed = unnamed.is_ok();
        let file = match unnamed {
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {
                let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
                self.replace(parent, draft.as_bytes(), entry, || openat(parent, &draft, flags, mode))?
            }
            other => other.map_err(failed("make", &entry.path))?,
        };
        let filled = self.fill(&file, entry, size).and_then(|()| self.dress(&file, entry));
        let filled = filled.and_then(|()| futimens(&file, &times(entry.mtime)).map_err(failed("set the time of", &entry.path)));
        let filled = filled.and_then(|()| {
            let from = format!("/proc/self/fd/{}", file.as_raw_fd());
            let link = || linkat(CWD, &from, parent, &draft, AtFlags::SYMLINK_FOLLOW);
            if is_unnamed {
                self.replace(parent, draft.as_bytes(), entry, link)
            } else {
                Ok(())
            }
        });
        let named = filled.and_then(|()| renameat(parent, &draft, parent, name).map_err(failed("replace", &entry.path)));
        if named.is_err() {
            // The first error counts.
            let _left = unlinkat(parent, &draft, AtFlags::empty());
        }
        self.forget();
        named
    }

    fn fill(&mut self, file: &OwnedFd, entry: &Entry, size: u64) -> Result<(), ImageError> {
        let whole = [Piece { at: 0, length: size }];
        for piece in entry.pieces.as_deref().unwrap_or(&whole) {
            self.piece(file, entry, *piece)?;
        }
        // What ends with zeros was not written to its end.
        ftruncate(file, size).map_err(failed("write", &entry.path))
    }

    /// Writes a run of content; zeros become holes, so that what has holes does not fill the disk.
    fn piece(&mut self, file: &OwnedFd, entry: &Entry, piece: Piece) -> Result<(), ImageError> {
        let (mut at, end) = (piece.at, piece.at + piece.length);
        while at < end {
            let most = usize::try_from(end - at).unwrap_or(usize::MAX).min(self.buffer.len());
            let count = self.archive.read(&mut self.buffer[..most])?;
            if count == 0 {
                return Err(wrong(&entry.path, "has less content than the archive says"));
            }
            let mut rest = &self.buffer[..count];
            if rest.iter().all(|byte| *byte == 0) {
                at += count as u64;
                continue;
            }
            while !rest.is_empty() {
                match pwrite(file, rest, at) {
                    Ok(written) => {
                        rest = &rest[written..];
                        at += written as u64;
                    }
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(failed("write", &entry.path)(errno)),
                }
            }
        }
        Ok(())
    }

    /// Sets owner, attributes and permissions, in this order: a new owner takes away capabilities and set-id bits.
    pub(super) fn dress(&self, file: impl AsFd, entry: &Entry) -> Result<(), ImageError> {
        let failed = failed("set the owner and mode of", &entry.path);
        if !self.rules.trusted {
            return fchmod(&file, Mode::from_raw_mode(entry.mode & HARMLESS)).map_err(failed);
        }
        fchown(&file, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid))).map_err(&failed)?;
        for (name, value) in &entry.attributes {
            if OVERLAY.iter().any(|it| name.starts_with(it)) {
                return Err(wrong(&entry.path, "has an attribute that belongs to overlayfs"));
            }
            match fsetxattr(&file, OsStr::from_bytes(name), value, XattrFlags::empty()) {
                // Not every file system has each kind of attribute; the content is not less for it.
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        fchmod(&file, Mode::from_raw_mode(entry.mode)).map_err(failed)
    }

    /// Makes a symbolic link, a pipe or a device.
    pub(super) fn special(&mut self, parent: BorrowedFd<'_>, name: &[u8], entry: &Entry) -> Result<(), ImageError> {
        let failed = failed("make", &entry.path);
        let mode = Mode::from_raw_mode(entry.mode & HARMLESS);
        self.replace(parent, name, entry, || make_special(parent, name, &entry.kind, mode))?;
        if self.rules.trusted {
            let (user, group) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
            chownat(parent, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW).map_err(&failed)?;
        }
        if !matches!(entry.kind, Kind::SymbolicLink { .. }) {
            // Past the umask of whoever calls, and of what was opened: not of what somebody put in its place.
            let made = openat(parent, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).map_err(&failed)?;
            let is_link = fstat(&made).is_ok_and(|it| FileType::from_raw_mode(it.st_mode) == FileType::Symlink);
            if !is_link {
                chmod(format!("/proc/self/fd/{}", made.as_raw_fd()), mode).map_err(&failed)?;
            }
        }
        utimensat(parent, name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW).map_err(failed)
    }
}

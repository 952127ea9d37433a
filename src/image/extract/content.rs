//! The content of files: whole, or with holes.

use std::os::fd::BorrowedFd;

use rustix::fd::OwnedFd;
use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate, ftruncate, openat};
use rustix::io::{Errno, pwrite};

use super::Unpacking;
use super::place::{dress, time};
use super::tree::{call_error, entry_error};
use crate::archive::{Entry, Piece};
use crate::error::ImageError;
use std::io::Read;

/// From this size on, room is claimed before writing, so that the file is in one piece on the disk and a full disk is known early.
const LARGE: u64 = 1 << 20;

impl<R: Read> Unpacking<'_, R> {
    pub(super) fn file(&mut self, parent: BorrowedFd<'_>, name: &[u8], entry: &Entry, size: u64) -> Result<(), ImageError> {
        if size > self.limits.file {
            return Err(entry_error(&entry.path, &format!("has {size} bytes, more than the limit of {}", self.limits.file)));
        }
        let failed = |errno: Errno| call_error(&entry.path, errno);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || openat(parent, name, flags, Mode::RUSR | Mode::WUSR);
        let file = match open() {
            Err(Errno::EXIST) => {
                self.tree.remove(parent, name, &entry.path)?;
                open().map_err(failed)?
            }
            other => other.map_err(failed)?,
        };
        self.done.bytes += match &entry.pieces {
            None => self.whole(&file, entry, size)?,
            Some(pieces) => self.with_holes(&file, entry, pieces, size)?,
        };
        dress(&file, entry, &mut self.done)?;
        time(&file, entry)
    }

    fn whole(&mut self, file: &OwnedFd, entry: &Entry, size: u64) -> Result<u64, ImageError> {
        if size >= LARGE {
            match fallocate(file, FallocateFlags::KEEP_SIZE, 0, size) {
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => {}
                Err(errno) => return Err(call_error(&entry.path, errno)),
            }
        }
        self.run(file, entry, Piece { at: 0, length: size })?;
        Ok(size)
    }

    fn with_holes(&mut self, file: &OwnedFd, entry: &Entry, pieces: &[Piece], size: u64) -> Result<u64, ImageError> {
        ftruncate(file, size).map_err(|errno| call_error(&entry.path, errno))?;
        for piece in pieces {
            self.run(file, entry, *piece)?;
        }
        Ok(pieces.iter().map(|piece| piece.length).sum())
    }

    fn run(&mut self, file: &OwnedFd, entry: &Entry, piece: Piece) -> Result<(), ImageError> {
        let (mut at, end) = (piece.at, piece.at + piece.length);
        while at < end {
            let most = usize::try_from(end - at).unwrap_or(usize::MAX).min(self.buffer.len());
            let count = self.archive.read(&mut self.buffer[..most])?;
            if count == 0 {
                return Err(entry_error(&entry.path, "has less content than its header says"));
            }
            let mut rest = &self.buffer[..count];
            while !rest.is_empty() {
                match pwrite(file, rest, at) {
                    Ok(written) => {
                        rest = &rest[written..];
                        at += written as u64;
                    }
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(call_error(&entry.path, errno)),
                }
            }
        }
        Ok(())
    }
}

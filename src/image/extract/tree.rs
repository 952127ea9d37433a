//! The folder that a layer becomes: everything in it is reached from its descriptor.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, ResolveFlags, XattrFlags, chmodat, fsetxattr, linkat, makedev, mkdirat, mknodat, openat,
    openat2, renameat_with, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::place::{attributes_of_path, dress, owner_at, times};
use super::{Unpacked, shown};
use crate::archive::{Entry, Kind};
use crate::error::ImageError;

/// What a folder that no entry names gets. Source: moby `pkg/archive`, `ImpliedDirectoryMode`.
const IMPLIED: Mode = Mode::from_raw_mode(0o755);

/// The time of what no entry gives a time.
const NEVER: (i64, u32) = (0, 0);

pub(super) struct Tree<'a> {
    root: BorrowedFd<'a>,
    trash: BorrowedFd<'a>,
    /// What is in `trash`.
    removed: u64,
    /// The folder of the last entry: the next one is mostly there too.
    last: Option<(Vec<u8>, Rc<OwnedFd>)>,
    /// Times of folders, set when nothing is put into them any more.
    times: BTreeMap<Vec<u8>, (i64, u32)>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(root: BorrowedFd<'a>, trash: BorrowedFd<'a>) -> Result<Self, ImageError> {
        // Asked of the descriptor itself: a kernel without openat2 (before 5.6) is found out here.
        beneath(root, b".").map_err(|errno| call_error(b"/", errno))?;
        // What no entry speaks of gets the same time always, so that a layer unpacks the same way twice.
        Ok(Self { root, trash, removed: 0, last: None, times: BTreeMap::from([(Vec::new(), NEVER)]) })
    }

    /// Opens the folder of an entry, and makes what is missing on the way.
    pub(super) fn parent(&mut self, parts: &[&[u8]]) -> Result<Rc<OwnedFd>, ImageError> {
        let path = joined(parts);
        if let Some((known, folder)) = &self.last
            && *known == path
        {
            return Ok(Rc::clone(folder));
        }
        let folder = match beneath(self.root, &path) {
            Err(Errno::NOENT | Errno::NOTDIR) => self.made(parts)?,
            other => other.map_err(|errno| call_error(&path, errno))?,
        };
        let folder = Rc::new(folder);
        self.last = Some((path, Rc::clone(&folder)));
        Ok(folder)
    }

    /// Makes the folders of a path that are missing.
    fn made(&mut self, parts: &[&[u8]]) -> Result<OwnedFd, ImageError> {
        // From the end, since what is missing fails at once: a path of 2000 parts costs no more than its length.
        let mut known = parts.len();
        let mut folder = loop {
            known = known.saturating_sub(1);
            let path = joined(&parts[..known]);
            match beneath(self.root, &path) {
                Err(Errno::NOENT | Errno::NOTDIR) if known > 0 => {}
                other => break other.map_err(|errno| call_error(&path, errno))?,
            }
        };
        for depth in known + 1..=parts.len() {
            let (name, path) = (parts[depth - 1], joined(&parts[..depth]));
            let failed = |errno| call_error(&path, errno);
            // What was marked as gone comes back as a folder: it hides what is below it.
            let hides = is_whiteout(folder.as_fd(), name);
            if hides {
                self.remove(folder.as_fd(), name, &path)?;
            }
            mkdirat(&folder, name, IMPLIED).map_err(|errno| match errno {
                Errno::EXIST => entry_error(&path, "is used as a folder and is none, or is a link that leads nowhere"),
                errno => failed(errno),
            })?;
            chmodat(&folder, name, IMPLIED, AtFlags::empty()).map_err(failed)?;
            if hides {
                mark_opaque(folder.as_fd(), name).map_err(failed)?;
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            folder = openat(&folder, name, flags, Mode::empty()).map_err(failed)?;
            self.times.insert(path, NEVER);
        }
        Ok(folder)
    }

    /// Applies an entry that stands for the layer's own folder.
    pub(super) fn own_folder(&mut self, entry: &Entry, done: &mut Unpacked) -> Result<(), ImageError> {
        let folder = openat(self.root, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let folder = folder.map_err(|errno| call_error(&entry.path, errno))?;
        self.dress(&folder, Vec::new(), entry, done)
    }

    pub(super) fn folder(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        parts: &[&[u8]],
        entry: &Entry,
        done: &mut Unpacked,
    ) -> Result<(), ImageError> {
        let failed = |errno| call_error(&entry.path, errno);
        match mkdirat(parent, name, Mode::RWXU) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let there = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
                if FileType::from_raw_mode(there.st_mode) != FileType::Directory {
                    let hides = is_whiteout(parent, name);
                    self.remove(parent, name, &entry.path)?;
                    mkdirat(parent, name, Mode::RWXU).map_err(failed)?;
                    if hides {
                        mark_opaque(parent, name).map_err(failed)?;
                    }
                }
            }
            Err(errno) => return Err(failed(errno)),
        }
        let folder =
            openat(parent, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
        self.dress(&folder, joined(parts), entry, done)
    }

    fn dress(&mut self, folder: &OwnedFd, path: Vec<u8>, entry: &Entry, done: &mut Unpacked) -> Result<(), ImageError> {
        dress(folder, entry, done)?;
        self.times.insert(path, entry.mtime);
        Ok(())
    }

    pub(super) fn hard_link(&mut self, parent: BorrowedFd<'_>, name: &[u8], entry: &Entry, target: &[u8]) -> Result<(), ImageError> {
        let parts = clean(target).map_err(|why| entry_error(&entry.path, &format!("is a link to `{}`, which {why}", shown(target))))?;
        let Some((linked, folder)) = parts.split_last() else {
            return Err(entry_error(&entry.path, "is a hard link to the layer itself"));
        };
        let path = joined(folder);
        let missing = |errno: Errno| match errno {
            Errno::NOENT | Errno::NOTDIR => {
                entry_error(&entry.path, &format!("is a hard link to `{}`, which is not in the layer", shown(target)))
            }
            errno => call_error(&entry.path, errno),
        };
        let folder = beneath(self.root, &path).map_err(missing)?;
        let there = statat(&folder, *linked, AtFlags::SYMLINK_NOFOLLOW).map_err(missing)?;
        if FileType::from_raw_mode(there.st_mode) == FileType::Directory {
            return Err(entry_error(&entry.path, "is a hard link to a folder"));
        }
        match linkat(&folder, *linked, parent, name, AtFlags::empty()) {
            Err(Errno::EXIST) => {
                let here = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(missing)?;
                if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino) {
                    return Ok(());
                }
                self.remove(parent, name, &entry.path)?;
                linkat(&folder, *linked, parent, name, AtFlags::empty()).map_err(missing)
            }
            other => other.map_err(missing),
        }
    }

    /// Makes a symbolic link, a pipe or a device.
    pub(super) fn special(&mut self, parent: BorrowedFd<'_>, name: &[u8], entry: &Entry, done: &mut Unpacked) -> Result<(), ImageError> {
        let failed = |errno| call_error(&entry.path, errno);
        let mode = Mode::from_raw_mode(entry.mode);
        let make = || make_special(parent, name, &entry.kind, mode);
        match make() {
            Err(Errno::EXIST) => {
                self.remove(parent, name, &entry.path)?;
                make().map_err(failed)?;
            }
            other => other.map_err(failed)?,
        }
        owner_at(parent, name, entry).map_err(failed)?;
        if !entry.attributes.is_empty() {
            let file = openat(parent, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
            attributes_of_path(&file, entry, done)?;
        }
        utimensat(parent, name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        if matches!(entry.kind, Kind::SymbolicLink { .. }) {
            return Ok(());
        }
        // Made a moment ago in a folder that nobody else reaches, so it is no link.
        chmodat(parent, name, mode, AtFlags::empty()).map_err(failed)
    }

    /// Marks a name as gone from the layers below.
    pub(super) fn whiteout(&mut self, folder: &[&[u8]], name: &[u8]) -> Result<(), ImageError> {
        let parent = self.parent(folder)?;
        let failed = |errno| call_error(name, errno);
        match mknodat(&*parent, name, FileType::CharacterDevice, Mode::empty(), 0) {
            // What this layer has by that name stays, and hides what is below; a folder must be told to.
            Err(Errno::EXIST) => match mark_opaque(parent.as_fd(), name) {
                Ok(()) | Err(Errno::NOTDIR | Errno::LOOP) => Ok(()),
                Err(errno) => Err(failed(errno)),
            },
            other => other
                .and_then(|()| utimensat(&*parent, name, &times(NEVER), AtFlags::SYMLINK_NOFOLLOW))
                .map_err(failed),
        }
    }

    /// Marks a folder as hiding what is below it.
    pub(super) fn opaque(&mut self, folder: &[&[u8]]) -> Result<(), ImageError> {
        let parent = self.parent(folder)?;
        mark_opaque(parent.as_fd(), b".").map_err(|errno| call_error(&joined(folder), errno))
    }

    /// Puts away what stands where an entry goes.
    pub(super) fn remove(&mut self, parent: BorrowedFd<'_>, name: &[u8], path: &[u8]) -> Result<(), ImageError> {
        match unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {
                // The name may have been a link on the way to the folder that is remembered.
                self.last = None;
                return Ok(());
            }
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(errno) => return Err(call_error(path, errno)),
        }
        self.removed += 1;
        self.last = None;
        renameat_with(parent, name, self.trash, self.removed.to_string(), RenameFlags::NOREPLACE).map_err(|errno| call_error(path, errno))
    }

    /// Sets the times of folders.
    pub(super) fn finish(self) -> Result<(), ImageError> {
        for (path, mtime) in &self.times {
            if path.is_empty() {
                utimensat(self.root, ".", &times(*mtime), AtFlags::empty()).map_err(|errno| call_error(path, errno))?;
                continue;
            }
            let slash = path.iter().rposition(|byte| *byte == b'/');
            let (folder, name) = slash.map_or((b".".as_slice(), path.as_slice()), |at| (&path[..at], &path[at + 1..]));
            let set = beneath(self.root, folder).and_then(|folder| {
                let there = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
                // A later entry may have taken its place.
                if FileType::from_raw_mode(there.st_mode) == FileType::Directory {
                    utimensat(&folder, name, &times(*mtime), AtFlags::SYMLINK_NOFOLLOW)?;
                }
                Ok(())
            });
            match set {
                Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(errno) => return Err(call_error(path, errno)),
            }
        }
        Ok(())
    }
}

/// Opens a folder below another, links being resolved as if that one were `/`.
fn beneath(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { b"." } else { path };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    loop {
        match openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS) {
            // The kernel could not rule out that a rename elsewhere led it astray. Source: openat2(2).
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
}

fn is_whiteout(parent: BorrowedFd<'_>, name: &[u8]) -> bool {
    statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|it| FileType::from_raw_mode(it.st_mode) == FileType::CharacterDevice && it.st_rdev == 0)
}

fn mark_opaque(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    let folder = openat(parent, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    match fsetxattr(&folder, "trusted.overlay.opaque", b"y", XattrFlags::empty()) {
        // In a user namespace overlayfs is mounted with `userxattr`, and reads this one.
        Err(Errno::PERM) => fsetxattr(&folder, "user.overlay.opaque", b"y", XattrFlags::empty()),
        other => other,
    }
}

/// Splits a path, and takes `.` and `..` out of it as text.
pub(crate) fn clean(path: &[u8]) -> Result<Vec<&[u8]>, &'static str> {
    if path.contains(&0) {
        return Err("has a zero byte in its name");
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop().ok_or("leads out of the layer")?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts)
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.join(&b'/')
}

pub(crate) fn entry_error(path: &[u8], why: &str) -> ImageError {
    ImageError::Entry { entry: shown(path), why: why.to_owned() }
}

pub(super) fn call_error(path: &[u8], errno: Errno) -> ImageError {
    ImageError::Unpack { entry: shown(path), source: errno.into() }
}

/// Makes a symbolic link, a pipe or a device where nothing is.
pub(crate) fn make_special(parent: BorrowedFd<'_>, name: &[u8], kind: &Kind, mode: Mode) -> Result<(), Errno> {
    match kind {
        Kind::SymbolicLink { target } => symlinkat(target.as_slice(), parent, name),
        Kind::Fifo => mknodat(parent, name, FileType::Fifo, mode, 0),
        Kind::Device { block, major, minor } => {
            let kind = if *block { FileType::BlockDevice } else { FileType::CharacterDevice };
            mknodat(parent, name, kind, mode, makedev(*major, *minor))
        }
        Kind::File { .. } | Kind::HardLink { .. } | Kind::Folder => Err(Errno::INVAL),
    }
}

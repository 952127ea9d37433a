//! Puts the entries of an archive into a folder.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, chmod, fchmod, futimens, linkat, mkdirat, openat, statat, unlinkat};
use rustix::io::Errno;

use super::put::HARMLESS;
use super::{below, failed, is_of_the_kernel, shown, wrong};
use crate::archive::{Archive, Entry, Kind};
use crate::error::ImageError;
use crate::extract::{clean, times};

/// Mode of a folder that no entry names. Source: moby `pkg/archive`, `ImpliedDirectoryMode`.
const IMPLIED: u32 = 0o755;

/// How often a name is made free for one entry.
const ATTEMPTS: u32 = 8;

/// How an archive is unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Owners, set-id bits, attributes and devices come out of the archive. Otherwise what is made belongs to whoever calls, who gets no
    /// program that is more to others than to them: devices are left out, and so are set-id bits and attributes.
    pub trusted: bool,
    /// What symbolic links on the way to an entry may do.
    pub ways: Ways,
    /// What entries are called.
    pub rename: Rename,
}

/// What symbolic links on the way to an entry may do. None at its end is ever followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ways {
    /// The folder is a root: links lead within it.
    Root,
    /// Links may lead to what is below the folder, and nowhere else.
    Below,
    /// There may be none.
    None,
}

/// What entries are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rename {
    /// As the archive says.
    No,
    /// All names begin with the same part, which becomes another one.
    First(Vec<u8>),
    /// All names are below another one, which the folder that the archive begins with becomes.
    Under(Vec<u8>),
}

/// What was put.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Put {
    /// Entries of the archive.
    pub entries: u64,
    /// Devices that were left out.
    pub left_out: Vec<String>,
}

/// Unpacks an uncompressed archive into a folder. Nothing outside of it is written, whatever the archive says and whoever changes the folder
/// meanwhile. A folder is merged with one that is there; other things replace what is there, but no folder.
///
/// # Errors
/// The archive is malformed, an entry leads out of the folder or would replace something of another kind, or the system refuses it. What was
/// put before stays.
pub fn unpack_files(archive: impl Read, folder: BorrowedFd<'_>, rules: &Rules) -> Result<Put, ImageError> {
    if let Rename::First(name) | Rename::Under(name) = &rules.rename
        && !clean(name).is_ok_and(|parts| parts == [name.as_slice()])
    {
        return Err(wrong(name, "is no name that something could be given"));
    }
    let mut unpacking = Unpacking {
        archive: Archive::new(archive),
        top: folder,
        rules,
        base: None,
        last: None,
        folders: BTreeMap::new(),
        put: Put::default(),
        buffer: vec![0; 1 << 18],
    };
    while let Some(entry) = unpacking.archive.next()? {
        unpacking.put.entries += 1;
        unpacking.entry(&entry)?;
    }
    unpacking.finish()
}

pub(super) struct Unpacking<'a, R> {
    pub(super) archive: Archive<R>,
    top: BorrowedFd<'a>,
    pub(super) rules: &'a Rules,
    /// The part that all names begin with.
    base: Option<Vec<u8>>,
    /// The folder of the last entry: the next one is mostly there too.
    last: Option<(Vec<u8>, Rc<OwnedFd>)>,
    /// Modes and times of folders, set when nothing is put into them any more.
    folders: BTreeMap<Vec<u8>, (u32, (i64, u32))>,
    put: Put,
    pub(super) buffer: Vec<u8>,
}

impl<R: Read> Unpacking<'_, R> {
    fn entry(&mut self, entry: &Entry) -> Result<(), ImageError> {
        let parts = self.named(&entry.path)?;
        let Some((name, folders)) = parts.split_last() else {
            // The folder itself is somebody's already.
            return match entry.kind {
                Kind::Folder => Ok(()),
                _ => Err(wrong(&entry.path, "stands for the folder itself and is none")),
            };
        };
        if !self.rules.trusted && matches!(entry.kind, Kind::Device { .. }) {
            self.put.left_out.push(shown(&entry.path));
            return Ok(());
        }
        let parent = self.parent(folders)?;
        let parent = parent.as_fd();
        match &entry.kind {
            Kind::Folder => self.folder(parent, name, &parts, entry),
            Kind::File { size } => self.file(parent, name, entry, *size),
            Kind::HardLink { target } => {
                let target = self.named(target)?;
                self.hard_link(parent, name, entry, &target)
            }
            Kind::SymbolicLink { .. } | Kind::Fifo | Kind::Device { .. } => self.special(parent, name, entry),
        }
    }

    /// Splits the name of an entry, and gives it its new one.
    fn named(&mut self, path: &[u8]) -> Result<Vec<Vec<u8>>, ImageError> {
        let parts = clean(path).map_err(|_| wrong(path, "leads out of the folder, or is no name"))?;
        let mut parts: Vec<Vec<u8>> = parts.into_iter().map(<[u8]>::to_vec).collect();
        match &self.rules.rename {
            Rename::No => {}
            Rename::Under(name) => parts.insert(0, name.clone()),
            Rename::First(name) => {
                let first = parts.first_mut().ok_or_else(|| wrong(path, "has no name"))?;
                let base = self.base.get_or_insert_with(|| first.clone());
                if first != base {
                    return Err(wrong(path, "is not of what was asked for"));
                }
                first.clone_from(name);
            }
        }
        Ok(parts)
    }

    fn ways(&self) -> ResolveFlags {
        match self.rules.ways {
            Ways::Root => ResolveFlags::IN_ROOT,
            Ways::Below => ResolveFlags::BENEATH,
            Ways::None => ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
        }
    }

    /// Opens the folder of an entry, and makes what is missing on the way.
    fn parent(&mut self, parts: &[Vec<u8>]) -> Result<Rc<OwnedFd>, ImageError> {
        let path = parts.join(&b'/');
        if let Some((known, folder)) = &self.last
            && *known == path
        {
            return Ok(Rc::clone(folder));
        }
        let folder = match self.open(&path) {
            Err(Errno::NOENT) => self.made(parts)?,
            other => other.map_err(|errno| self.no_way(&path, errno))?,
        };
        if is_of_the_kernel(&folder).map_err(ImageError::stream("look at the folder"))? {
            return Err(wrong(&path, "is made up by the kernel: nothing can be copied into it"));
        }
        let folder = Rc::new(folder);
        self.last = Some((path, Rc::clone(&folder)));
        Ok(folder)
    }

    /// Makes the folders of a path that are missing.
    fn made(&mut self, parts: &[Vec<u8>]) -> Result<OwnedFd, ImageError> {
        let mut folder = self.open(&[]).map_err(failed("open", b""))?;
        for depth in 1..=parts.len() {
            let so_far = parts[..depth].join(&b'/');
            let opened = match self.open(&so_far) {
                Err(Errno::NOENT) => {
                    let made = mkdirat(&folder, parts[depth - 1].as_slice(), Mode::from_raw_mode(IMPLIED));
                    let is_new = made.is_ok();
                    unless(made, Errno::EXIST).map_err(failed("make the folder", &so_far))?;
                    let opened = self.open(&so_far);
                    if let (true, Ok(folder)) = (is_new, &opened) {
                        // Whatever the mask of whoever calls.
                        let path = format!("/proc/self/fd/{}", folder.as_raw_fd());
                        chmod(path, Mode::from_raw_mode(IMPLIED)).map_err(failed("make the folder", &so_far))?;
                    }
                    opened
                }
                other => other,
            };
            folder = opened.map_err(|errno| self.no_way(&so_far, errno))?;
        }
        Ok(folder)
    }

    fn open(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        below(self.top, path, OFlags::PATH | OFlags::DIRECTORY, self.ways())
    }

    fn no_way(&self, path: &[u8], errno: Errno) -> ImageError {
        match errno {
            Errno::XDEV => wrong(path, "is a link that leads out of the folder"),
            Errno::LOOP if self.rules.ways == Ways::None => wrong(path, "is a link, and nothing is copied through one"),
            Errno::NOTDIR | Errno::NOENT => wrong(path, "is used as a folder and is none, or is a link that leads nowhere"),
            errno => failed("open", path)(errno),
        }
    }

    /// Makes something where nothing stands any more. Who copies into a volume that replicas share may meet another copy there.
    pub(super) fn replace<T>(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        entry: &Entry,
        make: impl Fn() -> Result<T, Errno>,
    ) -> Result<T, ImageError> {
        for _ in 0..ATTEMPTS {
            self.make_room(parent, name, entry)?;
            match make() {
                Err(Errno::EXIST) => {}
                other => return other.map_err(failed("make", &entry.path)),
            }
        }
        Err(failed("make", &entry.path)(Errno::EXIST))
    }

    /// Refuses what cannot be replaced: folders, and what something is mounted on.
    pub(super) fn check(&self, parent: BorrowedFd<'_>, name: &[u8], entry: &Entry) -> Result<(), ImageError> {
        // What is mounted in another namespace than this thread's would be unmounted with its place. Source: unlink(2), since Linux 3.18.
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        if let Err(Errno::XDEV) = below(parent, name, flags, ResolveFlags::NO_XDEV) {
            return Err(failed("replace", &entry.path)(Errno::BUSY));
        }
        let found = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
        if found.is_ok_and(|it| FileType::from_raw_mode(it.st_mode) == FileType::Directory) {
            return Err(wrong(&entry.path, "would replace a folder that is there; take that away first"));
        }
        Ok(())
    }

    /// Takes away what stands where an entry goes.
    fn make_room(&mut self, parent: BorrowedFd<'_>, name: &[u8], entry: &Entry) -> Result<(), ImageError> {
        self.check(parent, name, entry)?;
        self.forget();
        unless(unlinkat(parent, name, AtFlags::empty()), Errno::NOENT).map_err(failed("replace", &entry.path))
    }

    /// How many entries there were.
    pub(super) fn entries(&self) -> u64 {
        self.put.entries
    }

    /// A name that is replaced may have been a link on the way to the folder that is remembered.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    fn folder(&mut self, parent: BorrowedFd<'_>, name: &[u8], parts: &[Vec<u8>], entry: &Entry) -> Result<(), ImageError> {
        unless(mkdirat(parent, name, Mode::RWXU), Errno::EXIST).map_err(failed("make the folder", &entry.path))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = openat(parent, name, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::NOTDIR | Errno::LOOP => wrong(&entry.path, "is a folder, and would replace something that is none"),
            errno => failed("open", &entry.path)(errno),
        })?;
        self.dress(&folder, entry)?;
        if !self.rules.trusted {
            // Whoever copies may have to write into it first.
            fchmod(&folder, Mode::RWXU).map_err(failed("set the mode of", &entry.path))?;
        }
        self.folders.insert(parts.join(&b'/'), (entry.mode & HARMLESS, entry.mtime));
        Ok(())
    }

    fn hard_link(&mut self, parent: BorrowedFd<'_>, name: &[u8], entry: &Entry, target: &[Vec<u8>]) -> Result<(), ImageError> {
        let missing = || wrong(&entry.path, "is another name of something that the archive does not have");
        let (linked, folders) = target.split_last().ok_or_else(missing)?;
        let folder = self.open(&folders.join(&b'/')).map_err(|_| missing())?;
        let there = statat(&folder, linked.as_slice(), AtFlags::SYMLINK_NOFOLLOW).map_err(|_| missing())?;
        if FileType::from_raw_mode(there.st_mode) == FileType::Directory {
            return Err(wrong(&entry.path, "is another name of a folder"));
        }
        let here = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
        if here.is_ok_and(|it| (it.st_dev, it.st_ino) == (there.st_dev, there.st_ino)) {
            return Ok(());
        }
        self.replace(parent, name, entry, || linkat(&folder, linked.as_slice(), parent, name, AtFlags::empty()))
    }

    /// Sets the modes and times of folders, the deepest first: one that nobody may enter hides those below it.
    fn finish(mut self) -> Result<Put, ImageError> {
        for (path, (mode, mtime)) in std::mem::take(&mut self.folders).into_iter().rev() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            // One that somebody took away meanwhile needs no time.
            if let Ok(folder) = below(self.top, &path, flags, self.ways()) {
                if !self.rules.trusted {
                    fchmod(&folder, Mode::from_raw_mode(mode)).map_err(failed("set the mode of", &path))?;
                }
                futimens(&folder, &times(mtime)).map_err(failed("set the time of", &path))?;
            }
        }
        self.archive.finish()?;
        Ok(self.put)
    }
}

/// One error is success.
fn unless(result: Result<(), Errno>, fine: Errno) -> Result<(), Errno> {
    result.or_else(|errno| if errno == fine { Ok(()) } else { Err(errno) })
}

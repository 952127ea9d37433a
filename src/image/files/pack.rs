//! Writes an archive of what is there.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Dir, FileType, OFlags, ResolveFlags, Stat, fstat, getxattr, major, minor, readlinkat};
use rustix::io::Errno;
use tar::{Builder, EntryType, Header};

use super::{again, below, failed, is_of_the_kernel, wrong};
use crate::error::ImageError;

/// The attribute that an archive takes along, as Docker's do: what a program may do beyond its user.
const CAPABILITY: &str = "security.capability";

/// Whose the entries of an archive are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// Those of the files.
    Kept,
    /// User and group 0.
    Root,
}

/// Writes an archive of a thing and all that is below it; `thing` is opened with `O_PATH`, and `name` is what the archive calls it. Sockets are
/// left out, as are folders' contents on file systems of the kernel, and whatever is gone before its turn.
///
/// # Errors
/// Something cannot be read, changes its length while it is read, or the output fails.
pub fn pack_files(thing: OwnedFd, name: &[u8], owners: Owners, out: impl Write) -> Result<(), ImageError> {
    let mut packing = Packing { out: Builder::new(out), owners, seen: BTreeMap::new(), ahead: Vec::new() };
    if is_of_the_kernel(&thing).map_err(|error| ImageError::stream("look at what is to be copied")(error))? {
        return Err(wrong(name, "is made up by the kernel, and no file to be copied"));
    }
    let top = packing.thing(&thing, name.to_vec(), Vec::new())?;
    if top {
        while let Some((path, rest)) = packing.ahead.pop() {
            packing.folder(&thing, path, &rest)?;
        }
    }
    packing
        .out
        .finish()
        .and_then(|()| packing.out.get_mut().flush())
        .map_err(ImageError::stream("write the archive"))
}

struct Packing<W: Write> {
    out: Builder<W>,
    owners: Owners,
    /// The first name of each file that has several.
    seen: BTreeMap<(u64, u64), Vec<u8>>,
    /// Folders whose content is still to be written: the name in the archive, and the path below the top.
    ahead: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<W: Write> Packing<W> {
    /// Writes one thing; tells whether it is a folder with a content to come.
    fn thing(&mut self, thing: &OwnedFd, path: Vec<u8>, rest: Vec<u8>) -> Result<bool, ImageError> {
        let found = fstat(thing).map_err(failed("look at", &path))?;
        let kind = FileType::from_raw_mode(found.st_mode);
        let mut header = self.header(&found);
        match kind {
            FileType::Directory => {
                header.set_entry_type(EntryType::Directory);
                let mut named = path.clone();
                named.push(b'/');
                self.entry(&mut header, &named)?;
                let inside = !is_of_the_kernel(thing).map_err(|error| failed("look at", &path)(errno(&error)))?;
                if inside {
                    self.ahead.push((path, rest));
                }
                return Ok(inside);
            }
            FileType::Symlink => {
                let target = readlinkat(thing, "", Vec::new()).map_err(failed("read the link", &path))?;
                header.set_entry_type(EntryType::Symlink);
                self.link(&mut header, &path, target.as_bytes())?;
            }
            _ if self.is_known(&found, &path, &mut header)? => {}
            FileType::RegularFile => self.file(thing, &found, &path, &mut header)?,
            FileType::CharacterDevice | FileType::BlockDevice | FileType::Fifo => {
                header.set_entry_type(match kind {
                    FileType::CharacterDevice => EntryType::Char,
                    FileType::BlockDevice => EntryType::Block,
                    _ => EntryType::Fifo,
                });
                let number = |result: io::Result<()>| result.map_err(ImageError::stream("write the number of a device"));
                number(header.set_device_major(major(found.st_rdev)))?;
                number(header.set_device_minor(minor(found.st_rdev)))?;
                self.entry(&mut header, &path)?;
            }
            // A socket is nothing without whoever listens.
            _ => {}
        }
        Ok(false)
    }

    fn header(&self, found: &Stat) -> Header {
        let mut header = Header::new_gnu();
        header.set_mode(found.st_mode & 0o7777);
        let (uid, gid) = match self.owners {
            Owners::Kept => (found.st_uid, found.st_gid),
            Owners::Root => (0, 0),
        };
        header.set_uid(uid.into());
        header.set_gid(gid.into());
        header.set_mtime(u64::try_from(found.st_mtime).unwrap_or(0));
        header.set_size(0);
        header
    }

    /// Writes a further name of a file that was written already.
    fn is_known(&mut self, found: &Stat, path: &[u8], header: &mut Header) -> Result<bool, ImageError> {
        if found.st_nlink < 2 {
            return Ok(false);
        }
        if let Some(first) = self.seen.get(&(found.st_dev, found.st_ino)).cloned() {
            header.set_entry_type(EntryType::Link);
            self.link(header, path, &first)?;
            return Ok(true);
        }
        self.seen.insert((found.st_dev, found.st_ino), path.to_vec());
        Ok(false)
    }

    fn file(&mut self, thing: &OwnedFd, found: &Stat, path: &[u8], header: &mut Header) -> Result<(), ImageError> {
        let file = File::from(again(thing, OFlags::RDONLY | OFlags::NONBLOCK).map_err(failed("read", path))?);
        let size = u64::try_from(found.st_size).unwrap_or(0);
        header.set_entry_type(EntryType::Regular);
        header.set_size(size);
        self.attributes(thing, path)?;
        // One that grows is taken as long as it was.
        let mut exact = Exact { file: file.take(size), left: size };
        let written = self.out.append_data(header, Path::new(OsStr::from_bytes(path)), &mut exact);
        written.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => wrong(path, "became shorter while it was read; repeat the command"),
            _ => ImageError::Copy { doing: "pack", path: super::shown(path), source: error },
        })
    }

    /// Writes what a program may do beyond its user, before its entry.
    fn attributes(&mut self, thing: &OwnedFd, path: &[u8]) -> Result<(), ImageError> {
        let mut value = [0; 256];
        let opened = format!("/proc/self/fd/{}", thing.as_raw_fd());
        match getxattr(opened.as_str(), CAPABILITY, &mut value[..]) {
            Ok(length) => {
                let key = format!("SCHILY.xattr.{CAPABILITY}");
                let records = [(key.as_str(), &value[..length])];
                self.out.append_pax_extensions(records).map_err(ImageError::stream("write the archive"))
            }
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS) => Ok(()),
            Err(errno) => Err(failed("read the attributes of", path)(errno)),
        }
    }

    /// Writes what is in a folder, in the order of its names: files now, folders when their turn comes.
    fn folder(&mut self, top: &OwnedFd, path: Vec<u8>, rest: &[u8]) -> Result<(), ImageError> {
        let ways = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let folder = match below(top.as_fd(), rest, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW, ways) {
            // It is gone, or something else is in its place.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) if !rest.is_empty() => return Ok(()),
            other => other.map_err(failed("open", &path))?,
        };
        let mut names = Vec::new();
        for entry in Dir::read_from(&folder).map_err(failed("read", &path))? {
            let entry = entry.map_err(failed("read", &path))?;
            if ![c".", c".."].contains(&entry.file_name()) {
                names.push(entry.file_name().to_bytes().to_vec());
            }
        }
        names.sort_unstable();
        let before = self.ahead.len();
        for name in names {
            let join = |base: &[u8]| if base.is_empty() { name.clone() } else { [base, b"/", &name].concat() };
            let (inside, rest) = (join(&path), join(rest));
            let thing =
                rustix::fs::openat(&folder, &name[..], OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, rustix::fs::Mode::empty());
            match thing {
                Err(Errno::NOENT) => {}
                other => drop(self.thing(&other.map_err(failed("open", &inside))?, inside.clone(), rest)?),
            }
        }
        // The last one is taken first.
        self.ahead[before..].reverse();
        Ok(())
    }

    fn entry(&mut self, header: &mut Header, path: &[u8]) -> Result<(), ImageError> {
        let written = self.out.append_data(header, Path::new(OsStr::from_bytes(path)), io::empty());
        written.map_err(|error| ImageError::Copy { doing: "pack", path: super::shown(path), source: error })
    }

    fn link(&mut self, header: &mut Header, path: &[u8], target: &[u8]) -> Result<(), ImageError> {
        let named = Path::new(OsStr::from_bytes(path));
        // As it is, to the last dot, where the header has room for it.
        let written = match header.set_link_name_literal(target) {
            Ok(()) => self.out.append_data(header, named, io::empty()),
            Err(_) => self.out.append_link(header, named, Path::new(OsStr::from_bytes(target))),
        };
        written.map_err(|error| ImageError::Copy { doing: "pack", path: super::shown(path), source: error })
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// Fails where a file is shorter than its header says.
struct Exact {
    file: io::Take<File>,
    left: u64,
}

impl Read for Exact {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        if count == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

//! Files that are there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ImageError;

/// What the names of files start with that are not complete.
pub(super) const UNFINISHED: &str = ".new-";

/// Opens a file for reading and writing, and makes it where it is missing.
pub(super) fn open_or_make(path: &Path) -> Result<File, ImageError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600).custom_flags(libc_nofollow());
    options.open(path).map_err(ImageError::file("open", path))
}

fn libc_nofollow() -> i32 {
    // The flags' bits are those of the kernel, whatever type carries them.
    i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default()
}

/// Writes a file: first under another name, then to the disk, then under its own name.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), ImageError> {
    write_named(path, bytes)?;
    sync_folder(path.parent().unwrap_or(path))
}

/// The same, but that its name may come to the disk later. What is under a name is whole nevertheless.
pub(super) fn write_named(path: &Path, bytes: &[u8]) -> Result<(), ImageError> {
    replace(path, bytes, |file| file.sync_all())
}

/// Writes a file that means something to processes that live only, and need not outlive the machine.
pub(super) fn write_volatile(path: &Path, bytes: &[u8]) -> Result<(), ImageError> {
    replace(path, bytes, |_| Ok(()))
}

fn replace(path: &Path, bytes: &[u8], sync: impl FnOnce(&File) -> std::io::Result<()>) -> Result<(), ImageError> {
    let unfinished = unfinished(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written = options.open(&unfinished).and_then(|mut file| {
        file.write_all(bytes)?;
        sync(&file)?;
        fs::rename(&unfinished, path)
    });
    written.map_err(|error| {
        // What is left would be removed by the next prune; the error that counts is the first.
        let _gone = fs::remove_file(&unfinished);
        ImageError::file("write", path)(error)
    })
}

fn unfinished(path: &Path) -> Result<PathBuf, ImageError> {
    Ok(path.parent().unwrap_or(path).join(format!("{UNFINISHED}{}", random()?)))
}

/// A file that is on the disk and has no name yet: for whoever does not want to wait for the disk with a lock held. Whoever is killed leaves
/// nothing of it.
pub(super) struct Draft<'a> {
    file: File,
    path: &'a Path,
}

impl<'a> Draft<'a> {
    /// Writes it; nothing where the file system has no files without a name.
    pub(super) fn new(path: &'a Path, bytes: &[u8]) -> Result<Option<Self>, ImageError> {
        let flags = i32::try_from(rustix::fs::OFlags::TMPFILE.bits()).unwrap_or_default();
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600).custom_flags(flags);
        let mut file = match options.open(path.parent().unwrap_or(path)) {
            Err(error) if is_unknown(&error) => return Ok(None),
            other => other.map_err(ImageError::file("write", path))?,
        };
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(ImageError::file("write", path))?;
        Ok(Some(Self { file, path }))
    }

    /// Gives it its name, in the place of what has that; on the disk it has it later.
    pub(super) fn put(self) -> Result<(), ImageError> {
        match self.link(self.path) {
            Err(rustix::io::Errno::EXIST) => {}
            other => return other.map_err(|errno| ImageError::file("write", self.path)(errno.into())),
        }
        let unfinished = unfinished(self.path)?;
        let named = self
            .link(&unfinished)
            .map_err(std::io::Error::from)
            .and_then(|()| fs::rename(&unfinished, self.path));
        named.map_err(ImageError::file("write", self.path))
    }

    fn link(&self, path: &Path) -> rustix::io::Result<()> {
        use rustix::fs::{AtFlags, CWD, linkat};
        linkat(CWD, format!("/proc/self/fd/{}", self.file.as_raw_fd()), CWD, path, AtFlags::SYMLINK_FOLLOW)
    }
}

/// What the kernel says where a file system does not know `O_TMPFILE`. Source: open(2).
fn is_unknown(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL))
}

/// Makes sure that names in a folder are on the disk.
pub(super) fn sync_folder(folder: &Path) -> Result<(), ImageError> {
    File::open(folder).and_then(|it| it.sync_all()).map_err(ImageError::file("write to disk", folder))
}

/// Reads a JSON file; nothing where there is none.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ImageError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ImageError::file("read", path)(error)),
    };
    let malformed = |error: serde_json::Error| ImageError::Malformed { what: path.display().to_string(), why: error.to_string() };
    serde_json::from_slice(&bytes).map(Some).map_err(malformed)
}

/// Turns a value into the bytes of a JSON file.
pub(super) fn json(value: &impl Serialize) -> Result<Vec<u8>, ImageError> {
    serde_json::to_vec_pretty(value).map_err(|error| ImageError::Malformed { what: "record".into(), why: error.to_string() })
}

/// Returns 16 hexadecimal digits that nobody else has.
pub(super) fn random() -> Result<String, ImageError> {
    let number =
        getrandom::u64().map_err(|error| ImageError::Stream { doing: "get a random number", source: std::io::Error::other(error) })?;
    Ok(format!("{number:016x}"))
}

/// Returns the names in a folder, in order, those that are not text left out.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, ImageError> {
    let failed = |error| ImageError::file("read", folder)(error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(|error| ImageError::file("read", folder)(error))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

//! Files of state: written whole or not at all, and so that they stay.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::FlockOperation;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::document::FORM;
use crate::error::{self, Result};

/// Makes a folder that only its owner may enter, and those above it.
pub(crate) fn private(folder: &Path) -> Result<()> {
    // To try to make one that is there takes longer: the file system prepares to write.
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(error::file("make the folder", folder))
}

/// As [`private`], for a folder of folders that have nothing to do with each other. ext4 puts these far from each other then: near to where much
/// was removed lately it looks long for a free inode (chattr(1), `T`).
pub(crate) fn private_of_many(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    private(folder)?;
    let mark = || -> io::Result<()> {
        let made = File::open(folder)?;
        let flags = rustix::fs::ioctl_getflags(&made)?;
        Ok(rustix::fs::ioctl_setflags(&made, flags | rustix::fs::IFlags::TOPDIR)?)
    };
    // Other file systems know no such mark.
    let _unmarked = mark();
    Ok(())
}

/// The form that a document says it has.
#[derive(Deserialize)]
struct Formed {
    form: u32,
}

/// Reads a document; nothing where there is none.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    Ok(read_stamped(path)?.map(|(_, document)| document))
}

/// What tells a file from another that takes its name: documents are never changed in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(u64, i64, i64, u64);

impl Stamp {
    /// Looks at a file; nothing where there is none.
    pub(crate) fn of(path: &Path) -> Result<Option<Self>> {
        let found = present(fs::metadata(path)).map_err(error::file("read", path))?;
        Ok(found.as_ref().map(Self::from))
    }
}

impl From<&Metadata> for Stamp {
    fn from(found: &Metadata) -> Self {
        Self(found.ino(), found.ctime(), found.ctime_nsec(), found.size())
    }
}

/// As [`read`], and which file it was.
pub(crate) fn read_stamped<T: DeserializeOwned>(path: &Path) -> Result<Option<(Stamp, T)>> {
    let whole = || -> io::Result<(Stamp, Vec<u8>)> {
        let mut file = File::open(path)?;
        let found = file.metadata()?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        Ok((Stamp::from(&found), text))
    };
    let found = present(whole()).map_err(error::file("read", path))?;
    found.map(|(stamp, text)| Ok((stamp, parse(path, &text)?))).transpose()
}

fn present<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

fn parse<T: DeserializeOwned>(path: &Path, text: &[u8]) -> Result<T> {
    serde_json::from_slice(text).map_err(|it| match serde_json::from_slice(text) {
        // What it holds beside is for that version to know.
        Ok(Formed { form }) if form > FORM => error::newer(&path.display().to_string(), form),
        _ => error::malformed(path, it),
    })
}

/// Where the copy of a document lies.
pub(crate) fn copy(path: &Path) -> PathBuf {
    path.with_extension("copy")
}

/// Writes a document so that a loss of power finds the old one or the new one; and a copy of it, for a disk that damages it later. No disk
/// waits for the copy, and a full one has none.
pub(crate) fn write(path: &Path, document: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec(document).map_err(|it| error::malformed(path, it))?;
    put(path, &text, true).map_err(error::file("write", path))?;
    let copy = copy(path);
    if fs::write(&copy, &text)
        .and_then(|()| fs::set_permissions(&copy, Permissions::from_mode(0o600)))
        .is_err()
    {
        // Half of one, or of what was before, is worse than none.
        let _gone = fs::remove_file(&copy);
    }
    Ok(())
}

/// Writes a file that is made anew after a start of the machine anyway.
pub(crate) fn write_volatile(path: &Path, content: &[u8]) -> Result<()> {
    put(path, content, false).map_err(error::file("write", path))
}

/// As [`write_volatile`]; several may do it at once.
pub(crate) fn write_volatile_together(path: &Path, content: &[u8]) -> Result<()> {
    put_through(&own_draft(path), path, content, 0o600, false).map_err(error::file("write", path))
}

/// Writes a program that everybody may run. Several may do it at once.
pub(crate) fn write_program(path: &Path, content: &[u8]) -> Result<()> {
    put_through(&own_draft(path), path, content, 0o755, true).map_err(error::file("write", path))
}

fn own_draft(path: &Path) -> PathBuf {
    static WRITTEN: AtomicU32 = AtomicU32::new(0);
    path.with_extension(format!("{}-{}.new", std::process::id(), WRITTEN.fetch_add(1, Ordering::Relaxed)))
}

fn put(path: &Path, content: &[u8], durable: bool) -> io::Result<()> {
    put_through(&path.with_extension("new"), path, content, 0o600, durable)
}

fn put_through(draft: &Path, path: &Path, content: &[u8], mode: u32, durable: bool) -> io::Result<()> {
    draw_up(draft, path, content, mode, durable).inspect_err(|_| {
        // The first error counts.
        let _left = fs::remove_file(draft);
    })
}

fn draw_up(draft: &Path, path: &Path, content: &[u8], mode: u32, durable: bool) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(draft)?;
    file.write_all(content)?;
    // Whatever the caller's mask is.
    file.set_permissions(Permissions::from_mode(mode))?;
    if durable {
        file.sync_all()?;
    }
    fs::rename(draft, path)?;
    if durable { sync_folder(path) } else { Ok(()) }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Takes a name for a text, which whoever reads the name finds; tells whether the name was free. Whole or not at all, but for a loss of power:
/// against that, see [`settle`].
pub(crate) fn claim(path: &Path, text: &str, draft: &Path) -> Result<bool> {
    let made = || -> io::Result<bool> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(draft)?;
        file.write_all(text.as_bytes())?;
        let linked = fs::hard_link(draft, path);
        fs::remove_file(draft)?;
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            other => other.map(|()| true),
        }
    };
    made().map_err(error::file("write", path))
}

/// Makes a name that was taken outlive a loss of power. Apart from the taking, which is done with a lock held that all wait for.
pub(crate) fn settle(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|it| it.sync_all())
        .and_then(|()| sync_folder(path))
        .map_err(error::file("write", path))
}

/// Tells whether something is there; a link that leads nowhere is.
pub(crate) fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Removes a file; absence is success.
pub(crate) fn remove(path: &Path) -> Result<()> {
    gone(fs::remove_file(path)).map_err(error::file("remove", path))
}

/// Removes a folder with all in it; absence is success.
pub(crate) fn remove_folder(path: &Path) -> Result<()> {
    gone(fs::remove_dir_all(path)).map_err(error::file("remove", path))
}

fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Lists the names in a folder, sorted; an absent folder has none.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(error::file("read the folder", folder))?,
    };
    let mut names: Vec<String> = entries.flatten().filter_map(|it| it.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// A lock, given back when it is dropped or its holder dies.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "closing it gives the lock back")] File);

/// Takes the lock on a file; waits for whoever has it.
pub(crate) fn lock(path: &Path) -> Result<Lock> {
    let file = open_lock(path)?;
    rustix::io::retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockExclusive))
        .map_err(|errno| error::file("lock", path)(errno.into()))?;
    Ok(Lock(file))
}

/// Takes the lock on a file unless somebody has it.
pub(crate) fn try_lock(path: &Path) -> Result<Option<Lock>> {
    let file = open_lock(path)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(Lock(file))),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(errno) => Err(error::file("lock", path)(errno.into())),
    }
}

fn open_lock(path: &Path) -> Result<File> {
    let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).clone();
    options.open(path).map_err(error::file("open", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_claimed_once_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (name, draft) = (folder.path().join("web"), folder.path().join("draft"));
        assert!(claim(&name, "one", &draft).unwrap());
        assert!(!claim(&name, "two", &draft).unwrap());
        assert_eq!(fs::read_to_string(&name).unwrap(), "one");
        assert!(!draft.exists());
    }

    #[test]
    fn what_is_absent_is_removed_already() {
        let folder = tempfile::tempdir().unwrap();
        remove(&folder.path().join("x")).unwrap();
        remove_folder(&folder.path().join("x")).unwrap();
        assert_eq!(read::<u32>(&folder.path().join("x")).unwrap(), None);
        fs::write(folder.path().join("y"), "{").unwrap();
        assert!(read::<u32>(&folder.path().join("y")).unwrap_err().message.contains("cannot be understood"));
    }

    #[test]
    fn a_newer_document_is_not_taken_for_a_damaged_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        for (text, said) in [
            ("{\"form\":2,\"wings\":2}", "newer rcompose"),
            ("{\"form\":1}", "damaged"),
            ("{\"form\":", "damaged"),
        ] {
            fs::write(&path, text).unwrap();
            let error = read::<crate::document::Volume>(&path).unwrap_err();
            assert!(error.message.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_lock_excludes_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = lock(&path).unwrap();
        assert!(try_lock(&path).unwrap().is_none());
        drop(held);
        assert!(try_lock(&path).unwrap().is_some());
    }
}

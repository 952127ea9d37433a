//! Copies a folder with all in it: owners, modes, times, extended attributes, links. No link is followed.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags, fchmod, fchown, fgetxattr, flistxattr,
    fsetxattr, futimens, linkat, mkdirat, mknodat, openat, readlinkat, statat, symlinkat, syncfs, unlinkat, utimensat,
};
use rustix::io::{Errno, Result};

/// Bytes that are moved at once.
const PIECE: usize = 1 << 20;

/// A copy that is being made.
struct Copy {
    /// Where the first of several names of one file is: the folder's descriptor and the name.
    linked: BTreeMap<(u64, u64), (OwnedFd, CString)>,
    /// An earlier attempt was cut off: what is there is of it, and may be half of a file.
    again: bool,
}

/// Copies what is in a folder into another, and what the folder itself is like. When it returns, all of it is on the disk. With `again` it
/// replaces what an attempt that was cut off left.
pub(super) fn tree(source: BorrowedFd<'_>, target: BorrowedFd<'_>, again: bool) -> Result<()> {
    folder(source, target, &mut Copy { linked: BTreeMap::new(), again })?;
    like(source, target, &rustix::fs::fstat(source)?)?;
    if is_empty(source)? { Ok(()) } else { syncfs(target) }
}

/// Tells whether nothing is in a folder.
pub(super) fn is_empty(folder: BorrowedFd<'_>) -> Result<bool> {
    for entry in Dir::read_from(folder)? {
        if ![c".", c".."].contains(&entry?.file_name()) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn folder(source: BorrowedFd<'_>, target: BorrowedFd<'_>, copy: &mut Copy) -> Result<()> {
    for entry in Dir::read_from(source)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            one(source, target, name, copy)?;
        }
    }
    Ok(())
}

fn one(source: BorrowedFd<'_>, target: BorrowedFd<'_>, name: &CStr, copy: &mut Copy) -> Result<()> {
    let found = statat(source, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = FileType::from_raw_mode(found.st_mode);
    if copy.again && kind != FileType::Directory {
        unless(unlinkat(target, name, AtFlags::empty()), Errno::NOENT)?;
    }
    if kind != FileType::Directory && found.st_nlink > 1 {
        if let Some((folder, first)) = copy.linked.get(&(found.st_dev, found.st_ino)) {
            return linkat(folder, first, target, name, AtFlags::empty());
        }
        copy.linked
            .insert((found.st_dev, found.st_ino), (target.try_clone_to_owned().map_err(raw)?, name.to_owned()));
    }
    let open = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match kind {
        FileType::Directory => {
            let from = openat(source, name, open | OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
            let made = mkdirat(target, name, Mode::RWXU);
            if copy.again { unless(made, Errno::EXIST) } else { made }?;
            let into = openat(target, name, open | OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
            folder(from.as_fd(), into.as_fd(), copy)?;
            like(from.as_fd(), into.as_fd(), &found)
        }
        FileType::RegularFile => {
            let from = openat(source, name, open | OFlags::RDONLY, Mode::empty())?;
            let into = openat(target, name, open | OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, Mode::RUSR | Mode::WUSR)?;
            bytes(from.as_fd(), into.as_fd())?;
            like(from.as_fd(), into.as_fd(), &found)
        }
        FileType::Symlink => {
            symlinkat(readlinkat(source, name, Vec::new())?, target, name)?;
            owner(target, name, &found)?;
            utimensat(target, name, &times(&found), AtFlags::SYMLINK_NOFOLLOW)
        }
        _ => {
            mknodat(target, name, kind, Mode::from_raw_mode(found.st_mode), found.st_rdev)?;
            owner(target, name, &found)?;
            rustix::fs::chmodat(target, name, Mode::from_raw_mode(found.st_mode), AtFlags::empty())?;
            utimensat(target, name, &times(&found), AtFlags::SYMLINK_NOFOLLOW)
        }
    }
}

/// One error is success.
fn unless(result: Result<()>, fine: Errno) -> Result<()> {
    result.or_else(|errno| if errno == fine { Ok(()) } else { Err(errno) })
}

fn bytes(from: BorrowedFd<'_>, into: BorrowedFd<'_>) -> Result<()> {
    loop {
        match rustix::fs::copy_file_range(from, None, into, None, PIECE) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            // Not between these file systems: by hand.
            Err(Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => return by_hand(from, into),
            Err(errno) => return Err(errno),
        }
    }
}

fn by_hand(from: BorrowedFd<'_>, into: BorrowedFd<'_>) -> Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = rustix::io::retry_on_intr(|| rustix::io::read(from, &mut piece[..]))?;
        if read == 0 {
            return Ok(());
        }
        let mut written = 0;
        while written < read {
            written += rustix::io::retry_on_intr(|| rustix::io::write(into, &piece[written..read]))?;
        }
    }
}

/// Gives a file or folder the attributes of another; the owner first, since a change of it takes set-user-id bits away.
fn like(from: BorrowedFd<'_>, into: BorrowedFd<'_>, found: &Stat) -> Result<()> {
    fchown(into, Some(Uid::from_raw(found.st_uid)), Some(Gid::from_raw(found.st_gid)))?;
    fchmod(into, Mode::from_raw_mode(found.st_mode))?;
    attributes(from, into)?;
    futimens(into, &times(found))
}

fn attributes(from: BorrowedFd<'_>, into: BorrowedFd<'_>) -> Result<()> {
    let mut names = vec![0; 64 << 10];
    let length = match flistxattr(from, &mut names[..]) {
        Err(Errno::OPNOTSUPP) => return Ok(()),
        other => other?,
    };
    for name in names[..length].split_inclusive(|it| *it == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        // What overlayfs writes for itself is not part of the content.
        if name.to_bytes().starts_with(b"trusted.overlay.") {
            continue;
        }
        let mut value = vec![0; 64 << 10];
        let length = fgetxattr(from, name, &mut value[..])?;
        match fsetxattr(into, name, &value[..length], XattrFlags::empty()) {
            // The disk of the volumes may not take it; the content is not less for it.
            Ok(()) | Err(Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn owner(target: BorrowedFd<'_>, name: &CStr, found: &Stat) -> Result<()> {
    let (user, group) = (Uid::from_raw(found.st_uid), Gid::from_raw(found.st_gid));
    rustix::fs::chownat(target, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)
}

fn times(found: &Stat) -> Timestamps {
    let time = |seconds, nanoseconds: u64| Timespec { tv_sec: seconds, tv_nsec: i64::try_from(nanoseconds).unwrap_or(0) };
    Timestamps {
        last_access: time(found.st_atime, found.st_atime_nsec),
        last_modification: time(found.st_mtime, found.st_mtime_nsec),
    }
}

fn raw(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn all_of_a_folder_is_copied_and_no_link_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (from, into) = (folder.path().join("from"), folder.path().join("into"));
        fs::create_dir_all(from.join("deep/er")).unwrap();
        fs::create_dir(&into).unwrap();
        fs::write(from.join("deep/file"), vec![7; PIECE + 3]).unwrap();
        fs::hard_link(from.join("deep/file"), from.join("other")).unwrap();
        symlink("/etc/passwd", from.join("deep/er/link")).unwrap();
        fs::set_permissions(from.join("deep"), fs::Permissions::from_mode(0o1750)).unwrap();
        fs::set_permissions(&from, fs::Permissions::from_mode(0o700)).unwrap();
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        File::open(from.join("deep/file")).unwrap().set_modified(then).unwrap();
        let (a, b) = (File::open(&from).unwrap(), File::open(&into).unwrap());
        tree(a.as_fd(), b.as_fd(), false).unwrap();
        assert!(tree(a.as_fd(), b.as_fd(), false).is_err(), "what is there is written over");
        // Half of an attempt that was cut off.
        fs::write(into.join("deep/file"), "half").unwrap();
        fs::remove_file(into.join("other")).unwrap();
        tree(a.as_fd(), b.as_fd(), true).unwrap();
        let copied = fs::metadata(into.join("deep/file")).unwrap();
        assert_eq!((copied.len(), copied.modified().unwrap()), (PIECE as u64 + 3, then));
        assert_eq!(copied.ino(), fs::metadata(into.join("other")).unwrap().ino(), "two names of one file");
        assert_eq!(fs::read_link(into.join("deep/er/link")).unwrap().to_str(), Some("/etc/passwd"));
        assert_eq!(fs::metadata(into.join("deep")).unwrap().mode() & 0o7777, 0o1750);
        assert_eq!(fs::metadata(&into).unwrap().mode() & 0o7777, 0o700, "the folder itself");
    }
}

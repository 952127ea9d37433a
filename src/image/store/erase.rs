//! Removes whole trees, however deep they are.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, RenameFlags, openat, renameat_with, unlinkat};
use rustix::io::Errno;

use super::file;
use crate::error::ImageError;

/// Removes what is at a path; nothing there is success. The folder it is in must be ours alone.
pub(super) fn erase(path: &Path) -> Result<(), ImageError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(());
    };
    let parent = match File::open(parent) {
        Ok(parent) => parent,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ImageError::file("open", parent)(error)),
    };
    use std::os::unix::ffi::OsStrExt;
    let salt = file::random()?;
    tree(parent.as_fd(), name.as_bytes(), &salt).map_err(ImageError::call("remove", path))
}

/// Removes a tree. Folders that are not empty are moved up beside it, so depth costs neither stack nor descriptors.
fn tree(parent: BorrowedFd<'_>, name: &[u8], salt: &str) -> Result<(), Errno> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(errno) => return Err(errno),
    }
    let mut moved = 0u64;
    let mut waiting = vec![name.to_vec()];
    while let Some(name) = waiting.pop() {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = match openat(parent, &*name, flags, Mode::empty()) {
            // Another process clears up as well.
            Err(Errno::NOENT) => continue,
            other => other?,
        };
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            let child = entry.file_name();
            if matches!(child.to_bytes(), b"." | b"..") {
                continue;
            }
            match unlinkat(&folder, child, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => continue,
                Err(Errno::ISDIR | Errno::PERM) => {}
                Err(errno) => return Err(errno),
            }
            match unlinkat(&folder, child, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(Errno::NOTEMPTY | Errno::EXIST) => {
                    moved += 1;
                    let beside = format!("{}{salt}-{moved}", file::UNFINISHED);
                    match renameat_with(&folder, child, parent, beside.as_str(), RenameFlags::NOREPLACE) {
                        Ok(()) => waiting.push(beside.into_bytes()),
                        Err(Errno::NOENT) => {}
                        Err(errno) => return Err(errno),
                    }
                }
                Err(errno) => return Err(errno),
            }
        }
        match unlinkat(parent, &*name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            // Not every file system lists all names of a folder that changes meanwhile.
            Err(Errno::NOTEMPTY | Errno::EXIST) => waiting.push(name),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_trees_go_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("kept")).unwrap();
        std::fs::write(folder.path().join("kept/file"), "x").unwrap();
        let top = folder.path().join("top");
        std::fs::create_dir(&top).unwrap();
        std::os::unix::fs::symlink("../kept", top.join("link")).unwrap();
        // Deeper than a path may be long, and than descriptors may be open.
        let mut at = File::open(&top).unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&at, "sub", Mode::RWXU).unwrap();
            at = File::from(openat(&at, "sub", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap());
        }
        erase(&top).unwrap();
        erase(&top).unwrap();
        assert_eq!(file::names(folder.path()).unwrap(), ["kept"]);
        assert_eq!(std::fs::read(folder.path().join("kept/file")).unwrap(), b"x");
    }
}

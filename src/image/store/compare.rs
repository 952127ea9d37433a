//! Compares two trees to the last byte.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{lgetxattr, llistxattr};
use rustix::io::Errno;

/// Returns the first difference between two trees, if there is one: its path and what differs.
pub(super) fn difference(a: &Path, b: &Path) -> io::Result<Option<String>> {
    let mut waiting = vec![std::path::PathBuf::new()];
    while let Some(path) = waiting.pop() {
        let (one, other) = (a.join(&path), b.join(&path));
        let said = |what: &str| Ok(Some(format!("{}: {what}", Path::new("/").join(&path).display())));
        let (left, right) = (fs::symlink_metadata(&one)?, fs::symlink_metadata(&other)?);
        if let Some(what) = of_metadata(&left, &right) {
            return said(what);
        }
        if attributes(&one)? != attributes(&other)? {
            return said("extended attributes");
        }
        if left.is_symlink() {
            if fs::read_link(&one)? != fs::read_link(&other)? {
                return said("target");
            }
        } else if left.is_file() {
            if !same_content(&one, &other)? {
                return said("content");
            }
        } else if left.is_dir() {
            let (names, others) = (names(&one)?, names(&other)?);
            if let Some(name) = names.symmetric_difference(&others).next() {
                return said(&format!("`{}` is in one of them only", name.to_string_lossy()));
            }
            waiting.extend(names.into_iter().map(|name| path.join(name)));
        }
    }
    Ok(None)
}

fn of_metadata(a: &fs::Metadata, b: &fs::Metadata) -> Option<&'static str> {
    let is_device = a.file_type().is_block_device() || a.file_type().is_char_device();
    if a.mode() != b.mode() {
        Some("type or permissions")
    } else if (a.uid(), a.gid()) != (b.uid(), b.gid()) {
        Some("owner")
    } else if (a.mtime(), a.mtime_nsec()) != (b.mtime(), b.mtime_nsec()) {
        Some("time")
    } else if is_device && a.rdev() != b.rdev() {
        Some("device number")
    } else if a.is_file() && a.len() != b.len() {
        Some("size")
    } else if !a.is_dir() && a.nlink() != b.nlink() {
        Some("number of links")
    } else {
        None
    }
}

fn names(folder: &Path) -> io::Result<std::collections::BTreeSet<std::ffi::OsString>> {
    fs::read_dir(folder)?.map(|entry| entry.map(|it| it.file_name())).collect()
}

fn same_content(a: &Path, b: &Path) -> io::Result<bool> {
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
    let (mut left, mut right) = (vec![0; 1 << 17], vec![0; 1 << 17]);
    loop {
        let count = a.read(&mut left)?;
        if count == 0 {
            return Ok(b.read(&mut right)? == 0);
        }
        match b.read_exact(&mut right[..count]) {
            Ok(()) if left[..count] == right[..count] => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

fn attributes(path: &Path) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut names = vec![0u8; 64 << 10];
    let count = match llistxattr(path, &mut names) {
        Ok(count) => count,
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(errno) => return Err(errno.into()),
    };
    let mut found = Vec::new();
    for name in names[..count].split(|byte| *byte == 0).filter(|it| !it.is_empty()) {
        let mut value = vec![0u8; 64 << 10];
        let count = lgetxattr(path, std::ffi::OsString::from_vec(name.to_vec()).as_bytes(), &mut value)?;
        value.truncate(count);
        found.push((name.to_vec(), value));
    }
    found.sort();
    Ok(found)
}

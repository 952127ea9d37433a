//! The walk over a folder.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::error::ContextError;
use crate::ignore::{Ignore, Inherited};

/// One member of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Relative, with slashes.
    pub(crate) path: String,
    /// Permission bits.
    pub(crate) mode: u32,
    /// Seconds since 1970-01-01 UTC, not before it.
    pub(crate) modified: u64,
    pub(crate) kind: EntryKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Folder,
    /// A file of the folder, so many bytes long.
    File {
        source: PathBuf,
        size: u64,
    },
    /// A file that is not in the folder.
    Bytes(Vec<u8>),
    Link(PathBuf),
}

/// What a walk found, sorted by path.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    pub(crate) entries: Vec<Entry>,
    pub(crate) skipped: Vec<PathBuf>,
}

struct Walk<'a> {
    ignore: &'a Ignore,
    always: &'a [&'a str],
    found: Walked,
}

/// Lists what of `root` is not ignored; the paths in `always` are there in any case.
pub(crate) fn walk(root: &Path, ignore: &Ignore, always: &[&str]) -> Result<Walked, ContextError> {
    let mut walk = Walk { ignore, always, found: Walked::default() };
    walk.folder(root, "", &Inherited::default())?;
    walk.found.entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walk.found)
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, prefix: &str, inherited: &Inherited) -> Result<(), ContextError> {
        let mut names = Vec::new();
        for child in fs::read_dir(folder).map_err(|error| ContextError::read(folder, error))? {
            names.push(child.map_err(|error| ContextError::read(folder, error))?.file_name());
        }
        names.sort();
        for name in names {
            let source = folder.join(&name);
            let Some(name) = name.to_str() else {
                // A tar header can carry such a name, an ignore pattern cannot name it: refuse rather than guess.
                let cause = std::io::Error::new(std::io::ErrorKind::InvalidData, "the name is not UTF-8");
                return Err(ContextError::read(source, cause));
            };
            self.child(&source, format!("{prefix}{name}"), inherited)?;
        }
        Ok(())
    }

    fn child(&mut self, source: &Path, path: String, inherited: &Inherited) -> Result<(), ContextError> {
        let (ignored, matched) = self.ignore.check(&path, inherited);
        let wanted = !ignored || self.always.contains(&path.as_str());
        let below = format!("{path}/");
        let enter = wanted || self.ignore.has_exception_below(&path) || self.always.iter().any(|it| it.starts_with(&below));
        if !wanted && !enter {
            return Ok(());
        }
        let found = fs::symlink_metadata(source).map_err(|error| ContextError::read(source, error))?;
        if found.is_dir() {
            return self.subfolder(source, path, &found, wanted, &matched);
        }
        if !wanted {
            return Ok(());
        }
        let kind = if found.is_symlink() {
            EntryKind::Link(fs::read_link(source).map_err(|error| ContextError::read(source, error))?)
        } else if found.is_file() {
            EntryKind::File { source: source.to_owned(), size: found.len() }
        } else {
            self.found.skipped.push(source.to_owned());
            return Ok(());
        };
        self.found.entries.push(entry(path, &found, kind));
        Ok(())
    }

    /// Adds a folder; an ignored one only when something below it is not.
    fn subfolder(&mut self, source: &Path, path: String, found: &Metadata, wanted: bool, matched: &Inherited) -> Result<(), ContextError> {
        let before = self.found.entries.len();
        self.folder(source, &format!("{path}/"), matched)?;
        if wanted || self.found.entries.len() > before {
            self.found.entries.push(entry(path, found, EntryKind::Folder));
        }
        Ok(())
    }
}

fn entry(path: String, found: &Metadata, kind: EntryKind) -> Entry {
    let modified = found
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map_or(0, |since| since.as_secs());
    Entry { path, mode: mode(found), modified, kind }
}

#[cfg(unix)]
fn mode(found: &Metadata) -> u32 {
    use std::os::unix::fs::MetadataExt;
    found.mode() & 0o7777
}

/// Windows has no permission bits; docker's client sends everything as executable from there, and so does this.
#[cfg(not(unix))]
fn mode(_found: &Metadata) -> u32 {
    0o755
}

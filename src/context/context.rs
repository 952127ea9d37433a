//! One build context: a folder, the instructions, and what goes to the builder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::error::ContextError;
use crate::ignore::Ignore;
use crate::walk::{Entry, EntryKind, walk};

/// Where a build's instructions are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instructions {
    /// A Dockerfile: relative to the context, or absolute.
    Path(PathBuf),
    /// The text itself.
    Inline(String),
}

/// A build context that was looked at: its files are listed, not read.
#[derive(Debug)]
pub struct Context {
    pub(crate) root: PathBuf,
    pub(crate) entries: Vec<Entry>,
    dockerfile: String,
    skipped: Vec<PathBuf>,
}

/// The name of the ignore file.
const IGNORE: &str = ".dockerignore";

impl Context {
    /// Lists what of a folder goes to the builder.
    ///
    /// # Errors
    /// A missing folder or Dockerfile, a malformed ignore file, a folder that cannot be read.
    pub fn open(folder: &Path, instructions: &Instructions) -> Result<Self, ContextError> {
        match fs::metadata(folder) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(ContextError::NotAFolder { path: folder.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ContextError::Missing { path: folder.to_owned() }),
            Err(error) => return Err(ContextError::read(folder, error)),
        }
        let root = fs::canonicalize(folder).map_err(|error| ContextError::read(folder, error))?;
        let found = find(&root, instructions)?;
        let ignore = ignore(&root, &found)?;
        let always: Vec<&str> = match &found {
            Found::Inside { name, .. } => vec![IGNORE, name],
            Found::Added { .. } => vec![IGNORE],
        };
        let walked = walk(&root, &ignore, &always)?;
        let mut context = Self { root, entries: walked.entries, dockerfile: String::new(), skipped: walked.skipped };
        match found {
            Found::Inside { name, .. } => context.dockerfile = name,
            Found::Added { content, .. } => context.add(content)?,
        }
        Ok(context)
    }

    /// Returns the Dockerfile's path within the archive.
    pub fn dockerfile(&self) -> &str {
        &self.dockerfile
    }

    /// Returns the paths within the archive, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.path.as_str())
    }

    /// Returns sockets, pipes and devices, which no archive carries.
    pub fn skipped(&self) -> &[PathBuf] {
        &self.skipped
    }

    /// Puts in a Dockerfile that is not a file of the folder, under a name that follows from its content, and has the
    /// builder hide it from `COPY` by the ignore file, as docker's own client does.
    fn add(&mut self, content: Vec<u8>) -> Result<(), ContextError> {
        let name = format!(".dockerfile.{}", &hex(&Sha256::digest(&content))[..20]);
        let path = self.root.join(IGNORE);
        let mut ignore = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => IGNORE.as_bytes().to_vec(),
            Err(error) => return Err(ContextError::read(path, error)),
        };
        ignore.extend_from_slice(format!("\n{name}\n").as_bytes());
        self.entries.retain(|entry| entry.path != IGNORE && entry.path != name);
        self.entries
            .push(Entry { path: IGNORE.to_owned(), mode: 0o600, modified: 0, kind: EntryKind::Bytes(ignore) });
        self.entries
            .push(Entry { path: name.clone(), mode: 0o600, modified: 0, kind: EntryKind::Bytes(content) });
        self.entries.sort_by(|a, b| a.path.cmp(&b.path));
        self.dockerfile = name;
        Ok(())
    }
}

/// A Dockerfile that was found.
enum Found {
    /// A file of the folder, by its path in it.
    Inside { name: String, path: PathBuf },
    /// Instructions from elsewhere, with the file they are from.
    Added { content: Vec<u8>, path: Option<PathBuf> },
}

fn find(root: &Path, instructions: &Instructions) -> Result<Found, ContextError> {
    let path = match instructions {
        Instructions::Inline(text) => return Ok(Found::Added { content: text.clone().into_bytes(), path: None }),
        Instructions::Path(path) => root.join(path),
    };
    let path = existing(path)?;
    let real = fs::canonicalize(&path).map_err(|error| ContextError::read(&path, error))?;
    if let Some(name) = real.strip_prefix(root).ok().and_then(slashed) {
        return Ok(Found::Inside { name, path });
    }
    let content = fs::read(&path).map_err(|error| ContextError::read(&path, error))?;
    Ok(Found::Added { content, path: Some(path) })
}

/// Finds the file; `Dockerfile` may also be spelt `dockerfile`, as with docker.
fn existing(path: PathBuf) -> Result<PathBuf, ContextError> {
    let lower = path.file_name().filter(|name| *name == "Dockerfile").map(|_| path.with_file_name("dockerfile"));
    if path.is_file() {
        return Ok(path);
    }
    if let Some(lower) = lower.filter(|lower| lower.is_file()) {
        return Ok(lower);
    }
    Err(ContextError::MissingDockerfile { path })
}

/// Reads the Dockerfile's own ignore file, else the folder's.
fn ignore(root: &Path, found: &Found) -> Result<Ignore, ContextError> {
    let own = match found {
        Found::Inside { path, .. } | Found::Added { path: Some(path), .. } => {
            let mut name = path.clone().into_os_string();
            name.push(IGNORE);
            Some(PathBuf::from(name))
        }
        Found::Added { path: None, .. } => None,
    };
    for path in own.into_iter().chain([root.join(IGNORE)]) {
        match fs::read(&path) {
            Ok(text) => return Ignore::parse(&text, &path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(ContextError::read(path, error)),
        }
    }
    Ok(Ignore::default())
}

/// Writes a relative path with slashes; `None` is a path that is not text.
fn slashed(path: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = path.components().map(|part| part.as_os_str().to_str()).collect();
    parts.map(|parts| parts.join("/"))
}

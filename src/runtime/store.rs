//! What is known of containers between two calls of an OCI runtime: a folder for each, readable by its owner only.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;
use serde::{Deserialize, Serialize};

use crate::bundle;
use crate::container::Container;
use crate::error::{Result, RuntimeError};
use crate::plan::cgroup::Folder;

/// What is written about a container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub id: String,
    /// Its first process.
    pub pid: i32,
    /// When that began, in ticks since boot.
    pub began: u64,
    /// Boot during which it began.
    pub boot: String,
    /// Its bundle.
    pub bundle: PathBuf,
    /// Its root.
    pub rootfs: PathBuf,
    /// When it was made, RFC 3339.
    pub created: String,
    /// Its control groups: folder, mount, whether of v2, controllers.
    pub groups: Vec<(PathBuf, PathBuf, bool, Vec<String>)>,
    /// Its root was entered with chroot(2).
    pub no_pivot: bool,
    /// Its spec has hooks that come after its start or end; without, nobody reads that again.
    #[serde(default = "yes")]
    pub hooked: bool,
}

/// What a record of an earlier version means.
fn yes() -> bool {
    true
}

impl Record {
    /// Returns the control groups.
    #[must_use]
    pub fn folders(&self) -> Vec<Folder> {
        let folder = |(path, mount, unified, controllers): &(PathBuf, PathBuf, bool, Vec<String>)| Folder {
            path: path.clone(),
            mount: mount.clone(),
            unified: *unified,
            controllers: controllers.clone(),
            writes: Vec::new(),
        };
        self.groups.iter().map(folder).collect()
    }
}

/// The folder of all containers.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

const RECORD: &str = "state.json";
const SPEC: &str = "config.json";
const START: &str = "start.sock";

impl Store {
    /// Names the store; nothing is made yet.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Makes the folder of a container.
    ///
    /// # Errors
    /// The name is none, or taken, or the folder cannot be made.
    pub fn reserve(&self, id: &str) -> Result<PathBuf> {
        let folder = self.folder(id)?;
        let mut builder = fs::DirBuilder::new();
        builder.mode(0o700);
        builder
            .recursive(true)
            .create(&self.root)
            .map_err(|error| RuntimeError::file("make the folder", &self.root, error))?;
        builder.recursive(false).create(&folder).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => RuntimeError::Exists { id: id.to_owned() },
            _ => RuntimeError::file("make the folder", &folder, error),
        })?;
        Ok(folder)
    }

    /// Returns the folder of a container, there or not.
    ///
    /// # Errors
    /// The name is none.
    pub fn folder(&self, id: &str) -> Result<PathBuf> {
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
        if id.is_empty() || id.len() > 255 || id == "." || id == ".." || !id.bytes().all(fine) {
            return Err(RuntimeError::Name { id: id.to_owned() });
        }
        Ok(self.root.join(id))
    }

    /// Returns the path of the socket on which a container awaits its start.
    ///
    /// # Errors
    /// The name is none.
    pub fn start_socket(&self, id: &str) -> Result<PathBuf> {
        Ok(self.folder(id)?.join(START))
    }

    /// Writes what is known of a container, and keeps the text of its spec.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, record: &Record, spec: &[u8]) -> Result<()> {
        let folder = self.folder(&record.id)?;
        put(&folder, SPEC, spec)?;
        put(&folder, RECORD, &serde_json::to_vec(record).unwrap_or_default())
    }

    /// Reads what is known of a container.
    ///
    /// # Errors
    /// There is none of that name, or its file is damaged.
    pub fn read(&self, id: &str) -> Result<Container> {
        let folder = self.folder(id)?;
        let path = folder.join(RECORD);
        let text = fs::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => RuntimeError::Absent { id: id.to_owned() },
            _ => RuntimeError::file("read", &path, error),
        })?;
        Ok(Container::new(bundle::parse_json(&text, &path)?, folder.join(START)))
    }

    /// Reads the spec with which a container was made.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn spec(&self, id: &str) -> Result<Spec> {
        let path = self.folder(id)?.join(SPEC);
        let text = fs::read(&path).map_err(|error| RuntimeError::file("read", &path, error))?;
        bundle::parse_json(&text, &path)
    }

    /// Names all containers.
    ///
    /// # Errors
    /// The folder cannot be read; an absent one holds none.
    pub fn names(&self) -> Result<Vec<String>> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|error| RuntimeError::file("read the folder", &self.root, error))?,
        };
        let mut names: Vec<String> = entries.flatten().filter_map(|it| it.file_name().into_string().ok()).collect();
        names.sort();
        Ok(names)
    }

    /// Forgets a container; an absent one is forgotten.
    ///
    /// # Errors
    /// The folder cannot be removed.
    pub fn forget(&self, id: &str) -> Result<()> {
        let folder = self.folder(id)?;
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(RuntimeError::file("remove the folder", folder, error)),
            _ => Ok(()),
        }
    }
}

/// Writes a file at once or not at all.
fn put(folder: &Path, name: &str, content: &[u8]) -> Result<()> {
    let (path, draft) = (folder.join(name), folder.join(format!(".{name}")));
    let failed = |error| RuntimeError::file("write", &path, error);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    fs::rename(&draft, &path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn names_stay_in_the_folder_and_folders_are_private() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path().join("oci"));
        for id in ["", ".", "..", "a/b", "../x", "a b", "\u{e9}", &"x".repeat(256)] {
            assert!(matches!(store.reserve(id), Err(RuntimeError::Name { .. })), "{id:?}");
        }
        assert!(store.names().unwrap().is_empty());
        let folder = store.reserve("a.b_c-d+1").unwrap();
        for path in [root.path().join("oci"), folder] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
        }
        assert!(matches!(store.reserve("a.b_c-d+1"), Err(RuntimeError::Exists { .. })));
        assert!(matches!(store.read("a.b_c-d+1"), Err(RuntimeError::Absent { .. })), "reserved, and not yet written");
        store.forget("a.b_c-d+1").unwrap();
        store.forget("a.b_c-d+1").unwrap();
    }
}

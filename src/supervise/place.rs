//! Where everything lies: one folder for each project under `/run`, one in it for each container.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::{Result, SuperviseError};

/// The folder of a project's sockets and locks. Only its owner may enter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    folder: PathBuf,
}

impl Project {
    /// Names the folder; nothing is made yet.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Returns the folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.folder.join("guard.lock")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("guard.sock")
    }

    /// Returns the place of a container.
    ///
    /// # Errors
    /// The name is none.
    pub fn container(&self, name: &str) -> Result<Place> {
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if name.is_empty() || name.len() > 128 || name.starts_with('.') || !name.bytes().all(fine) {
            return Err(SuperviseError::Name { name: name.to_owned() });
        }
        Ok(Place { folder: self.folder.join(name), name: name.to_owned() })
    }

    /// Lists the places of all containers.
    ///
    /// # Errors
    /// The folder cannot be read; an absent one holds none.
    pub fn containers(&self) -> Result<Vec<Place>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(SuperviseError::file("read the folder", &self.folder))?,
        };
        let names = entries
            .flatten()
            .filter(|it| it.path().join(TASK).exists())
            .filter_map(|it| it.file_name().into_string().ok());
        let mut places: Vec<Place> = names.filter_map(|name| self.container(&name).ok()).collect();
        places.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(places)
    }
}

const TASK: &str = "task.json";

/// The folder of one container's sockets and pipes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    folder: PathBuf,
    name: String,
}

impl Place {
    /// Reads a place from the path of its folder.
    ///
    /// # Errors
    /// Its name is none.
    pub fn of(folder: &Path) -> Result<Self> {
        let name = folder.file_name().and_then(OsStr::to_str).unwrap_or_default();
        Project::new(folder.parent().unwrap_or(Path::new("")).to_owned()).container(name)
    }

    /// Returns the name of the container.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the project it belongs to.
    #[must_use]
    pub fn project(&self) -> Project {
        Project::new(self.folder.parent().unwrap_or(Path::new("")).to_owned())
    }

    pub(crate) fn task(&self) -> PathBuf {
        self.folder.join(TASK)
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.folder.join("shim.lock")
    }

    pub(crate) fn launch_lock(&self) -> PathBuf {
        self.folder.join("launch.lock")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("shim.sock")
    }

    /// Returns the path at which a launcher lets its process wait.
    #[must_use]
    pub fn gate(&self) -> PathBuf {
        self.folder.join("start.sock")
    }

    pub(crate) fn health(&self) -> PathBuf {
        self.folder.join("health.json")
    }

    pub(crate) fn execs(&self) -> PathBuf {
        self.folder.join("execs.json")
    }

    pub(crate) fn pipe(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Makes a folder that only its owner may enter, and those above it.
pub(crate) fn private(folder: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(folder).map_err(SuperviseError::file("make the folder", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_the_folder() {
        let project = Project::new(PathBuf::from("/run/p"));
        for name in ["", ".", "..", "a/b", ".x", "a b", "\u{e9}", &"x".repeat(129)] {
            assert!(matches!(project.container(name), Err(SuperviseError::Name { .. })), "{name:?}");
        }
        let place = project.container("web-1").unwrap();
        assert_eq!(Place::of(place.folder()).unwrap(), place);
        assert_eq!(place.project(), project);
    }
}

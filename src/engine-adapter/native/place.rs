//! Where everything lies.
//!
//! ```text
//! ROOT/containers/ID/{container.json,lock,upper,work,files,bundle/config.json,keep/…}
//! ROOT/init                      the first process of containers with `init: true`
//! ROOT/names/NAME                a container's id, by its name
//! ROOT/networks/NAME.json
//! ROOT/volumes/NAME/{volume.json,_data}
//! RUN/mounts/ID/…                what is mounted for a container, to be bound into it
//! RUN/holds/VOLUME/ID            a container uses a volume that is mounted for those who do
//! RUN/projects/PROJECT/ID/…      sockets and pipes of shims, namespaces, files that must not touch a disk
//! ```

use std::path::PathBuf;

use rcompose_engine_adapter::NetworkName;
use rcompose_supervise::{Place, Project};

use crate::document;
use crate::error::{self, Result};
use crate::link::Joined;
use crate::seen::Seen;

/// The folder under `projects` of containers that belong to no project.
const NO_PROJECT: &str = "_none";

/// The two folders of an engine: what outlives a start of the machine, and what does not.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) root: PathBuf,
    pub(crate) run: PathBuf,
    pub(crate) seen: Seen<document::Container>,
    pub(crate) links: Seen<Joined>,
}

impl Places {
    pub(crate) fn new(root: impl Into<PathBuf>, run: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), run: run.into(), seen: Seen::default(), links: Seen::default() }
    }

    pub(crate) fn containers(&self) -> PathBuf {
        self.root.join("containers")
    }

    /// The program of `init: true`.
    pub(crate) fn init(&self) -> PathBuf {
        self.root.join("init")
    }

    pub(crate) fn names(&self) -> PathBuf {
        self.root.join("names")
    }

    pub(crate) fn networks(&self) -> PathBuf {
        self.root.join("networks")
    }

    pub(crate) fn volumes(&self) -> PathBuf {
        self.root.join("volumes")
    }

    pub(crate) fn projects(&self) -> PathBuf {
        self.run.join("projects")
    }

    pub(crate) fn container(&self, id: &str) -> Container {
        Container { folder: self.containers().join(id) }
    }

    pub(crate) fn volume(&self, name: &str) -> PathBuf {
        self.volumes().join(name)
    }

    /// The folder of the addresses that a network's containers have.
    pub(crate) fn leases(&self, network: &NetworkName) -> PathBuf {
        self.run.join("leases").join(network.as_str())
    }

    /// Names the project of a label as a folder. A label may say anything; the folder of compose projects is the project's name.
    pub(crate) fn project(&self, label: Option<&str>) -> Project {
        Project::new(self.projects().join(self.project_name(label)))
    }

    /// The name of a project's folder.
    pub(crate) fn project_name(&self, label: Option<&str>) -> String {
        let fits =
            |name: &&str| !name.is_empty() && name.len() <= 128 && name.bytes().all(|it| it.is_ascii_alphanumeric() || b"_-".contains(&it));
        label.filter(fits).unwrap_or(NO_PROJECT).to_owned()
    }

    pub(crate) fn shim(&self, project: Option<&str>, id: &str) -> Result<Place> {
        self.project(project).container(id).map_err(error::supervise("find the place of a container"))
    }
}

/// The folder of one container.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) folder: PathBuf,
}

impl Container {
    pub(crate) fn document(&self) -> PathBuf {
        self.folder.join("container.json")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.folder.join("lock")
    }

    fn going(&self) -> PathBuf {
        self.folder.join("going")
    }

    /// Writes down that it is being removed: what is left of it goes with the next attempt. A loss of power may forget it.
    pub(crate) fn mark_going(&self) -> Result<()> {
        let path = self.going();
        std::fs::write(&path, "").map_err(error::file("write", &path))
    }

    /// Tells whether it is being removed.
    pub(crate) fn is_going(&self) -> bool {
        crate::file::exists(&self.going())
    }

    /// What the container changed in its root.
    pub(crate) fn upper(&self) -> PathBuf {
        self.folder.join("upper")
    }

    /// What overlayfs needs beside it.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.join("work")
    }

    pub(crate) fn bundle(&self) -> PathBuf {
        self.folder.join("bundle")
    }

    /// Record and log.
    pub(crate) fn keep(&self) -> PathBuf {
        self.folder.join("keep")
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.keep().join("state.json")
    }

    /// A file that the engine writes and binds, such as `hosts`.
    pub(crate) fn etc(&self, name: &str) -> PathBuf {
        self.folder.join("etc").join(name)
    }
}

/// Tells whether a name may be that of a file; source: Docker's grammar of names, `[a-zA-Z0-9][a-zA-Z0-9_.-]*`.
pub(crate) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 128
        && bytes.next().is_some_and(|it| it.is_ascii_alphanumeric())
        && bytes.all(|it| it.is_ascii_alphanumeric() || b"_.-".contains(&it))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn names_are_those_of_files() {
        for name in ["a", "0b7d1f9c2a11_web-1", "x.y"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".", "..", "a/b", "-x", "a b", "\u{e9}", &"x".repeat(129)] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn no_label_leads_out_of_the_folder() {
        let places = Places::new("/r", "/s");
        for label in [None, Some(""), Some(".."), Some("../x"), Some("a/b")] {
            assert_eq!(places.project(label).folder(), Path::new("/s/projects/_none"), "{label:?}");
        }
        assert_eq!(places.project(Some("shop")).folder(), Path::new("/s/projects/shop"));
    }
}

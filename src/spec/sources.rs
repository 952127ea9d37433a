//! What is loaded, and the door through which files are read.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file, or anything else that can be read like one.
    File,
    /// A folder.
    Folder,
}

/// The file system, as far as this room needs it.
pub trait Files {
    /// The content of a file.
    ///
    /// # Errors
    /// Whatever the file system answers.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// What `path` leads to; `None` if nothing is there.
    fn kind(&self, path: &Path) -> Option<Kind>;
}

/// Files that are texts by their path, for tests and whoever has no file system.
#[derive(Debug, Clone, Default)]
pub struct InMemory(pub BTreeMap<PathBuf, Vec<u8>>);

impl Files for InMemory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        if self.0.contains_key(path) {
            return Some(Kind::File);
        }
        self.0.keys().any(|file| file.starts_with(path)).then_some(Kind::Folder)
    }
}

/// Everything that decides what a project is.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Compose files in the order they are merged; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// The project directory, absolute; relative paths start here.
    pub working_dir: PathBuf,
    /// Variables of the process.
    pub env: BTreeMap<String, String>,
    /// Files of variables, in order; later ones win, the process wins over all.
    pub env_files: Vec<PathBuf>,
    /// Active profiles; `*` for all.
    pub profiles: Vec<String>,
    /// Project name given by hand.
    pub project_name: Option<String>,
    /// Content of standard input, for the file `-`.
    pub stdin: Option<Vec<u8>>,
    /// Stages to leave out.
    pub options: LoadOptions,
}

/// Stages that `config` can leave out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one flag")]
pub struct LoadOptions {
    /// Keeps `$VARIABLE` as it is written.
    pub no_interpolate: bool,
    /// Adds no implied networks, names and dependencies.
    pub no_normalize: bool,
    /// Keeps relative paths.
    pub no_path_resolution: bool,
    /// Keeps `env_file` and `label_file` instead of reading them.
    pub no_env_resolution: bool,
    /// Leaves out the checks across services.
    pub no_consistency: bool,
    /// Joins words of container names with `_`.
    pub compatibility: bool,
    /// Keeps networks, volumes, secrets, configs and models that no service uses.
    pub all_resources: bool,
    /// Records where values come from; see [`Trace`](crate::Trace).
    pub trace: bool,
}

//! The small init of `init: true`: this program itself, bound into the container.

use std::path::{Path, PathBuf};

/// What must be in the container, and the words that go before those of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Init {
    /// Files of the host, and where they are in the container.
    pub(super) files: Vec<(PathBuf, String)>,
    pub(super) words: Vec<String>,
}

/// Where the program is, as with Docker.
const PROGRAM: &str = "/sbin/docker-init";
/// Where the program and what it is linked with are; no folder that an image has, or that somebody mounts over.
const FOLDER: &str = "/.rcompose";
/// The program's hidden verb.
const VERB: [&str; 2] = ["__init", "--"];

impl Init {
    /// Takes a program that is linked statically.
    pub(crate) fn alone(program: &Path) -> Self {
        Self {
            files: vec![(program.to_owned(), PROGRAM.to_owned())],
            words: std::iter::once(PROGRAM).chain(VERB).map(str::to_owned).collect(),
        }
    }

    /// Takes a program with its loader (`PT_INTERP`) and libraries, since an image may have no C library, or another one.
    pub(crate) fn linked(program: &Path, loader: &Path, libraries: &[PathBuf]) -> Self {
        let inside = |path: &Path| format!("{FOLDER}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        let place = format!("{FOLDER}/init");
        let mut files = vec![(program.to_owned(), place.clone())];
        files.extend(
            std::iter::once(loader)
                .chain(libraries.iter().map(PathBuf::as_path))
                .map(|it| (it.to_owned(), inside(it))),
        );
        let words = [inside(loader), "--library-path".to_owned(), FOLDER.to_owned(), place];
        Self { files, words: words.into_iter().chain(VERB.map(str::to_owned)).collect() }
    }
}

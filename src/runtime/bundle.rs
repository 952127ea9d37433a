//! An OCI bundle: a folder with `config.json`; source: OCI runtime spec, bundle.md.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxResources, Process, Spec};
use serde::de::DeserializeOwned;

use crate::error::{Result, RuntimeError};

/// Most bytes of a `config.json`; docker's own are 30 kB, and a hostile one must not fill the memory.
const MOST_BYTES: u64 = 16 << 20;

/// A bundle that was read.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// Its folder, absolute.
    pub folder: PathBuf,
    /// Its spec.
    pub spec: Spec,
    /// The bytes of which that was read.
    pub text: Vec<u8>,
}

impl Bundle {
    /// Reads a bundle.
    ///
    /// # Errors
    /// The folder or file cannot be read, or a field is malformed; the field is named.
    pub fn read(folder: &Path) -> Result<Self> {
        let folder = folder.canonicalize().map_err(|error| RuntimeError::file("find the bundle", folder, error))?;
        let path = folder.join("config.json");
        let text = read(&path)?;
        let spec = parse_json(&text, &path)?;
        Ok(Self { folder, spec, text })
    }

    /// Returns the folder of the root file system, absolute.
    ///
    /// # Errors
    /// The spec has no `root`.
    pub fn rootfs(&self) -> Result<PathBuf> {
        let root = self
            .spec
            .root()
            .as_ref()
            .ok_or_else(|| RuntimeError::field("root", "is missing: name the root file system"))?;
        Ok(self.folder.join(root.path()))
    }
}

/// Reads the process of `exec --process`.
///
/// # Errors
/// As [`Bundle::read`].
pub fn read_process(path: &Path) -> Result<Process> {
    read_json(path)
}

/// Reads the limits of `update --resources`.
///
/// # Errors
/// As [`Bundle::read`]; `path` is only for the words.
pub fn parse_resources(text: &[u8], path: &Path) -> Result<LinuxResources> {
    parse_json(text, path)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    parse_json(&read(path)?, path)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(|error| RuntimeError::file("read", path, error))?;
    let mut text = Vec::new();
    BufReader::new(file)
        .take(MOST_BYTES)
        .read_to_end(&mut text)
        .map_err(|error| RuntimeError::file("read", path, error))?;
    Ok(text)
}

/// Parses JSON; an error names the path of the field.
pub(crate) fn parse_json<T: DeserializeOwned>(text: &[u8], path: &Path) -> Result<T> {
    // Where a field stands takes twice the time to know, and only an error tells it.
    if let Ok(value) = serde_json::from_slice(text) {
        return Ok(value);
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| RuntimeError::Malformed {
        path: path.to_owned(),
        field: error.path().to_string(),
        source: error.into_inner(),
    })?;
    reader
        .end()
        .map_err(|source| RuntimeError::Malformed { path: path.to_owned(), field: ".".to_owned(), source })?;
    Ok(value)
}

//! A layer on its way from an archive to its folder.

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Lease, Store, erase, file};
use crate::digest::Digest;
use crate::error::ImageError;
use crate::layer::UnpackedLayer;

/// What is known of an unpacked layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerFile {
    /// Bytes of files.
    pub(crate) size: u64,
    /// Entries of the archive.
    pub(crate) entries: u64,
    /// Bytes of the archive, uncompressed.
    pub(crate) archive: u64,
}

/// A place to unpack a layer.
#[derive(Debug)]
pub(crate) struct Stage {
    folder: PathBuf,
    pub(crate) root: File,
    pub(crate) trash: File,
    done: bool,
}

impl Lease {
    /// Makes a place to unpack a layer.
    pub(crate) fn stage(&self) -> Result<Stage, ImageError> {
        let folder = self.new_folder();
        let mut builder = fs::DirBuilder::new();
        builder.mode(0o700).recursive(true);
        for part in ["fs", "trash"] {
            builder.create(folder.join(part)).map_err(ImageError::file("make", &folder))?;
        }
        let root = folder.join("fs");
        // What a layer that does not speak of its own folder means.
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).map_err(ImageError::file("make", &root))?;
        let open = |part: &str| File::open(folder.join(part)).map_err(ImageError::file("open", &folder));
        Ok(Stage { root: open("fs")?, trash: open("trash")?, folder: folder.clone(), done: false })
    }
}

impl Stage {
    pub(super) fn fs(&self) -> PathBuf {
        self.folder.join("fs")
    }

    /// Gives an unpacked layer, whose digest the caller has verified, its name.
    pub(crate) fn commit(mut self, lease: &Lease, layer: &UnpackedLayer) -> Result<LayerFile, ImageError> {
        let diff_id = &layer.diff_id;
        let layer = LayerFile { size: layer.unpacked.bytes, entries: layer.unpacked.entries, archive: layer.archive };
        erase::erase(&self.folder.join("trash"))?;
        let known = self.folder.join("layer.json");
        fs::write(&known, file::json(&layer)?).map_err(ImageError::file("write", &known))?;
        // Thousands of files: one call for all of them.
        lease.sync(&self.root).map_err(ImageError::file("write to disk", &self.folder))?;
        let path = lease.store().layer_path(diff_id);
        match fs::rename(&self.folder, &path) {
            Ok(()) => self.done = true,
            // Somebody else unpacked the same.
            Err(error) if matches!(error.kind(), std::io::ErrorKind::DirectoryNotEmpty | std::io::ErrorKind::AlreadyExists) => {
                return Ok(layer);
            }
            Err(error) => return Err(ImageError::file("name", &path)(error)),
        }
        Ok(layer)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.done {
            // What cannot be removed now goes with its lease, or by the next prune.
            let _gone = erase::erase(&self.folder);
        }
    }
}

impl Store {
    /// Returns what is known of an unpacked layer.
    pub(crate) fn layer_file(&self, diff_id: &Digest) -> Result<Option<LayerFile>, ImageError> {
        file::read_json(&self.layer_path(diff_id).join("layer.json"))
    }
}

//! Records: which images there are.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Store, file};
use crate::digest::Digest;
use crate::error::ImageError;
use crate::manifest::Descriptor;
use crate::reference::Reference;

/// One image of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The digest of its configuration, by which docker knows it too.
    pub id: Digest,
    /// Its manifest, as it was pulled, or as it was made here.
    pub manifest: Descriptor,
    /// Its layers, the lowest first.
    pub layers: Vec<LayerRecord>,
    /// Under which names and digests registries have it.
    pub registries: Vec<Reference>,
    /// When it came into the store, RFC 3339.
    pub added: String,
    /// It was made or loaded here, so that its manifest and the form of its layers are ours to choose.
    #[serde(default)]
    pub local: bool,
}

/// One layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRecord {
    /// The digest of its archive, uncompressed.
    pub diff_id: Digest,
    /// The archive as it is stored.
    pub blob: Descriptor,
    /// Bytes of its files.
    pub size: u64,
    /// The archive as it was pushed, where that is another form than the stored one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<Descriptor>,
}

impl Record {
    /// Returns the blobs that it needs.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = Digest> + '_ {
        [self.id, self.manifest.digest].into_iter().chain(self.layers.iter().map(|it| it.blob.digest))
    }
}

impl Store {
    fn record_path(&self, id: &Digest) -> PathBuf {
        self.folder("images").join(format!("{}.json", id.hex()))
    }

    pub(crate) fn record(&self, id: &Digest) -> Result<Option<Record>, ImageError> {
        file::read_json(&self.record_path(id))
    }

    /// Returns all records.
    pub(crate) fn records(&self) -> Result<Vec<Record>, ImageError> {
        let mut records = Vec::new();
        for name in file::names(&self.folder("images"))? {
            if let Some(id) = name.strip_suffix(".json").and_then(Digest::from_hex) {
                // One that another process removed a moment ago is none.
                records.extend(self.record(&id)?);
            }
        }
        Ok(records)
    }

    /// Writes a record, and a name for it. What it needs must be there, kept by the caller's lease.
    pub(crate) fn add(&self, mut record: Record, name: Option<&Reference>) -> Result<(), ImageError> {
        let _locked = self.lock()?;
        // What the record speaks of has its names on the disk before the record has its own.
        for folder in ["blobs/sha256", "layers"] {
            file::sync_folder(&self.folder(folder))?;
        }
        if let Some(before) = self.record(&record.id)? {
            // The same image from another registry: its first manifest stays, and so does what it needs.
            let known: Vec<Reference> = record.registries.into_iter().filter(|it| !before.registries.contains(it)).collect();
            let mut merged = if record.manifest.digest == before.manifest.digest || !self.is_whole(&before) {
                Record { registries: before.registries, ..record }
            } else {
                before
            };
            merged.registries.extend(known);
            record = merged;
        }
        self.write_record(&record)?;
        match name {
            Some(name) => self.write_name(name, Some(record.id)),
            None => Ok(()),
        }
    }

    /// Writes a record in place of another one of the same image, which needs no more than this one or its own lease keeps.
    pub(crate) fn replace(&self, record: Record) -> Result<(), ImageError> {
        let _locked = self.lock()?;
        file::sync_folder(&self.folder("blobs/sha256"))?;
        let registries = self.record(&record.id)?.map(|it| it.registries).unwrap_or_default();
        self.write_record(&Record { registries, ..record })
    }

    pub(crate) fn write_record(&self, record: &Record) -> Result<(), ImageError> {
        file::write(&self.record_path(&record.id), &file::json(record)?)
    }

    pub(super) fn remove_record(&self, id: &Digest) -> Result<(), ImageError> {
        let path = self.record_path(id);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(ImageError::file("remove", &path)(error)),
            Ok(()) | Err(_) => file::sync_folder(&self.folder("images")),
        }
    }

    /// Tells whether all that a record speaks of is there.
    pub(crate) fn is_whole(&self, record: &Record) -> bool {
        record.blobs().all(|it| self.has_blob(&it)) && record.layers.iter().all(|it| self.has_layer(&it.diff_id))
    }
}

/// Returns the time of day as records have it.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().to_string()
}

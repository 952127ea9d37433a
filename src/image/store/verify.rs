//! Proves that the store is what it says, by hashing every blob and unpacking every layer once more.

use std::fs::File;
use std::io;

use super::{Store, compare, file};
use crate::config::Config;
use crate::digest::{Digest, Hashing};
use crate::error::ImageError;
use crate::layer;
use crate::manifest::LARGEST_CONFIG;
use crate::progress::Watch;

/// Something in the store that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damage {
    /// What is damaged.
    pub what: String,
    /// How.
    pub how: String,
}

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Images whose parts are all there.
    pub images: usize,
    /// Blobs that were hashed.
    pub blobs: usize,
    /// Layers that were unpacked again and compared, file by file.
    pub layers: usize,
    /// What is wrong.
    pub damage: Vec<Damage>,
}

impl Store {
    /// Hashes every blob, unpacks every layer again and compares, and looks whether each image has all it needs. Everything is
    /// looked at; what is wrong is in the answer. Needs room for the largest layer.
    pub fn verify(&self, watch: &Watch<'_>) -> Result<Verified, ImageError> {
        let mut found = Verified::default();
        // Keeps everything from being removed while it is looked at.
        let lease = self.lease()?;
        let records = self.records()?;
        lease.keep(
            records.iter().flat_map(super::Record::blobs),
            records.iter().flat_map(|it| it.layers.iter().map(|layer| layer.diff_id)),
        )?;
        let mut damaged = |what: String, how: String| found.damage.push(Damage { what, how });
        for name in file::names(&self.folder("blobs/sha256"))? {
            watch.go_on()?;
            let Some(digest) = Digest::from_hex(&name) else { continue };
            match self.hash(&digest) {
                Ok(None) => {}
                Ok(Some(actual)) if actual == digest => found.blobs += 1,
                Ok(Some(actual)) => damaged(format!("blob {digest}"), format!("its content has the digest {actual}")),
                Err(error) => damaged(format!("blob {digest}"), error.to_string()),
            }
        }
        let mut looked_at = std::collections::BTreeSet::new();
        for record in &records {
            watch.go_on()?;
            let what = format!("image {}", record.id);
            match self.parts(record) {
                Ok(None) => found.images += 1,
                // Removed meanwhile.
                Ok(Some(_)) | Err(_) if self.record(&record.id)?.is_none() => continue,
                Ok(Some(how)) => damaged(what, how),
                Err(error) => damaged(what, error.to_string()),
            }
            for part in &record.layers {
                if !looked_at.insert(part.diff_id) || !self.has_layer(&part.diff_id) || !self.has_blob(&part.blob.digest) {
                    continue;
                }
                match self.unpacks_the_same(&lease, part) {
                    Ok(None) => found.layers += 1,
                    Ok(Some(how)) => damaged(format!("layer {}", part.diff_id), how),
                    Err(error) if error.is_disk_full() => return Err(error),
                    Err(error) => damaged(format!("layer {}", part.diff_id), error.to_string()),
                }
            }
        }
        Ok(found)
    }

    /// Returns the digest of a blob's content; nothing where another process removed it.
    fn hash(&self, digest: &Digest) -> io::Result<Option<Digest>> {
        let file = match File::open(self.blob_path(digest)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut hashing = Hashing::new(io::sink());
        io::copy(&mut io::BufReader::with_capacity(1 << 18, file), &mut hashing)?;
        Ok(Some(hashing.finish().1))
    }

    /// Returns what a record speaks of and the store lacks.
    fn parts(&self, record: &super::Record) -> Result<Option<String>, ImageError> {
        if let Some(blob) = record.blobs().find(|it| !self.has_blob(it)) {
            return Ok(Some(format!("the blob {blob} is missing")));
        }
        if let Some(layer) = record.layers.iter().find(|it| !self.layer_folder(&it.diff_id).is_dir()) {
            return Ok(Some(format!("the layer {} is missing", layer.diff_id)));
        }
        let config = Config::parse(&self.read_blob(&record.id, LARGEST_CONFIG, "its configuration")?)?;
        let same = config.rootfs.diff_ids.iter().eq(record.layers.iter().map(|it| &it.diff_id));
        Ok(if same { None } else { Some("its configuration names other layers".into()) })
    }

    fn unpacks_the_same(&self, lease: &super::Lease, part: &super::LayerRecord) -> Result<Option<String>, ImageError> {
        let stage = lease.stage()?;
        let file = self.open_blob(&part.blob.digest, "its layer")?;
        let unpacked = layer::unpack_reader(file, &stage, self.limits())?;
        if unpacked.diff_id != part.diff_id {
            return Ok(Some(format!("its archive has the digest {}", unpacked.diff_id)));
        }
        let there = self.layer_folder(&part.diff_id);
        compare::difference(&there, &stage.fs()).map_err(ImageError::file("compare", &there))
    }
}

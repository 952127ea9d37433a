//! Writes images into an archive. It is docker's form and an OCI layout at once, as newer dockers write it: `docker load` takes it,
//! and so do containerd, podman and skopeo. Sources: docker image spec 1.2; OCI image spec, image layout.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

use serde_json::json;
use tar::{Builder, EntryType, Header};

use crate::digest::{Digest, Hashing};
use crate::error::ImageError;
use crate::layer::decoder;
use crate::manifest::{Descriptor, Index, LARGEST_CONFIG, LARGEST_MANIFEST, Manifest, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST};
use crate::progress::Watch;
use crate::reference::Reference;
use crate::store::{Image, Record, Store};

/// How layers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveForm {
    /// Uncompressed, with a manifest made for that: what every docker loads.
    Docker,
    /// As they are stored, with the manifest that the image was pulled with.
    Oci,
}

/// An image to save, and the names that it is to be found by.
#[derive(Debug, Clone)]
pub struct Saved {
    /// The image.
    pub image: Image,
    /// The names.
    pub names: Vec<Reference>,
}

impl Store {
    /// Finds what is to be saved: an image by a name has that name, one by its id none.
    pub fn to_save(&self, texts: &[String]) -> Result<Vec<Saved>, ImageError> {
        let mut found: Vec<Saved> = Vec::new();
        for text in texts {
            let image = self.find(text)?;
            let name = text.parse::<Reference>().ok().map(Reference::tagged).filter(|name| image.names.contains(name));
            match found.iter_mut().find(|it| it.image.id == image.id) {
                Some(known) => known.names.extend(name),
                None => found.push(Saved { image, names: name.into_iter().collect() }),
            }
        }
        Ok(found)
    }

    /// Writes images into an archive. Layers are verified on the way.
    pub fn save(&self, images: &[Saved], form: SaveForm, output: impl Write, watch: &Watch<'_>) -> Result<(), ImageError> {
        // Keeps what is written from being removed meanwhile.
        let lease = self.lease()?;
        let records = images.iter().map(|it| &it.image.record);
        lease.keep(records.clone().flat_map(Record::blobs), records.flat_map(|it| it.layers.iter().map(|layer| layer.diff_id)))?;
        let mut archive = Writing { store: self, builder: Builder::new(output), written: BTreeSet::new(), watch };
        archive.folder("blobs/")?;
        archive.folder("blobs/sha256/")?;
        let (mut items, mut entries) = (Vec::new(), Vec::new());
        for saved in images {
            let (item, manifest) = archive.image(saved, form)?;
            items.push(item);
            if saved.names.is_empty() {
                entries.push(manifest.clone());
            }
            for name in &saved.names {
                let annotations = BTreeMap::from([
                    ("io.containerd.image.name".to_owned(), name.to_string()),
                    ("org.opencontainers.image.ref.name".to_owned(), name.tag().unwrap_or_default().to_owned()),
                ]);
                entries.push(Descriptor { annotations: Some(annotations), ..manifest.clone() });
            }
        }
        archive.json("index.json", &json_bytes(&Index::new(entries))?)?;
        archive.json("manifest.json", &json_bytes(&items)?)?;
        archive.json("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        archive
            .builder
            .into_inner()
            .and_then(|mut it| it.flush())
            .map_err(ImageError::stream("write the archive"))
    }
}

struct Writing<'a, W: Write> {
    store: &'a Store,
    builder: Builder<W>,
    written: BTreeSet<Digest>,
    watch: &'a Watch<'a>,
}

impl<W: Write> Writing<'_, W> {
    /// Writes an image; returns its part of `manifest.json` and of the index.
    fn image(&mut self, saved: &Saved, form: SaveForm) -> Result<(serde_json::Value, Descriptor), ImageError> {
        let record = &saved.image.record;
        let what = format!("image {}", record.id.short());
        let config = self.store.read_blob(&record.id, LARGEST_CONFIG, &what)?;
        let mut layers = Vec::new();
        for layer in &record.layers {
            self.watch.go_on()?;
            layers.push(match form {
                SaveForm::Docker => self.plain_layer(&layer.diff_id, &layer.blob.digest)?,
                SaveForm::Oci => self.stored_layer(&layer.blob)?,
            });
        }
        self.blob(&record.id, &config)?;
        let (manifest, bytes) = match form {
            SaveForm::Docker => {
                let manifest = Manifest::new(OCI_MANIFEST, Descriptor::new(OCI_CONFIG, record.id, config.len() as u64), layers.clone());
                let bytes = json_bytes(&manifest)?;
                (Descriptor::new(OCI_MANIFEST, Digest::of(&bytes), bytes.len() as u64), bytes)
            }
            SaveForm::Oci => (record.manifest.clone(), self.store.read_blob(&record.manifest.digest, LARGEST_MANIFEST, &what)?),
        };
        self.blob(&manifest.digest, &bytes)?;
        let paths: Vec<String> = layers.iter().map(|it| path(&it.digest)).collect();
        let names: Vec<String> = saved.names.iter().map(Reference::familiar).collect();
        let names = if names.is_empty() { serde_json::Value::Null } else { json!(names) };
        Ok((json!({ "Config": path(&record.id), "RepoTags": names, "Layers": paths }), manifest))
    }

    /// Writes a layer uncompressed, which is the archive that its digest is of.
    fn plain_layer(&mut self, diff_id: &Digest, blob: &Digest) -> Result<Descriptor, ImageError> {
        let known = self.store.layer_file(diff_id)?;
        let size = known
            .map(|it| it.archive)
            .ok_or_else(|| ImageError::Missing { what: format!("the layer {diff_id}"), of: "the image".into() })?;
        if self.written.insert(*diff_id) {
            let file = self.store.open_blob(blob, "its layer")?;
            let (_, reader) = decoder(file).map_err(ImageError::stream("read a layer"))?;
            self.stream(diff_id, size, reader)?;
        }
        Ok(Descriptor::new(OCI_LAYER, *diff_id, size))
    }

    fn stored_layer(&mut self, blob: &Descriptor) -> Result<Descriptor, ImageError> {
        if self.written.insert(blob.digest) {
            let file = self.store.open_blob(&blob.digest, "its layer")?;
            self.stream(&blob.digest, blob.size, file)?;
        }
        Ok(blob.clone())
    }

    fn stream(&mut self, digest: &Digest, size: u64, reader: impl Read) -> Result<(), ImageError> {
        let mut hashing = Hashing::new(Stopping { inner: reader.take(size), watch: self.watch });
        self.builder
            .append_data(&mut header(EntryType::Regular, size), path(digest), &mut hashing)
            .map_err(ImageError::stream("write the archive"))?;
        let (_, found, count) = hashing.finish();
        if count != size || found != *digest {
            return Err(ImageError::Mismatch { what: "a layer of the store".into(), expected: *digest, found });
        }
        Ok(())
    }

    fn blob(&mut self, digest: &Digest, bytes: &[u8]) -> Result<(), ImageError> {
        if self.written.insert(*digest) {
            self.json(&path(digest), bytes)
        } else {
            Ok(())
        }
    }

    fn json(&mut self, path: &str, bytes: &[u8]) -> Result<(), ImageError> {
        let mut header = header(EntryType::Regular, bytes.len() as u64);
        self.builder.append_data(&mut header, path, bytes).map_err(ImageError::stream("write the archive"))
    }

    fn folder(&mut self, path: &str) -> Result<(), ImageError> {
        let mut header = header(EntryType::Directory, 0);
        header.set_mode(0o755);
        self.builder
            .append_data(&mut header, path, &[][..])
            .map_err(ImageError::stream("write the archive"))
    }
}

/// Ends a long stream when somebody stops it.
struct Stopping<'a, R> {
    inner: R,
    watch: &'a Watch<'a>,
}

impl<R: Read> Read for Stopping<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.watch.go_on().map_err(std::io::Error::other)?;
        self.inner.read(buffer)
    }
}

fn header(kind: EntryType, size: u64) -> Header {
    // The same images give the same archive: no time, no owner.
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn json_bytes(value: &impl serde::Serialize) -> Result<Vec<u8>, ImageError> {
    serde_json::to_vec(value).map_err(|error| ImageError::Malformed { what: "manifest".into(), why: error.to_string() })
}

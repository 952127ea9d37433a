//! Removes images, and what nothing needs any more.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::{Store, erase, file};
use crate::digest::Digest;
use crate::error::ImageError;
use crate::reference::Reference;

/// What was removed of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Names that were taken from it.
    pub untagged: Vec<Reference>,
    /// The image, if it went.
    pub image: Option<Digest>,
    /// Its layers that no other image has.
    pub layers: Vec<Digest>,
}

/// What a prune removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Images, with their names.
    pub images: Vec<Removed>,
    /// Blobs, layers and downloads that nothing needed.
    pub orphans: usize,
    /// Bytes that were freed.
    pub bytes: u64,
}

impl Store {
    /// Removes a name; with its last name, the image. By its id, an image goes with all its names if they are of one repository
    /// or `force` says so. An image that a container keeps stays.
    pub fn remove(&self, text: &str, force: bool) -> Result<Removed, ImageError> {
        let id = self.find_id(text)?;
        let (removed, waste) = {
            let _locked = self.lock()?;
            let names: Vec<Reference> = self.names()?.into_iter().filter(|(_, it)| *it == id).map(|(name, _)| name).collect();
            let by_name = text.parse::<Reference>().ok().map(Reference::tagged).filter(|name| names.contains(name));
            if let Some(name) = &by_name
                && names.len() > 1
            {
                self.write_name(name, None)?;
                return Ok(Removed { untagged: vec![name.clone()], ..Removed::default() });
            }
            let repositories: BTreeSet<_> = names.iter().map(Reference::repository).collect();
            if by_name.is_none() && repositories.len() > 1 && !force {
                return Err(ImageError::InUse {
                    image: id.short(),
                    why: "named in several repositories; remove it by name, or with --force".into(),
                });
            }
            let holders = self.holders(&id)?;
            if let Some(holder) = holders.first() {
                return Err(ImageError::InUse {
                    image: id.short(),
                    why: format!("used by container {}; remove that first", &holder[..holder.len().min(12)]),
                });
            }
            self.forget(&id, names)?
        };
        waste.erase()?;
        Ok(removed)
    }

    /// Removes images without a name (`all`: without a container), and everything that nothing needs: what dead work left, downloads
    /// that nobody goes on with, blobs and layers of no image.
    pub fn prune(&self, all: bool) -> Result<Pruned, ImageError> {
        self.sweep(|own| all || own.is_empty())
    }

    /// As [`Store::prune`], with no image removed.
    pub fn clear(&self) -> Result<Pruned, ImageError> {
        self.sweep(|_| false)
    }

    fn sweep(&self, may_go: impl Fn(&[Reference]) -> bool) -> Result<Pruned, ImageError> {
        let mut pruned = Pruned::default();
        let waste = {
            let _locked = self.lock()?;
            // First, since what is forgotten waits in the same folder to be erased.
            let mut waste = Waste { folders: self.bury()?, bytes: 0 };
            pruned.orphans += waste.folders.len();
            let names = self.names()?;
            for record in self.records()? {
                let own: Vec<Reference> = names.iter().filter(|(_, id)| **id == record.id).map(|(name, _)| name.clone()).collect();
                if may_go(&own) && self.holders(&record.id)?.is_empty() {
                    let (removed, more) = self.forget(&record.id, own)?;
                    pruned.images.push(removed);
                    waste.join(more);
                }
            }
            let orphans = self.orphans()?;
            pruned.orphans += orphans.len();
            for path in orphans {
                waste.take(self, &path)?;
            }
            waste
        };
        pruned.bytes = waste.bytes;
        waste.erase()?;
        Ok(pruned)
    }

    /// Removes a record with its names and what it alone needs, under the store's lock.
    fn forget(&self, id: &Digest, names: Vec<Reference>) -> Result<(Removed, Waste), ImageError> {
        let record = self.record(id)?;
        for name in &names {
            self.write_name(name, None)?;
        }
        self.remove_record(id)?;
        let mut removed = Removed { untagged: names, image: Some(*id), layers: Vec::new() };
        let mut waste = Waste::default();
        let Some(record) = record else { return Ok((removed, waste)) };
        let needed = self.needed()?;
        for blob in record.blobs().filter(|it| !needed.blobs.contains(it)) {
            waste.take(self, &self.blob_path(&blob))?;
        }
        for layer in record.layers.iter().rev().filter(|it| !needed.layers.contains(&it.diff_id)) {
            if self.has_layer(&layer.diff_id) {
                removed.layers.push(layer.diff_id);
            }
            waste.take(self, &self.layer_path(&layer.diff_id))?;
        }
        Ok((removed, waste))
    }

    /// Returns all that records and leases need.
    fn needed(&self) -> Result<super::lease::Kept, ImageError> {
        // Folders that dead work leaves are found by the next lease or prune.
        let _later = self.bury()?;
        let mut needed = self.kept()?;
        for record in self.records()? {
            needed.blobs.extend(record.blobs());
            needed.layers.extend(record.layers.iter().map(|it: &super::LayerRecord| it.diff_id));
        }
        Ok(needed)
    }

    /// Returns what lies in the store and nothing needs.
    pub(super) fn orphans(&self) -> Result<Vec<PathBuf>, ImageError> {
        let needed = self.needed()?;
        let mut orphans = Vec::new();
        let mut look = |folder: &str, is_needed: &dyn Fn(&str, &Path) -> bool| -> Result<(), ImageError> {
            let folder = self.folder(folder);
            for name in file::names(&folder)? {
                let path = folder.join(&name);
                if !is_needed(&name, &path) {
                    orphans.push(path);
                }
            }
            Ok(())
        };
        look("blobs/sha256", &|name, _| Digest::from_hex(name).is_some_and(|it| needed.blobs.contains(&it)))?;
        look("blobs/partial", &|_, path| is_locked(path))?;
        look("layers", &|name, _| Digest::from_hex(name).is_some_and(|it| needed.layers.contains(&it)))?;
        look("images", &|name, _| !name.starts_with(file::UNFINISHED))?;
        Ok(orphans)
    }
}

/// Tells whether somebody works on a download.
fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err())
}

/// What was taken out of the store and waits to be erased, which may last and needs no lock.
#[derive(Debug, Default)]
struct Waste {
    folders: Vec<PathBuf>,
    bytes: u64,
}

impl Waste {
    fn join(&mut self, other: Self) {
        self.folders.extend(other.folders);
        self.bytes += other.bytes;
    }

    /// Takes something out of the store: a file at once, a folder by giving it a name in `staging` that belongs to no lease.
    fn take(&mut self, store: &Store, path: &Path) -> Result<(), ImageError> {
        let Ok(there) = fs::symlink_metadata(path) else { return Ok(()) };
        if !there.is_dir() {
            self.bytes += there.len();
            return fs::remove_file(path).map_err(ImageError::file("remove", path));
        }
        let layer: Option<super::LayerFile> = file::read_json(&path.join("layer.json")).unwrap_or_default();
        self.bytes += layer.map_or(0, |it| it.size);
        let aside = store.folder("staging").join(format!("waste-{}", file::random()?));
        fs::rename(path, &aside).map_err(ImageError::file("remove", path))?;
        self.folders.push(aside);
        Ok(())
    }

    fn erase(self) -> Result<(), ImageError> {
        // All are tried; the first error is told.
        let mut result = Ok(());
        for folder in self.folders {
            let erased = erase::erase(&folder);
            result = result.and(erased);
        }
        result
    }
}

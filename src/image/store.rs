//! The store of images on disk. Whatever dies at whatever moment, what has its final name is whole:
//!
//! ```text
//! lock                         taken for the moment of a change
//! blobs/sha256/HEX             manifests, configurations, layers as they came
//! blobs/partial/HEX            downloads that are not complete; locked by whoever works on one
//! layers/HEX/{fs,layer.json}   layers unpacked, by the digest of their archive, `fs` being a lower directory for overlayfs
//! images/HEX.json              one record for each image, by its id
//! images/names.json            names → ids
//! leases/*.json                what is in use: `work-*` while its holder lives (it holds a lock on it), `pin-*` until given back
//! staging/WORK/N/              layers being unpacked, for the holder of the lease of that name
//! ```
//!
//! Nothing is counted: what may be removed follows from records and leases, so there is no counter that a crash could spoil.

mod blob;
mod compare;
mod erase;
mod file;
mod image;
mod lease;
mod names;
mod record;
mod remove;
mod room;
mod stage;
mod verify;

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::digest::Digest;
use crate::error::ImageError;
use crate::extract::Limits;

pub(crate) use blob::{Claim, NewBlob, Partial};
pub use image::Image;
pub use lease::Lease;
pub(crate) use record::now;
pub use record::{LayerRecord, Record};
pub use remove::{Pruned, Removed};
pub use room::{Room, tree_size};
pub(crate) use stage::{LayerFile, Stage};
pub use verify::{Damage, Verified};

/// The folders of a store.
const FOLDERS: [&str; 7] = ["blobs", "blobs/sha256", "blobs/partial", "layers", "images", "leases", "staging"];

/// A store of images.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    limits: Limits,
}

/// The store's lock, held while a change is made that others must see whole.
pub(crate) struct Locked(#[expect(dead_code, reason = "closing it gives the lock back")] fs::File);

impl Store {
    /// Opens the store in a folder, which is made where it is missing. Only its owner may enter it.
    pub fn open(root: &Path) -> Result<Self, ImageError> {
        Self::with_limits(root, Limits::default())
    }

    /// Opens the store with other bounds for layers.
    pub fn with_limits(root: &Path, limits: Limits) -> Result<Self, ImageError> {
        let mut builder = fs::DirBuilder::new();
        builder.mode(0o700).recursive(true);
        builder.create(root).map_err(ImageError::file("make", root))?;
        // Whoever owns it could put other folders in place of those below. It may hold other things, so its mode stays.
        let owner = fs::metadata(root).map_err(ImageError::file("look at", root))?.uid();
        if owner != 0 && owner != rustix::process::geteuid().as_raw() {
            return Err(ImageError::file("use", root)(refused(owner)));
        }
        for folder in FOLDERS {
            let path = root.join(folder);
            if !path.is_dir() {
                builder.create(&path).map_err(ImageError::file("make", &path))?;
            }
            own(&path)?;
        }
        Ok(Self { root: root.to_owned(), limits })
    }

    /// Returns the bounds for layers.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes the store's lock; waits for whoever has it.
    pub(crate) fn lock(&self) -> Result<Locked, ImageError> {
        let path = self.root.join("lock");
        let file = file::open_or_make(&path)?;
        rustix::io::retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockExclusive)).map_err(ImageError::call("lock", &path))?;
        Ok(Locked(file))
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    fn partial_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/partial").join(digest.hex())
    }

    fn layer_path(&self, diff_id: &Digest) -> PathBuf {
        self.root.join("layers").join(diff_id.hex())
    }

    /// Tells whether a layer is unpacked.
    pub(crate) fn has_layer(&self, diff_id: &Digest) -> bool {
        self.layer_path(diff_id).is_dir()
    }

    /// Returns the folder of an unpacked layer, a lower directory for overlayfs.
    #[must_use]
    pub fn layer_folder(&self, diff_id: &Digest) -> PathBuf {
        self.layer_path(diff_id).join("fs")
    }
}

/// Makes sure that a folder of the store is ours alone: another user's could be changed under our hands.
fn own(path: &Path) -> Result<(), ImageError> {
    let there = fs::symlink_metadata(path).map_err(ImageError::file("look at", path))?;
    let us = rustix::process::geteuid().as_raw();
    if !there.is_dir() || there.uid() != us {
        return Err(ImageError::file("use", path)(refused(there.uid())));
    }
    if there.mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(ImageError::file("close to others", path))?;
    }
    Ok(())
}

fn refused(owner: u32) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::PermissionDenied, format!("it is no folder, or one of user {owner}"))
}

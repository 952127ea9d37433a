//! How much room the store takes, and how much of that nobody needs.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::{LayerFile, Store, file};
use crate::error::ImageError;

/// Bytes of a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    /// Of all images, archives and layers, what they share counted once.
    pub images: u64,
    /// Of blobs, layers and downloads that no image and no work needs.
    pub waste: u64,
    /// How many those are.
    pub orphans: usize,
}

impl Store {
    /// Measures the store. Nothing is removed.
    pub fn room(&self) -> Result<Room, ImageError> {
        let (orphans, dead) = {
            let _locked = self.lock()?;
            (self.orphans()?, self.dead_stages()?)
        };
        let mut room = Room { orphans: orphans.len() + dead.len(), ..Room::default() };
        let orphaned: BTreeSet<&PathBuf> = orphans.iter().collect();
        for folder in ["blobs/sha256", "blobs/partial", "layers"] {
            let folder = self.folder(folder);
            for path in file::names(&folder)?.iter().map(|it| folder.join(it)) {
                let size = size(&path);
                *(if orphaned.contains(&path) { &mut room.waste } else { &mut room.images }) += size;
            }
        }
        room.waste += dead.iter().map(|it| tree_size(it)).sum::<u64>();
        Ok(room)
    }

    /// Folders of work whose holder is gone.
    fn dead_stages(&self) -> Result<Vec<PathBuf>, ImageError> {
        let staging = self.folder("staging");
        let is_dead = |name: &String| {
            let lock = fs::File::open(self.folder("leases").join(format!("{name}.lock")));
            lock.map_or(true, |it| rustix::fs::flock(&it, FlockOperation::NonBlockingLockShared).is_ok())
        };
        Ok(file::names(&staging)?.iter().filter(|it| is_dead(it)).map(|it| staging.join(it)).collect())
    }
}

/// Bytes of a blob, or of a layer as it was noted down when it was unpacked.
fn size(path: &Path) -> u64 {
    let Ok(found) = fs::symlink_metadata(path) else { return 0 };
    if !found.is_dir() {
        return found.len();
    }
    let layer: Option<LayerFile> = file::read_json(&path.join("layer.json")).unwrap_or_default();
    layer.map_or_else(|| tree_size(path), |it| it.size)
}

/// Returns the bytes of all files below a folder, each counted once however many names it has. No link is followed, and what cannot be
/// looked at counts nothing.
#[must_use]
pub fn tree_size(folder: &Path) -> u64 {
    let (mut bytes, mut seen, mut waiting) = (0, BTreeSet::new(), vec![folder.to_owned()]);
    while let Some(folder) = waiting.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(found) = entry.metadata() else { continue };
            if found.is_dir() {
                waiting.push(entry.path());
            } else if found.nlink() == 1 || seen.insert((found.dev(), found.ino())) {
                bytes += found.len();
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_two_names_counts_once_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("deep")).unwrap();
        fs::write(at("deep/one"), [0; 100]).unwrap();
        fs::hard_link(at("deep/one"), at("two")).unwrap();
        std::os::unix::fs::symlink("/", at("root")).unwrap();
        assert_eq!(tree_size(folder.path()), 101);
        assert_eq!(tree_size(&at("none")), 0);
    }

    #[test]
    fn what_no_image_needs_is_waste_until_it_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.room().unwrap(), Room::default());
        let hex = "ab".repeat(32);
        fs::write(folder.path().join("blobs/sha256").join(&hex), [0; 10]).unwrap();
        fs::create_dir_all(folder.path().join("layers").join(&hex).join("fs")).unwrap();
        fs::write(folder.path().join("layers").join(&hex).join("fs/file"), [0; 20]).unwrap();
        fs::create_dir_all(folder.path().join("staging/work-dead/0")).unwrap();
        fs::write(folder.path().join("staging/work-dead/0/part"), [0; 5]).unwrap();
        let lease = store.lease().unwrap();
        let alive = lease.new_folder();
        fs::create_dir_all(&alive).unwrap();
        fs::write(alive.join("part"), [0; 7]).unwrap();
        // A lease clears away what dead work left.
        assert_eq!(store.room().unwrap(), Room { images: 0, waste: 30, orphans: 2 });
        assert_eq!(store.clear().unwrap().orphans, 2);
        assert_eq!(store.room().unwrap(), Room::default());
        assert!(alive.exists());
    }
}

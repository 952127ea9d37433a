//! What is in use: by work in progress, and by containers.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::{Store, erase, file};
use crate::digest::Digest;
use crate::error::ImageError;

/// Names of leases of work.
const WORK: &str = "work-";
/// Names of leases of containers.
const PIN: &str = "pin-";

/// What a lease keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The image, in the lease of a container.
    pub(super) image: Option<Digest>,
    pub(super) blobs: BTreeSet<Digest>,
    pub(super) layers: BTreeSet<Digest>,
}

/// Keeps what work in progress needs from being removed. It ends with its holder, however that one ends.
#[derive(Debug)]
pub struct Lease {
    store: Store,
    name: String,
    kept: Mutex<Kept>,
    stages: AtomicU64,
    /// The lock by which others see that the holder lives.
    _held: File,
    syncs: Syncs,
}

impl Store {
    /// Starts work; also clears away what dead work left.
    pub fn lease(&self) -> Result<Lease, ImageError> {
        let name = format!("{WORK}{}", file::random()?);
        let path = self.lock_path(&name);
        let (handle, dead) = {
            let _locked = self.lock()?;
            let dead = self.bury()?;
            let handle = file::open_or_make(&path)?;
            rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive).map_err(ImageError::call("lock", &path))?;
            (handle, dead)
        };
        let lease = Lease {
            store: self.clone(),
            name,
            kept: Mutex::default(),
            stages: AtomicU64::new(0),
            _held: handle,
            syncs: Syncs::default(),
        };
        for folder in dead {
            erase::erase(&folder)?;
        }
        Ok(lease)
    }

    /// Keeps an image for a container until [`Store::unpin`]. `holder` is the container's id.
    pub fn pin(&self, image: &Digest, holder: &str) -> Result<(), ImageError> {
        let path = self.pin_path(holder)?;
        let found = || self.record(image)?.ok_or_else(|| ImageError::NoSuchImage { name: image.to_string() });
        let record = found()?;
        let kept = Kept {
            image: Some(*image),
            blobs: record.blobs().collect(),
            layers: record.layers.iter().map(|it| it.diff_id).collect(),
        };
        let text = file::json(&kept)?;
        let draft = file::Draft::new(&path, &text)?;
        {
            let _locked = self.lock()?;
            // Nobody removed it meanwhile, and from here on nobody will.
            found()?;
            draft.map_or_else(|| file::write_named(&path, &text), file::Draft::put)?;
        }
        file::sync_folder(&self.folder("leases"))
    }

    /// Gives an image back; that it was not kept is success.
    pub fn unpin(&self, holder: &str) -> Result<(), ImageError> {
        let path = self.pin_path(holder)?;
        let _locked = self.lock()?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(ImageError::file("remove", &path)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Returns who keeps an image.
    pub fn holders(&self, image: &Digest) -> Result<Vec<String>, ImageError> {
        let mut holders = Vec::new();
        for name in file::names(&self.folder("leases"))? {
            if let Some(holder) = name.strip_prefix(PIN).and_then(|it| it.strip_suffix(".json")) {
                let kept: Option<Kept> = file::read_json(&self.folder("leases").join(&name))?;
                if kept.is_some_and(|it| it.image == Some(*image)) {
                    holders.push(holder.to_owned());
                }
            }
        }
        Ok(holders)
    }

    fn lease_path(&self, name: &str) -> PathBuf {
        self.folder("leases").join(format!("{name}.json"))
    }

    fn pin_path(&self, holder: &str) -> Result<PathBuf, ImageError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if holder.is_empty() || holder.len() > 128 || !holder.bytes().all(fits) {
            return Err(ImageError::Malformed {
                what: "name of a holder".into(),
                why: format!("{holder:?} has other characters than letters, digits, `_`, `.`, `-`"),
            });
        }
        Ok(self.lease_path(&format!("{PIN}{holder}")))
    }

    fn lock_path(&self, name: &str) -> PathBuf {
        self.folder("leases").join(format!("{name}.lock"))
    }

    /// Removes leases whose holder is gone, under the store's lock; returns the folders they leave.
    pub(super) fn bury(&self) -> Result<Vec<PathBuf>, ImageError> {
        let leases = self.folder("leases");
        let gone = |path: PathBuf| match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(ImageError::file("remove", &path)(error)),
            Ok(()) | Err(_) => Ok(()),
        };
        for name in file::names(&leases)? {
            let path = leases.join(&name);
            if name.starts_with(file::UNFINISHED) {
                gone(path)?;
            } else if let Some(work) = name.strip_suffix(".lock") {
                let Ok(handle) = File::open(&path) else { continue };
                if rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive).is_ok() {
                    gone(self.lease_path(work))?;
                    gone(path)?;
                }
            }
        }
        let staging = self.folder("staging");
        let alive = |name: &String| self.lock_path(name).exists();
        Ok(file::names(&staging)?.iter().filter(|name| !alive(name)).map(|name| staging.join(name)).collect())
    }

    /// Returns all that leases keep, under the store's lock.
    pub(super) fn kept(&self) -> Result<Kept, ImageError> {
        let mut all = Kept::default();
        for name in file::names(&self.folder("leases"))?.into_iter().filter(|it| it.ends_with(".json")) {
            if let Some(kept) = file::read_json::<Kept>(&self.folder("leases").join(&name))? {
                all.blobs.extend(kept.blobs);
                all.layers.extend(kept.layers);
            }
        }
        Ok(all)
    }
}

impl Lease {
    /// Keeps more.
    pub(crate) fn keep(&self, blobs: impl IntoIterator<Item = Digest>, layers: impl IntoIterator<Item = Digest>) -> Result<(), ImageError> {
        let path = self.store.lease_path(&self.name);
        let _locked = self.store.lock()?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.blobs.extend(blobs);
        kept.layers.extend(layers);
        file::write_volatile(&path, &file::json(&*kept)?)
    }

    /// Returns the store it is about.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Waits until all that was written so far is on the disk.
    pub(super) fn sync(&self, folder: &File) -> std::io::Result<()> {
        self.syncs.run(|| Ok(rustix::fs::syncfs(folder)?))
    }

    /// Returns a new folder of its own.
    pub(super) fn new_folder(&self) -> PathBuf {
        let number = self.stages.fetch_add(1, Ordering::Relaxed);
        self.store.folder("staging").join(&self.name).join(number.to_string())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // What cannot be removed now is found by the next lease or prune.
        let _gone = erase::erase(&self.store.folder("staging").join(&self.name));
        let _gone = fs::remove_file(self.store.lease_path(&self.name));
        let _gone = fs::remove_file(self.store.lock_path(&self.name));
    }
}

/// Lets several who want all to be on the disk share one call, which costs the same for all as for one.
#[derive(Debug, Default)]
struct Syncs {
    state: Mutex<SyncState>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct SyncState {
    started: u64,
    ended: u64,
    runs: bool,
    /// The last call that failed.
    failed: Option<(u64, std::io::ErrorKind)>,
}

impl Syncs {
    fn run(&self, sync: impl Fn() -> std::io::Result<()>) -> std::io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // One that began before does not know of what was written since.
        let wanted = state.started + 1;
        while state.ended < wanted {
            if state.runs {
                state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.runs = true;
            state.started += 1;
            let number = state.started;
            drop(state);
            let result = sync();
            state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.runs = false;
            state.ended = number;
            if let Err(error) = result {
                state.failed = Some((number, error.kind()));
            }
            self.ended.notify_all();
        }
        match state.failed {
            Some((number, kind)) if number >= wanted => Err(kind.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_shared_and_none_is_too_early() {
        let (syncs, calls, written, on_disk) = (Syncs::default(), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let mine = written.fetch_add(1, Ordering::SeqCst) + 1;
                    let sync = || {
                        let so_far = written.load(Ordering::SeqCst);
                        std::thread::sleep(std::time::Duration::from_millis(20));
                        on_disk.fetch_max(so_far, Ordering::SeqCst);
                        calls.fetch_add(1, Ordering::SeqCst);
                        Ok(())
                    };
                    syncs.run(sync).unwrap();
                    assert!(on_disk.load(Ordering::SeqCst) >= mine, "it returned before its own data was on the disk");
                });
            }
        });
        assert!(calls.load(Ordering::SeqCst) < 16, "each made a call of its own");
        let failed = syncs.run(|| Err(std::io::ErrorKind::StorageFull.into()));
        assert_eq!(failed.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
        syncs.run(|| Ok(())).unwrap();
    }
}

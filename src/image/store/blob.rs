//! Blobs: bytes by their digest.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::{Lease, Store, file};
use crate::digest::{Digest, Hashing};
use crate::error::ImageError;

/// How often it is looked whether another process is done with a download.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What came of asking to download a blob.
#[derive(Debug)]
pub(crate) enum Claim {
    /// It is there.
    There,
    /// It is ours to fetch.
    Ours(Partial),
    /// Another process fetches it now; ask again after [`Claim::wait`].
    Busy,
}

impl Claim {
    pub(crate) fn wait() {
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// A download that is not complete. Its lock is held, so nobody else writes to it or removes it.
#[derive(Debug)]
pub(crate) struct Partial {
    pub(crate) file: File,
    path: PathBuf,
    digest: Digest,
}

impl Partial {
    /// Returns how many bytes are there from before.
    pub(crate) fn length(&self) -> Result<u64, ImageError> {
        self.file.metadata().map(|it| it.len()).map_err(ImageError::file("look at", &self.path))
    }

    /// Starts again from nothing.
    pub(crate) fn clear(&mut self) -> Result<(), ImageError> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)))
            .map(drop)
            .map_err(ImageError::file("empty", &self.path))
    }

    /// Goes back to the first byte.
    pub(crate) fn rewind(&mut self) -> Result<(), ImageError> {
        self.file.seek(SeekFrom::Start(0)).map(drop).map_err(ImageError::file("read", &self.path))
    }

    pub(crate) fn failed(&self, doing: &'static str) -> impl FnOnce(std::io::Error) -> ImageError {
        ImageError::file(doing, &self.path)
    }

    /// Gives complete bytes, whose digest the caller has verified, their name.
    pub(crate) fn complete(self, lease: &Lease) -> Result<(), ImageError> {
        // Where a layer was unpacked of it, it is on the disk already, and this costs nothing.
        self.file.sync_data().map_err(ImageError::file("write to disk", &self.path))?;
        let path = lease.store().blob_path(&self.digest);
        fs::rename(&self.path, &path).map_err(ImageError::file("name", &path))
    }

    /// Throws away bytes that are of no use.
    pub(crate) fn discard(self) -> Result<(), ImageError> {
        fs::remove_file(&self.path).map_err(ImageError::file("remove", &self.path))
    }
}

impl Store {
    pub(crate) fn has_blob(&self, digest: &Digest) -> bool {
        self.blob_path(digest).is_file()
    }

    /// Opens a blob whose bytes were verified when it was stored.
    pub(crate) fn open_blob(&self, digest: &Digest, of: &str) -> Result<File, ImageError> {
        let path = self.blob_path(digest);
        File::open(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => ImageError::Missing { what: format!("the blob {digest}"), of: of.to_owned() },
            _ => ImageError::file("open", &path)(error),
        })
    }

    /// Reads a small blob and verifies it.
    pub(crate) fn read_blob(&self, digest: &Digest, most: u64, of: &str) -> Result<Vec<u8>, ImageError> {
        let mut bytes = Vec::new();
        let file = self.open_blob(digest, of)?;
        let mut reader = Hashing::new(file.take(most));
        reader.read_to_end(&mut bytes).map_err(ImageError::file("read", &self.blob_path(digest)))?;
        let (_, found, _) = reader.finish();
        if found == *digest {
            Ok(bytes)
        } else {
            Err(ImageError::Mismatch { what: of.to_owned(), expected: *digest, found })
        }
    }

    /// Stores a small blob; returns its digest.
    pub(crate) fn put_blob(&self, bytes: &[u8]) -> Result<Digest, ImageError> {
        let digest = Digest::of(bytes);
        if !self.has_blob(&digest) {
            file::write_named(&self.blob_path(&digest), bytes)?;
        }
        Ok(digest)
    }

    /// Asks to download a blob. Of several that ask, in this process or another, one gets it.
    pub(crate) fn claim(&self, digest: &Digest) -> Result<Claim, ImageError> {
        let path = self.partial_path(digest);
        // Until it is locked it looks like one that nobody works on, and a prune might take it away.
        let _locked = self.lock()?;
        loop {
            if self.has_blob(digest) {
                return Ok(Claim::There);
            }
            let handle = file::open_or_make(&path)?;
            match rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Ok(Claim::Busy),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(ImageError::call("lock", &path)(errno)),
            }
            // Between opening and locking it may have been completed, or removed and made anew.
            if self.has_blob(digest) {
                let _gone = fs::remove_file(&path);
                return Ok(Claim::There);
            }
            if is_at(&handle, &path) {
                return Ok(Claim::Ours(Partial { file: handle, path, digest: *digest }));
            }
        }
    }

    /// Makes an unnamed place for a blob whose digest is not known yet.
    pub(crate) fn new_blob(&self) -> Result<NewBlob, ImageError> {
        // Until it is locked it looks like one that nobody works on.
        let _locked = self.lock()?;
        let path = self.folder("blobs/partial").join(format!("{}{}", file::UNFINISHED, file::random()?));
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(&path).map_err(ImageError::file("make", &path))?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(ImageError::call("lock", &path))?;
        Ok(NewBlob { file: Some(file), path })
    }
}

/// A blob being written. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct NewBlob {
    file: Option<File>,
    path: PathBuf,
}

impl NewBlob {
    /// Returns the open file.
    pub(crate) fn file(&self) -> Result<&File, ImageError> {
        self.file
            .as_ref()
            .ok_or_else(|| ImageError::file("write", &self.path)(std::io::ErrorKind::NotFound.into()))
    }

    /// Gives complete bytes their name.
    pub(crate) fn complete(mut self, store: &Store, digest: &Digest) -> Result<(), ImageError> {
        if store.has_blob(digest) {
            return Ok(());
        }
        if let Some(file) = self.file.take() {
            file.sync_data().map_err(ImageError::file("write to disk", &self.path))?;
            let path = store.blob_path(digest);
            fs::rename(&self.path, &path).map_err(ImageError::file("name", &path))?;
        }
        Ok(())
    }
}

impl Drop for NewBlob {
    fn drop(&mut self) {
        if self.file.is_some() {
            // Nothing depends on it: the next prune removes what is left.
            let _gone = fs::remove_file(&self.path);
        }
    }
}

/// Tells whether an open file is the one at a path.
pub(super) fn is_at(handle: &File, path: &std::path::Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (handle.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

//! What was read of containers before: for each change the rules and names of a whole project are made anew, and of thirty containers that
//! come or go at once each would read all others' files over and over.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rcompose_engine_adapter::Result;
use serde::de::DeserializeOwned;

use crate::error;
use crate::file;

/// What tells a file from another that takes its name: documents are never changed in place.
type Stamp = (u64, i64, i64, u64);

type Files<T> = HashMap<PathBuf, (Stamp, Arc<T>)>;

/// Files by their path. Others write them too, so each is looked at before it is taken from here.
pub(crate) struct Seen<T>(Arc<Mutex<Files<T>>>);

impl<T> Clone for Seen<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> fmt::Debug for Seen<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seen").finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned> Seen<T> {
    /// Reads a file; nothing where there is none. What `check` refuses is an error each time.
    pub(crate) fn read(&self, path: &Path, check: impl FnOnce(&T) -> Result<()>) -> Result<Option<Arc<T>>> {
        let Some(stamp) = stamp(path)? else {
            self.lock().remove(path);
            return Ok(None);
        };
        if let Some((known, found)) = self.lock().get(path)
            && *known == stamp
        {
            return Ok(Some(Arc::clone(found)));
        }
        let Some(found) = file::read::<T>(path)? else {
            return Ok(None);
        };
        check(&found)?;
        let found = Arc::new(found);
        // One that was replaced between the look and the reading is kept under the older stamp, and read anew next time.
        self.lock().insert(path.to_owned(), (stamp, Arc::clone(&found)));
        Ok(Some(found))
    }

    fn lock(&self) -> MutexGuard<'_, Files<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamp(path: &Path) -> Result<Option<Stamp>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some((found.ino(), found.ctime(), found.ctime_nsec(), found.size()))),
        Err(failed) if failed.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(failed) => Err(error::file("read", path)(failed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{self, Container};

    #[test]
    fn what_somebody_else_writes_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("container.json");
        let seen = Seen::<Container>::default();
        let read = || seen.read(&path, |_| Ok(())).unwrap();
        assert!(read().is_none());
        let write = |created: u64| {
            let container = Container {
                form: document::FORM,
                id: "a".into(),
                name: "web".into(),
                created,
                labels: [].into(),
                image_id: "sha256:1".into(),
                image: rcompose_engine_adapter::ImageConfig::default(),
                spec: crate::bundle::tests::spec(&serde_json::json!({})),
                volumes: Vec::new(),
                files_of: None,
            };
            file::write(&path, &container).unwrap();
        };
        write(1);
        let first = read().unwrap();
        assert!(Arc::ptr_eq(&first, &read().unwrap()), "it is read once");
        write(22);
        assert_eq!(read().unwrap().created, 22);
        fs::remove_file(&path).unwrap();
        assert!(read().is_none());
    }
}

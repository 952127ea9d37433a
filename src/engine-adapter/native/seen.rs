//! What was read of containers before: for each change the rules and names of a whole project are made anew, and of thirty containers that
//! come or go at once each would read all others' files over and over.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rcompose_engine_adapter::Result;
use serde::de::DeserializeOwned;

use crate::file::{self, Stamp};

type Files<T> = HashMap<String, (Stamp, Arc<T>)>;

/// Files by their container's id. Others write them too, so each is looked at before it is taken from here.
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
    pub(crate) fn read(&self, id: &str, path: &Path, check: impl FnOnce(&T) -> Result<()>) -> Result<Option<Arc<T>>> {
        let known = self.lock().get(id).cloned();
        if let Some((stamp, found)) = known
            && Stamp::of(path)? == Some(stamp)
        {
            return Ok(Some(found));
        }
        let Some((stamp, found)) = file::read_stamped::<T>(path)? else {
            self.lock().remove(id);
            return Ok(None);
        };
        check(&found)?;
        let found = Arc::new(found);
        self.lock().insert(id.to_owned(), (stamp, Arc::clone(&found)));
        Ok(Some(found))
    }

    /// As [`Self::read`], but a file that was read once is not looked at again.
    pub(crate) fn read_once(
        &self,
        id: &str,
        path: impl FnOnce() -> PathBuf,
        check: impl FnOnce(&T) -> Result<()>,
    ) -> Result<Option<Arc<T>>> {
        let known = self.lock().get(id).map(|(_, found)| Arc::clone(found));
        known.map_or_else(|| self.read(id, &path(), check), |found| Ok(Some(found)))
    }

    fn lock(&self) -> MutexGuard<'_, Files<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::document::{self, Container};

    #[test]
    fn what_somebody_else_writes_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("container.json");
        let seen = Seen::<Container>::default();
        let read = || seen.read("a", &path, |_| Ok(())).unwrap();
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

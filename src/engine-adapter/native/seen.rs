//! Containers' documents that were read before: for each change the rules and names of a whole project are made anew, and of thirty
//! containers that go at once each would read all others' over and over.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rcompose_engine_adapter::Result;

use crate::document::{self, Container};
use crate::error;
use crate::file;

/// What tells a file from another that takes its name: documents are never changed in place.
type Stamp = (u64, i64, i64, u64);

type Documents = HashMap<PathBuf, (Stamp, Arc<Container>)>;

/// Documents by their path. Others write them too, so each is looked at before it is taken from here.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Documents>>);

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seen").finish_non_exhaustive()
    }
}

impl Seen {
    /// Reads a document; nothing where there is none.
    pub(crate) fn read(&self, path: &Path) -> Result<Option<Arc<Container>>> {
        let Some(stamp) = stamp(path)? else {
            self.lock().remove(path);
            return Ok(None);
        };
        if let Some((known, container)) = self.lock().get(path)
            && *known == stamp
        {
            return Ok(Some(Arc::clone(container)));
        }
        let Some(found) = file::read::<Container>(path)? else {
            return Ok(None);
        };
        document::check_form("container", found.name.as_str(), found.form)?;
        let found = Arc::new(found);
        // One that was replaced between the look and the reading is kept under the older stamp, and read anew next time.
        self.lock().insert(path.to_owned(), (stamp, Arc::clone(&found)));
        Ok(Some(found))
    }

    fn lock(&self) -> MutexGuard<'_, Documents> {
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

    #[test]
    fn what_somebody_else_writes_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("container.json");
        let seen = Seen::default();
        assert!(seen.read(&path).unwrap().is_none());
        let write = |removing: bool| {
            let container = Container {
                form: document::FORM,
                id: "a".into(),
                name: "web".into(),
                created: 0,
                labels: [].into(),
                image_id: "sha256:1".into(),
                image: rcompose_engine_adapter::ImageConfig::default(),
                spec: crate::bundle::tests::spec(&serde_json::json!({})),
                volumes: Vec::new(),
                files_of: None,
                removing,
            };
            file::write(&path, &container).unwrap();
        };
        write(false);
        let first = seen.read(&path).unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &seen.read(&path).unwrap().unwrap()), "it is read once");
        write(true);
        assert!(seen.read(&path).unwrap().unwrap().removing);
        fs::remove_file(&path).unwrap();
        assert!(seen.read(&path).unwrap().is_none());
    }
}

//! Names of images.

use std::collections::BTreeMap;

use super::{Store, file};
use crate::digest::Digest;
use crate::error::ImageError;
use crate::reference::Reference;

impl Store {
    /// Returns all names with the images they mean.
    pub fn names(&self) -> Result<BTreeMap<Reference, Digest>, ImageError> {
        Ok(file::read_json(&self.folder("images").join("names.json"))?.unwrap_or_default())
    }

    /// Gives an image a further name, which it takes from whichever image had it.
    pub fn tag(&self, id: &Digest, name: &Reference) -> Result<(), ImageError> {
        let _locked = self.lock()?;
        if self.record(id)?.is_none() {
            return Err(ImageError::NoSuchImage { name: id.to_string() });
        }
        self.write_name(name, Some(*id))
    }

    /// Writes or removes a name, under the store's lock.
    pub(super) fn write_name(&self, name: &Reference, id: Option<Digest>) -> Result<(), ImageError> {
        if name.tag().is_none() || name.digest().is_some() {
            return Err(ImageError::Reference { text: name.to_string(), why: "an image is given a name with a tag, and without a digest" });
        }
        let mut names = self.names()?;
        match id {
            Some(id) => names.insert(name.clone(), id),
            None => names.remove(name),
        };
        file::write(&self.folder("images").join("names.json"), &file::json(&names)?)
    }
}

//! Finds images.

use std::path::PathBuf;

use super::Store;
use super::record::Record;
use crate::config::Config;
use crate::digest::Digest;
use crate::error::ImageError;
use crate::manifest::LARGEST_CONFIG;
use crate::reference::Reference;

/// An image, with all that is needed to make a container of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// The digest of its configuration.
    pub id: Digest,
    /// Its configuration.
    pub config: Config,
    /// The folders of its layers in the order in which overlayfs takes lower directories: the topmost first.
    pub layers: Vec<PathBuf>,
    /// Its names.
    pub names: Vec<Reference>,
    /// What the store knows of it.
    pub record: Record,
}

impl Image {
    /// Returns the bytes of its files, all layers together.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.record.layers.iter().map(|it| it.size).sum()
    }
}

impl Store {
    /// Finds an image by name, by `NAME@DIGEST`, by its id, or by the first digits of its id.
    pub fn find(&self, text: &str) -> Result<Image, ImageError> {
        let id = self.find_id(text)?;
        self.image(&id)
    }

    /// Reads an image by its id.
    pub fn image(&self, id: &Digest) -> Result<Image, ImageError> {
        let record = self.record(id)?.ok_or_else(|| ImageError::NoSuchImage { name: id.to_string() })?;
        let names = self.names()?.into_iter().filter(|(_, it)| it == id).map(|(name, _)| name).collect();
        self.whole(record, names)
    }

    /// Returns the folders of an image's layers, the uppermost first, and reads nothing else of it.
    ///
    /// # Errors
    /// There is no such image, or its record cannot be read.
    pub fn layers(&self, id: &str) -> Result<Vec<PathBuf>, ImageError> {
        let missing = || ImageError::NoSuchImage { name: id.to_owned() };
        let digest = Digest::from_hex(id.strip_prefix("sha256:").unwrap_or(id)).ok_or_else(missing)?;
        Ok(self.folders(&self.record(&digest)?.ok_or_else(missing)?))
    }

    fn folders(&self, record: &Record) -> Vec<PathBuf> {
        record.layers.iter().rev().map(|layer| self.layer_folder(&layer.diff_id)).collect()
    }

    /// Returns all images, those added last first.
    pub fn images(&self) -> Result<Vec<Image>, ImageError> {
        let mut records = self.records()?;
        let names = self.names()?;
        records.sort_by(|a, b| b.added.cmp(&a.added).then(a.id.cmp(&b.id)));
        let of = |id: Digest| names.iter().filter(|(_, it)| **it == id).map(|(name, _)| name.clone()).collect();
        records
            .into_iter()
            .map(|record| {
                let names = of(record.id);
                self.whole(record, names)
            })
            .collect()
    }

    fn whole(&self, record: Record, names: Vec<Reference>) -> Result<Image, ImageError> {
        let bytes = self.read_blob(&record.id, LARGEST_CONFIG, &format!("image {}", record.id.short()))?;
        let config = Config::parse(&bytes)?;
        let layers = self.folders(&record);
        Ok(Image { id: record.id, config, layers, names, record })
    }

    /// Finds an image's id.
    pub fn find_id(&self, text: &str) -> Result<Digest, ImageError> {
        let missing = || ImageError::NoSuchImage { name: text.to_owned() };
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        if let Some(id) = Digest::from_hex(hex) {
            return self.record(&id)?.map(|it| it.id).ok_or_else(missing);
        }
        match text.parse::<Reference>() {
            Ok(name) => {
                if let Some(id) = self.named(&name.tagged())? {
                    return Ok(id);
                }
            }
            Err(error) if !is_hex(hex) => return Err(error),
            Err(_) => {}
        }
        if !is_hex(hex) {
            return Err(missing());
        }
        let fitting: Vec<Digest> = self.records()?.into_iter().map(|it| it.id).filter(|id| id.hex().starts_with(hex)).collect();
        match fitting.as_slice() {
            [] => Err(missing()),
            [only] => Ok(*only),
            several => Err(ImageError::Ambiguous { name: text.to_owned(), count: several.len() }),
        }
    }

    /// Returns the image of a name, or of a repository's digest.
    fn named(&self, name: &Reference) -> Result<Option<Digest>, ImageError> {
        let Some(digest) = name.digest() else {
            return Ok(self.names()?.get(name).copied());
        };
        let at = name.at(digest);
        let fits = |record: &Record| record.registries.contains(&at);
        Ok(self.records()?.into_iter().find(fits).map(|it| it.id))
    }
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it))
}

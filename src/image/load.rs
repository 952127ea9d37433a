//! Loads images from an archive, as `docker save` and others write it. It is read once, from the first byte to the last, since it may
//! come through a pipe: layers go into the store as they come, and what they belong to is found out at the end.

mod index;
mod sort;

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::sync::atomic::AtomicU64;
use std::thread::ScopedJoinHandle;

use serde::Deserialize;

use crate::archive::{Archive, Kind};
use crate::digest::Digest;
use crate::error::ImageError;
use crate::extract::{clean, entry_error};
use crate::intake::Unfinished;
use crate::layer::{Bounded, decoder};
use crate::manifest::LARGEST_CONFIG;
use crate::platform::Platform;
use crate::progress::Watch;
use crate::reference::Reference;
use crate::store::{LayerRecord, Lease, Store};
use sort::{Sort, sort};

/// The most bytes of all small files together, which are kept in memory until the end.
const MOST_SMALL: u64 = 64 << 20;

/// Layers that are on their way to the disk at the same time.
const MOST_WAITING: usize = 3;

fn finished(layer: ScopedJoinHandle<'_, Result<(), ImageError>>) -> Result<(), ImageError> {
    layer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// An image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Its id.
    pub id: Digest,
    /// The names that it came with.
    pub names: Vec<Reference>,
}

/// What an archive holds.
#[derive(Default)]
struct Contents {
    /// Small files, by path.
    small: BTreeMap<String, Vec<u8>>,
    /// Layers, by path.
    layers: BTreeMap<String, LayerRecord>,
    /// Links, by path: older dockers write a layer that is there twice once only.
    links: BTreeMap<String, String>,
}

/// One image of `manifest.json`. Source: docker image spec 1.2, "Combined Image JSON + Filesystem Changeset Format".
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

impl Store {
    /// Loads all images of an archive, compressed or not: docker's form, or an OCI layout (of which those for `platform` are taken).
    pub fn load(&self, archive: impl Read, platform: &Platform, watch: &Watch<'_>) -> Result<Vec<Loaded>, ImageError> {
        let lease = self.lease()?;
        let fed = AtomicU64::new(0);
        let (_, reader) = decoder(Counted { inner: archive, fed: &fed }).map_err(ImageError::stream("read the archive"))?;
        let contents = self.read_archive(&lease, Bounded::new(reader, *self.limits(), &fed), watch)?;
        let images = match contents.small.get("manifest.json") {
            Some(bytes) => self.docker_images(&lease, &contents, bytes)?,
            None => self.layout_images(&lease, &contents, platform)?,
        };
        if images.is_empty() {
            return Err(ImageError::Malformed { what: "archive of images".into(), why: "it holds none".into() });
        }
        Ok(images)
    }

    /// Reads an archive; each layer goes on its way to the disk while the next one is read.
    fn read_archive(&self, lease: &Lease, input: impl Read, watch: &Watch<'_>) -> Result<Contents, ImageError> {
        std::thread::scope(|scope| {
            let mut waiting = VecDeque::new();
            let result = self.read_entries(lease, input, watch, &mut |unfinished| {
                waiting.push_back(scope.spawn(move || unfinished.finish(lease)));
                if waiting.len() > MOST_WAITING {
                    waiting.pop_front().map_or(Ok(()), finished)
                } else {
                    Ok(())
                }
            });
            let rest = waiting.into_iter().map(finished).fold(Ok(()), Result::and);
            result.and_then(|contents| rest.map(|()| contents))
        })
    }

    fn read_entries(
        &self,
        lease: &Lease,
        input: impl Read,
        watch: &Watch<'_>,
        finish: &mut dyn FnMut(Unfinished) -> Result<(), ImageError>,
    ) -> Result<Contents, ImageError> {
        let mut archive = Archive::new(input);
        let (mut contents, mut small) = (Contents::default(), 0);
        while let Some(entry) = archive.next()? {
            let parts = clean(&entry.path).map_err(|why| entry_error(&entry.path, why))?;
            let path = String::from_utf8_lossy(&parts.join(&b'/')).into_owned();
            match entry.kind {
                Kind::Folder => {}
                Kind::SymbolicLink { target } => {
                    // Relative to the folder it is in.
                    let folder = path.rfind('/').map_or("", |at| &path[..=at]);
                    let whole = [folder.as_bytes(), target.as_slice()].concat();
                    let parts = clean(&whole).map_err(|why| entry_error(&entry.path, why))?;
                    contents.links.insert(path, String::from_utf8_lossy(&parts.join(&b'/')).into_owned());
                }
                Kind::File { size } if entry.pieces.is_none() => match sort(&mut archive, size)? {
                    Sort::Layer(start) => {
                        let rest = Content(&mut archive);
                        let (layer, unfinished) = lease.take_layer(std::io::Cursor::new(start).chain(rest), watch)?;
                        finish(unfinished)?;
                        contents.layers.insert(path, layer);
                    }
                    Sort::Small(bytes) => {
                        small += bytes.len() as u64;
                        if small > MOST_SMALL {
                            return Err(ImageError::Malformed {
                                what: "archive of images".into(),
                                why: "it has too many files that are no layers".into(),
                            });
                        }
                        contents.small.insert(path, bytes);
                    }
                    Sort::Unknown => return Err(entry_error(&entry.path, "is neither a layer nor a manifest")),
                },
                _ => return Err(entry_error(&entry.path, "is neither file, folder nor symbolic link")),
            }
        }
        archive.finish()?;
        Ok(contents)
    }

    fn docker_images(&self, lease: &Lease, contents: &Contents, manifest: &[u8]) -> Result<Vec<Loaded>, ImageError> {
        let wrong = |why: String| ImageError::Malformed { what: "manifest.json".into(), why };
        let items: Vec<Item> = serde_json::from_slice(manifest).map_err(|error| wrong(error.to_string()))?;
        let mut loaded = Vec::new();
        for item in items {
            let config = contents
                .small(&item.config)
                .ok_or_else(|| wrong(format!("the archive has no configuration `{}`", item.config)))?;
            let layers = item.layers.unwrap_or_default();
            let layers = layers
                .iter()
                .map(|path| contents.layer(path).ok_or_else(|| wrong(format!("the archive has no layer `{path}`"))));
            let layers = layers.collect::<Result<Vec<_>, _>>()?;
            let names = item.repo_tags.unwrap_or_default();
            let names = names
                .iter()
                .map(|it| it.parse::<Reference>().map(Reference::tagged))
                .collect::<Result<Vec<_>, _>>()?;
            let id = self.add_image(lease, config, layers, None)?;
            for name in &names {
                self.tag(&id, name)?;
            }
            loaded.push(Loaded { id, names });
        }
        Ok(loaded)
    }
}

impl Contents {
    /// Follows links, as many as there are at most.
    fn path<'a>(&'a self, path: &'a str) -> &'a str {
        let mut at = path.strip_prefix("./").unwrap_or(path);
        for _ in 0..8 {
            match self.links.get(at) {
                Some(next) => at = next,
                None => break,
            }
        }
        at
    }

    fn small(&self, path: &str) -> Option<&[u8]> {
        self.small.get(self.path(path)).map(Vec::as_slice).filter(|it| it.len() as u64 <= LARGEST_CONFIG)
    }

    fn layer(&self, path: &str) -> Option<LayerRecord> {
        self.layers.get(self.path(path)).cloned()
    }
}

/// The content of the entry at hand, as a reader.
struct Content<'a, R>(&'a mut Archive<R>);

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer).map_err(std::io::Error::other)
    }
}

/// Counts what is read.
struct Counted<'a, R> {
    inner: R,
    fed: &'a AtomicU64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.fed.fetch_add(count as u64, std::sync::atomic::Ordering::Relaxed);
        Ok(count)
    }
}

//! Pulls images: the manifest for a platform, the configuration, and layers side by side, each downloaded, verified and unpacked in
//! one go.

mod download;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::config::Config;
use crate::digest::Digest;
use crate::error::{ImageError, Problem};
use crate::manifest::{Descriptor, Document, LARGEST_CONFIG, Manifest, OCI_MANIFEST};
use crate::parallel::side_by_side;
use crate::platform::Platform;
use crate::progress::{Event, LayerState, Watch};
use crate::reference::Reference;
use crate::registry::{Address, Client, Fetched};
use crate::store::{LayerRecord, Lease, Record, Store, now};

/// How a pull is done.
#[derive(Debug, Clone)]
pub struct PullOptions {
    /// For what.
    pub platform: Platform,
    /// Layers at the same time; at least one. Docker's default is 3.
    pub parallel: usize,
}

impl Default for PullOptions {
    fn default() -> Self {
        Self { platform: Platform::host(), parallel: 3 }
    }
}

/// What a pull brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The image.
    pub id: Digest,
    /// The digest that the name has in the registry: that of an index where there is one.
    pub digest: Digest,
    /// Whether the name meant another image before, or none.
    pub is_new: bool,
}

impl Store {
    /// Pulls an image. Broken off at any moment, it leaves nothing that is wrong, and the next pull goes on where it was.
    pub fn pull(&self, client: &Client, name: &Reference, options: &PullOptions, watch: &Watch<'_>) -> Result<Pulled, ImageError> {
        let name = name.clone().tagged();
        let lease = self.lease()?;
        let from = From {
            client,
            name: &name,
            addresses: client.addresses(name.repository().registry())?,
            first: AtomicUsize::new(0),
            watch,
        };
        let (manifest, fetched, digest) = from.manifest(&options.platform)?;
        lease.keep(manifest.layers.iter().map(|it| it.digest).chain([fetched.digest, manifest.config.digest]), [])?;
        let config = self.fetch_config(&from, &manifest)?;
        if config.rootfs.diff_ids.len() != manifest.layers.len() {
            let why = format!("its configuration has {} layers, its manifest {}", config.rootfs.diff_ids.len(), manifest.layers.len());
            return Err(ImageError::Malformed { what: format!("image {name}"), why });
        }
        if options.platform.distance(&config.platform()).is_none() {
            watch.tell(Event::OtherPlatform { wanted: options.platform.to_string(), found: config.platform().to_string() });
        }
        lease.keep([], config.rootfs.diff_ids.iter().copied())?;
        watch.tell(Event::Layers(manifest.layers.iter().map(|it| (it.digest, it.size)).collect()));
        let layers = self.fetch_layers(&from, &lease, &manifest, &config, options.parallel)?;
        self.put_blob(&fetched.bytes)?;
        let media_type = manifest.media_type.clone().or(fetched.media_type).unwrap_or_else(|| OCI_MANIFEST.to_owned());
        let record = Record {
            id: manifest.config.digest,
            manifest: Descriptor::new(&media_type, fetched.digest, fetched.bytes.len() as u64),
            layers,
            registries: vec![name.at(digest)],
            added: now(),
            local: false,
        };
        let before = self.names()?.get(&name).copied();
        let id = record.id;
        let is_new = if name.digest().is_some() {
            self.record(&id)?.is_none()
        } else {
            before != Some(id)
        };
        // By its digest it is found through the record.
        self.add(record, Some(&name).filter(|it| it.digest().is_none()))?;
        Ok(Pulled { id, digest, is_new })
    }

    fn fetch_config(&self, from: &From<'_>, manifest: &Manifest) -> Result<Config, ImageError> {
        let what = format!("the configuration of {}", from.name.familiar());
        let wanted = &manifest.config;
        if !self.has_blob(&wanted.digest) {
            let bytes = from.small_blob(wanted, &what)?;
            self.put_blob(&bytes)?;
        }
        Config::parse(&self.read_blob(&wanted.digest, LARGEST_CONFIG, &what)?)
    }

    fn fetch_layers(
        &self,
        from: &From<'_>,
        lease: &Lease,
        manifest: &Manifest,
        config: &Config,
        parallel: usize,
    ) -> Result<Vec<LayerRecord>, ImageError> {
        // The same layer may be in an image twice, and is fetched once.
        let pairs = manifest.layers.iter().zip(&config.rootfs.diff_ids);
        let mut wanted: Vec<(&Descriptor, Digest)> = Vec::new();
        for (blob, diff_id) in pairs.clone() {
            if !wanted.iter().any(|(it, _)| it.digest == blob.digest) {
                wanted.push((blob, *diff_id));
                from.watch.layer(blob.digest, LayerState::Waiting);
            }
        }
        let sizes = side_by_side(&wanted, parallel, from.watch, |(blob, diff_id), watch| {
            let size = download::Work { store: self, from, lease, blob, diff_id, watch }.run()?;
            Ok((blob.digest, size))
        })?;
        let sizes: BTreeMap<Digest, u64> = sizes.into_iter().collect();
        Ok(pairs
            .map(|(blob, diff_id)| LayerRecord {
                diff_id: *diff_id,
                blob: blob.clone(),
                size: sizes.get(&blob.digest).copied().unwrap_or_default(),
                pushed: None,
            })
            .collect())
    }
}

impl Client {
    /// Asks which digest a name has in its registry: that of an index where there is one. Nothing is kept.
    ///
    /// # Errors
    /// No registry that answers, or none that has the image.
    pub fn digest(&self, name: &Reference, watch: &Watch<'_>) -> Result<Digest, ImageError> {
        let name = &name.clone().tagged();
        let addresses = self.addresses(name.repository().registry())?;
        let from = From { client: self, name, addresses, first: AtomicUsize::new(0), watch };
        from.ask(|address| Ok(self.manifest(address, name.repository(), &name.wanted(), watch)?.digest))
    }
}

/// From where an image is pulled.
pub(crate) struct From<'a> {
    client: &'a Client,
    name: &'a Reference,
    addresses: Vec<Address>,
    /// The first address that was of use.
    first: AtomicUsize,
    watch: &'a Watch<'a>,
}

impl From<'_> {
    /// Asks mirrors, then the registry; what the last one says counts.
    fn ask<T>(&self, ask: impl Fn(&Address) -> Result<T, ImageError>) -> Result<T, ImageError> {
        let first = self.first.load(Ordering::Relaxed);
        for (at, address) in self.addresses.iter().enumerate().skip(first) {
            match ask(address) {
                Err(error) if at + 1 < self.addresses.len() && !matches!(error, ImageError::Cancelled | ImageError::NobodyReads) => {
                    self.watch.tell(Event::Mirror { address: address.host.clone(), why: error.problem() });
                    self.first.fetch_max(at + 1, Ordering::Relaxed);
                }
                other => return other,
            }
        }
        Err(ImageError::NoSuchImage { name: self.name.familiar() })
    }

    /// Finds the manifest for a platform; returns it, its bytes, and the digest that the name has.
    fn manifest(&self, platform: &Platform) -> Result<(Manifest, Fetched, Digest), ImageError> {
        let repository = self.name.repository();
        let fetch = |wanted: &str| {
            self.ask(|address| {
                let fetched = self.client.manifest(address, repository, wanted, self.watch)?;
                let read = Document::parse(&fetched.bytes, fetched.media_type.as_deref());
                let document = read.map_err(|error| ImageError::registry(&address.name, Problem::Answer(Box::new(error))))?;
                Ok((document, fetched))
            })
        };
        let (document, fetched) = fetch(&self.name.wanted())?;
        let digest = fetched.digest;
        let index = match document {
            Document::Manifest(manifest) => return Ok((manifest, fetched, digest)),
            Document::Index(index) => index,
        };
        let chosen = index.choose(platform, &self.name.familiar())?;
        match fetch(&chosen.digest.to_string())? {
            (Document::Manifest(manifest), fetched) => Ok((manifest, fetched, digest)),
            (Document::Index(_), _) => {
                Err(ImageError::Malformed { what: format!("index {}", self.name.familiar()), why: "it leads to another index".into() })
            }
        }
    }

    /// Reads a small blob, and verifies it.
    fn small_blob(&self, wanted: &Descriptor, what: &str) -> Result<Vec<u8>, ImageError> {
        use std::io::Read;
        self.ask(|address| {
            let blob = self.client.blob(address, self.name.repository(), &wanted.digest, 0, self.watch)?;
            let mut bytes = Vec::new();
            let read = blob.body.take(wanted.size + 1).read_to_end(&mut bytes);
            read.map_err(|error| ImageError::registry(&address.name, Problem::Transport { what: what.to_owned(), source: error.into() }))?;
            let problem = if bytes.len() as u64 != wanted.size {
                Problem::Length { what: what.to_owned(), expected: wanted.size, found: bytes.len() as u64 }
            } else if Digest::of(&bytes) != wanted.digest {
                let mismatch = ImageError::Mismatch { what: what.to_owned(), expected: wanted.digest, found: Digest::of(&bytes) };
                Problem::Answer(Box::new(mismatch))
            } else {
                return Ok(bytes);
            };
            Err(ImageError::registry(&address.name, problem))
        })
    }
}

//! Pushes images. One that was pulled goes as it came, with the same digest; one that was made here goes in the form that every
//! registry and every docker takes: schema 2, layers compressed by gzip.

use std::fs::File;
use std::io::{BufWriter, Seek, Write};

use flate2::write::GzEncoder;

use crate::digest::{Digest, Hashing};
use crate::error::ImageError;
use crate::layer::{CHUNK, decoder};
use crate::manifest::{DOCKER_CONFIG, DOCKER_LAYER_GZIP, DOCKER_MANIFEST, Descriptor, LARGEST_MANIFEST, Manifest};
use crate::parallel::side_by_side;
use crate::progress::{Event, LayerState, Watch};
use crate::reference::{Reference, Repository};
use crate::registry::{Address, Client, Source};
use crate::store::{Image, LayerRecord, Store};

/// What a push made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The digest that the name has in the registry now.
    pub digest: Digest,
    /// Bytes of the manifest.
    pub size: u64,
}

impl Store {
    /// Pushes the image of a name to that name's registry, `parallel` layers at the same time.
    pub fn push(&self, client: &Client, name: &Reference, parallel: usize, watch: &Watch<'_>) -> Result<Pushed, ImageError> {
        let name = name.clone().tagged();
        let Some(tag) = name.tag().filter(|_| name.digest().is_none()) else {
            return Err(ImageError::Reference { text: name.familiar(), why: "an image is pushed by a tag, without a digest" });
        };
        let image = self.find(&name.to_string())?;
        let lease = self.lease()?;
        lease.keep(image.record.blobs(), image.record.layers.iter().map(|it| it.diff_id))?;
        let address = Address::of(name.repository().registry());
        let others = self.others(name.repository(), &image)?;
        let to = To { store: self, client, address: &address, repository: name.repository(), others };
        watch.tell(Event::Layers(image.record.layers.iter().map(|it| (it.blob.digest, it.blob.size)).collect()));
        let layers = side_by_side(&image.record.layers, parallel, watch, |layer, watch| to.layer(layer, image.record.local, &watch))?;
        let config = self.open_blob(&image.id, "the image")?;
        let size = config.metadata().map_err(ImageError::stream("read the image's configuration"))?.len();
        to.blob(&config, &image.id, size, watch)?;
        let (media_type, bytes) = if image.record.local {
            let manifest = Manifest::new(
                DOCKER_MANIFEST,
                Descriptor::new(DOCKER_CONFIG, image.id, size),
                layers.iter().map(|it| it.pushed.clone().unwrap_or_else(|| it.blob.clone())).collect(),
            );
            let bytes = serde_json::to_vec_pretty(&manifest)
                .map_err(|error| ImageError::Malformed { what: "manifest".into(), why: error.to_string() })?;
            (DOCKER_MANIFEST.to_owned(), bytes)
        } else {
            let manifest = &image.record.manifest;
            (manifest.media_type.clone(), self.read_blob(&manifest.digest, LARGEST_MANIFEST, "the image's manifest")?)
        };
        client.send_manifest(&address, name.repository(), tag, &media_type, &bytes, watch)?;
        let digest = Digest::of(&bytes);
        self.pushed(&image.id, layers, name.at(digest))?;
        Ok(Pushed { digest, size: bytes.len() as u64 })
    }

    /// Returns other repositories of the same registry that have, or had, a layer of an image: it may be taken over from there.
    fn others(&self, repository: &Repository, image: &Image) -> Result<Vec<(Digest, Repository)>, ImageError> {
        let mut others = Vec::new();
        for record in self.records()? {
            let here = record
                .registries
                .iter()
                .map(Reference::repository)
                .filter(|it| it.registry() == repository.registry() && *it != repository);
            for other in here {
                for layer in record.layers.iter().filter(|it| image.record.layers.iter().any(|own| own.diff_id == it.diff_id)) {
                    let digest = if record.local { layer.pushed.as_ref() } else { Some(&layer.blob) };
                    others.extend(digest.map(|it| (it.digest, other.clone())));
                }
            }
        }
        Ok(others)
    }

    /// Remembers what a registry has.
    fn pushed(&self, id: &Digest, layers: Vec<LayerRecord>, at: Reference) -> Result<(), ImageError> {
        let _locked = self.lock()?;
        let Some(mut record) = self.record(id)? else { return Ok(()) };
        if record.layers.iter().map(|it| it.blob.digest).eq(layers.iter().map(|it| it.blob.digest)) {
            record.layers = layers;
        }
        if !record.registries.contains(&at) {
            record.registries.push(at);
        }
        self.write_record(&record)
    }
}

struct To<'a> {
    store: &'a Store,
    client: &'a Client,
    address: &'a Address,
    repository: &'a Repository,
    others: Vec<(Digest, Repository)>,
}

impl To<'_> {
    fn layer(&self, layer: &LayerRecord, local: bool, watch: &Watch<'_>) -> Result<LayerRecord, ImageError> {
        let shown = layer.blob.digest;
        if !local || layer.blob.media_type.ends_with("+gzip") {
            let file = self.store.open_blob(&layer.blob.digest, "its layer")?;
            self.blob(&file, &layer.blob.digest, layer.blob.size, watch)?;
            let pushed = local.then(|| Descriptor { media_type: DOCKER_LAYER_GZIP.into(), ..layer.blob.clone() });
            return Ok(LayerRecord { pushed, ..layer.clone() });
        }
        // What was pushed before may be there still, and need not be compressed again.
        if let Some(before) = &layer.pushed
            && self.client.has_blob(self.address, self.repository, &before.digest, watch)?
        {
            watch.layer(shown, LayerState::Exists);
            return Ok(layer.clone());
        }
        let blob = self.store.new_blob()?;
        let (digest, size) = self.compress(layer, blob.file()?, watch)?;
        let renamed = |event: LayerState| watch.layer(shown, event);
        self.send(blob.file()?, &digest, size, watch, &renamed)?;
        Ok(LayerRecord { pushed: Some(Descriptor::new(DOCKER_LAYER_GZIP, digest, size)), ..layer.clone() })
    }

    /// Compresses a layer, the same way each time, and verifies it on the way.
    fn compress(&self, layer: &LayerRecord, mut to: &File, watch: &Watch<'_>) -> Result<(Digest, u64), ImageError> {
        let file = self.store.open_blob(&layer.blob.digest, "its layer")?;
        let (_, reader) = decoder(file).map_err(ImageError::stream("read a layer"))?;
        let mut reader = Hashing::new(reader);
        let mut encoder = GzEncoder::new(Hashing::new(BufWriter::with_capacity(CHUNK, to)), flate2::Compression::default());
        let mut chunk = vec![0; CHUNK];
        loop {
            watch.go_on()?;
            let count = std::io::Read::read(&mut reader, &mut chunk).map_err(ImageError::stream("read a layer"))?;
            if count == 0 {
                break;
            }
            encoder.write_all(&chunk[..count]).map_err(ImageError::stream("compress a layer"))?;
        }
        let (_, found, _) = reader.finish();
        if found != layer.diff_id {
            return Err(ImageError::Mismatch { what: "a layer of the store".into(), expected: layer.diff_id, found });
        }
        let (mut writer, digest, size) = encoder.finish().map_err(ImageError::stream("compress a layer"))?.finish();
        writer.flush().map_err(ImageError::stream("compress a layer"))?;
        drop(writer);
        to.rewind().map_err(ImageError::stream("compress a layer"))?;
        Ok((digest, size))
    }

    fn blob(&self, file: &File, digest: &Digest, size: u64, watch: &Watch<'_>) -> Result<(), ImageError> {
        let shown = *digest;
        self.send(file, digest, size, watch, &|state| watch.layer(shown, state))
    }

    fn send(&self, file: &File, digest: &Digest, size: u64, watch: &Watch<'_>, tell: &dyn Fn(LayerState)) -> Result<(), ImageError> {
        if self.client.has_blob(self.address, self.repository, digest, watch)? {
            tell(LayerState::Exists);
            return Ok(());
        }
        tell(LayerState::Uploading { done: 0, of: size });
        let from = self.others.iter().find(|(it, _)| it == digest).map(|(_, repository)| repository);
        let source = Source { file, digest: *digest, size };
        match self.client.send_blob(
            self.address,
            self.repository,
            &source,
            from,
            &|done| tell(LayerState::Uploading { done, of: size }),
            watch,
        )? {
            Some(from) => tell(LayerState::Mounted { from: from.path().to_owned() }),
            None => tell(LayerState::Done),
        }
        Ok(())
    }
}

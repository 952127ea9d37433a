//! OCI layouts. Source: OCI image spec, image layout.

use crate::digest::Digest;
use crate::error::ImageError;
use crate::load::{Contents, Loaded};
use crate::manifest::{Descriptor, Document, Index, Manifest, OCI_MANIFEST};
use crate::platform::Platform;
use crate::reference::Reference;
use crate::store::{LayerRecord, Lease, Record, Store, now};

/// Where containerd and newer dockers write the whole name.
const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// Where others write the name, or the tag alone. Source: OCI image spec, annotations.
const OCI_NAME: &str = "org.opencontainers.image.ref.name";

impl Store {
    pub(super) fn layout_images(&self, lease: &Lease, contents: &Contents, platform: &Platform) -> Result<Vec<Loaded>, ImageError> {
        let Some(bytes) = contents.small("index.json") else {
            let why = "it has neither `manifest.json` nor `index.json`; a root file system is taken by `import`".into();
            return Err(ImageError::Malformed { what: "archive of images".into(), why });
        };
        let Document::Index(index) = Document::parse(bytes, None)? else {
            return Err(ImageError::Malformed { what: "index.json".into(), why: "it is no index".into() });
        };
        let mut loaded = Vec::new();
        for entry in &index.manifests {
            let (descriptor, manifest, bytes) = chosen(contents, entry, platform)?;
            let id = self.layout_image(lease, contents, &descriptor, &manifest, bytes)?;
            let names: Vec<Reference> = name(entry).into_iter().collect();
            for name in &names {
                self.tag(&id, name)?;
            }
            loaded.push(Loaded { id, names });
        }
        Ok(loaded)
    }

    fn layout_image(
        &self,
        lease: &Lease,
        contents: &Contents,
        descriptor: &Descriptor,
        manifest: &Manifest,
        bytes: &[u8],
    ) -> Result<Digest, ImageError> {
        let config = blob(contents, &manifest.config.digest)?;
        let layers = manifest.layers.iter().map(|layer| {
            let found = contents.layer(&blob_path(&layer.digest));
            found.ok_or_else(|| ImageError::Missing { what: format!("the layer {}", layer.digest), of: "the archive's manifest".into() })
        });
        let layers: Vec<LayerRecord> = layers.collect::<Result<_, _>>()?;
        let id = self.add_image(lease, config, layers.clone(), None)?;
        // Where all is kept as it came, so is the manifest, and its digest stays what it is elsewhere.
        if layers.iter().zip(&manifest.layers).all(|(kept, wanted)| kept.blob.digest == wanted.digest) {
            lease.keep([descriptor.digest], [])?;
            self.put_blob(bytes)?;
            let layers = layers
                .into_iter()
                .zip(&manifest.layers)
                .map(|(kept, wanted)| LayerRecord { blob: wanted.clone(), ..kept })
                .collect();
            let media_type = manifest.media_type.clone().unwrap_or_else(|| OCI_MANIFEST.to_owned());
            let manifest = Descriptor::new(&media_type, descriptor.digest, bytes.len() as u64);
            self.replace(Record { id, manifest, layers, registries: Vec::new(), added: now(), local: false })?;
        }
        Ok(id)
    }
}

/// Finds the manifest that an entry leads to, through an index for several platforms.
fn chosen<'a>(contents: &'a Contents, entry: &Descriptor, platform: &Platform) -> Result<(Descriptor, Manifest, &'a [u8]), ImageError> {
    let mut at = entry.clone();
    // An index in an index is as deep as any tool writes.
    for _ in 0..3 {
        let bytes = blob(contents, &at.digest)?;
        match Document::parse(bytes, None)? {
            Document::Manifest(manifest) => return Ok((at, manifest, bytes)),
            Document::Index(index) => at = present(contents, &index).choose(platform, "the archive")?.clone(),
        }
    }
    Err(ImageError::Malformed { what: "index.json".into(), why: "it leads from index to index".into() })
}

/// Leaves out what an archive names and does not hold: docker saves one platform with the index of all.
fn present(contents: &Contents, index: &Index) -> Index {
    Index::new(
        index
            .manifests
            .iter()
            .filter(|it| contents.small(&blob_path(&it.digest)).is_some())
            .cloned()
            .collect(),
    )
}

fn blob<'a>(contents: &'a Contents, digest: &Digest) -> Result<&'a [u8], ImageError> {
    let missing = || ImageError::Missing { what: format!("the blob {digest}"), of: "the archive's index".into() };
    let bytes = contents.small(&blob_path(digest)).ok_or_else(missing)?;
    let found = Digest::of(bytes);
    if found == *digest {
        Ok(bytes)
    } else {
        Err(ImageError::Mismatch { what: "a blob of the archive".into(), expected: *digest, found })
    }
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn name(entry: &Descriptor) -> Option<Reference> {
    let annotations = entry.annotations.as_ref()?;
    let whole = annotations.get(CONTAINERD_NAME).and_then(|it| it.parse::<Reference>().ok());
    // A tag alone is no name: it would be one of docker.io.
    let other = annotations
        .get(OCI_NAME)
        .filter(|it| it.contains(['/', ':']))
        .and_then(|it| it.parse::<Reference>().ok());
    whole.or(other).map(Reference::tagged).filter(|it| it.digest().is_none())
}

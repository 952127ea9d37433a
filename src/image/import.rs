//! Makes images of what is no image yet: a root file system as an archive.

use std::io::Read;

use crate::config::{Config, Defaults, History, RootFs};
use crate::digest::Digest;
use crate::error::ImageError;
use crate::manifest::{Descriptor, Manifest, OCI_CONFIG, OCI_MANIFEST};
use crate::platform::Platform;
use crate::progress::Watch;
use crate::reference::Reference;
use crate::store::{LayerRecord, Record, Store, now};

/// What an imported image says of itself.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// How a container starts.
    pub defaults: Defaults,
    /// A remark.
    pub message: String,
    /// What it runs on, if not on this machine's kind.
    pub platform: Option<Platform>,
}

impl Store {
    /// Makes an image of a root file system; returns its id.
    pub fn import(
        &self,
        archive: impl Read,
        name: Option<&Reference>,
        options: &ImportOptions,
        watch: &Watch<'_>,
    ) -> Result<Digest, ImageError> {
        let lease = self.lease()?;
        let layer = lease.add_layer(archive, watch)?;
        let platform = options.platform.clone().unwrap_or_else(Platform::host);
        let created = now();
        let message = if options.message.is_empty() {
            "Imported from a root file system"
        } else {
            &options.message
        };
        let config = Config {
            created: Some(created.clone()),
            architecture: platform.architecture,
            variant: platform.variant,
            os: platform.os,
            comment: message.to_owned(),
            config: options.defaults.clone(),
            rootfs: RootFs { kind: "layers".into(), diff_ids: vec![layer.diff_id] },
            history: vec![History { created: Some(created), comment: message.to_owned(), ..History::default() }],
            ..Config::default()
        };
        let bytes =
            serde_json::to_vec(&config).map_err(|error| ImageError::Malformed { what: "configuration".into(), why: error.to_string() })?;
        self.add_image(&lease, &bytes, vec![layer], name)
    }

    /// Makes an image of a configuration and layers that `lease` brought in; returns its id.
    pub fn add_image(
        &self,
        lease: &crate::store::Lease,
        config: &[u8],
        layers: Vec<LayerRecord>,
        name: Option<&Reference>,
    ) -> Result<Digest, ImageError> {
        let read = Config::parse(config)?;
        let found = layers.iter().map(|it| &it.diff_id);
        if !read.rootfs.diff_ids.iter().eq(found) {
            return Err(ImageError::Malformed { what: "image".into(), why: "its configuration names other layers than it has".into() });
        }
        let id = Digest::of(config);
        let manifest = Manifest::new(
            OCI_MANIFEST,
            Descriptor::new(OCI_CONFIG, id, config.len() as u64),
            layers.iter().map(|it| it.blob.clone()).collect(),
        );
        let bytes =
            serde_json::to_vec(&manifest).map_err(|error| ImageError::Malformed { what: "manifest".into(), why: error.to_string() })?;
        lease.keep([id, Digest::of(&bytes)], [])?;
        self.put_blob(config)?;
        let digest = self.put_blob(&bytes)?;
        let manifest = Descriptor::new(OCI_MANIFEST, digest, bytes.len() as u64);
        self.add(Record { id, manifest, layers, registries: Vec::new(), added: now(), local: true }, name)?;
        Ok(id)
    }
}

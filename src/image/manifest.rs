//! Manifests and indexes, read and checked. Source: OCI image spec 1.1, manifest and image index; Docker image manifest v2.2.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::ImageError;
use crate::platform::Platform;

/// The most bytes of a manifest or index. Source: distribution, `maxManifestBodySize`.
pub(crate) const LARGEST_MANIFEST: u64 = 4 << 20;
/// The most bytes of a configuration: room for a long history, not for a layer that calls itself one.
pub(crate) const LARGEST_CONFIG: u64 = 16 << 20;
/// The most layers: overlayfs takes no more lower directories. Source: `fs/overlayfs/params.h`, `OVL_MAX_STACK`.
pub const MOST_LAYERS: usize = 500;

pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub(crate) const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// A pointer to bytes by their digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the bytes are.
    pub media_type: String,
    /// Their digest.
    pub digest: Digest,
    /// How many they are.
    pub size: u64,
    /// In an index: what it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What else is said of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    /// Makes a pointer without platform or annotations.
    #[must_use]
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self { media_type: media_type.to_owned(), digest, size, platform: None, annotations: None }
    }
}

/// One image: its configuration and its layers, the lowest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    schema_version: u32,
    /// Which kind of manifest it is.
    pub media_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers.
    pub layers: Vec<Descriptor>,
}

/// Images of one name for several platforms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    schema_version: u32,
    /// Which kind of index it is.
    pub media_type: Option<String>,
    /// The images.
    pub manifests: Vec<Descriptor>,
}

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Manifest(Manifest),
    /// Several.
    Index(Index),
}

/// What tells the kinds apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    layers: Option<serde::de::IgnoredAny>,
    #[serde(default, rename = "fsLayers")]
    fs_layers: Option<serde::de::IgnoredAny>,
}

impl Document {
    /// Reads a manifest or index. `declared` is the content type that came with it, which must not contradict it.
    pub fn parse(bytes: &[u8], declared: Option<&str>) -> Result<Self, ImageError> {
        let wrong = |why: String| ImageError::Malformed { what: "manifest".into(), why };
        let kind: Kind = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        if kind.schema_version == 1 || kind.fs_layers.is_some() {
            return Err(wrong("it has schema 1, which registries gave up; push the image again with a current tool".into()));
        }
        if kind.schema_version != 2 {
            return Err(wrong(format!("schemaVersion is {}, not 2", kind.schema_version)));
        }
        let is_index = match (kind.manifests.is_some(), kind.layers.is_some()) {
            (true, false) => true,
            (false, true) => false,
            (true, true) => return Err(wrong("it has both `manifests` and `layers`".into())),
            (false, false) => return Err(wrong("it has neither `manifests` nor `layers`".into())),
        };
        for media_type in kind.media_type.as_deref().into_iter().chain(declared.filter(|it| is_manifest_type(it))) {
            let says_index = matches!(media_type, OCI_INDEX | DOCKER_LIST);
            if !is_manifest_type(media_type) || says_index != is_index {
                return Err(wrong(format!("its media type `{media_type}` does not fit what is inside")));
            }
        }
        if is_index {
            let index: Index = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
            return Ok(Self::Index(index));
        }
        let manifest: Manifest = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        manifest.check().map_err(wrong)?;
        Ok(Self::Manifest(manifest))
    }
}

/// Tells whether a content type is that of a manifest or index.
pub(crate) fn is_manifest_type(media_type: &str) -> bool {
    matches!(media_type, OCI_INDEX | OCI_MANIFEST | DOCKER_LIST | DOCKER_MANIFEST)
}

impl Manifest {
    /// Makes a manifest in docker's or in OCI's words.
    #[must_use]
    pub fn new(media_type: &str, config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self { schema_version: 2, media_type: Some(media_type.to_owned()), config, layers }
    }

    fn check(&self) -> Result<(), String> {
        if !matches!(self.config.media_type.as_str(), OCI_CONFIG | DOCKER_CONFIG) {
            return Err(format!("it is no image of a container: its configuration is `{}`", self.config.media_type));
        }
        if self.config.size > LARGEST_CONFIG {
            return Err(format!("its configuration has {} bytes, more than {LARGEST_CONFIG}", self.config.size));
        }
        if self.layers.len() > MOST_LAYERS {
            return Err(format!("it has {} layers, more than {MOST_LAYERS}", self.layers.len()));
        }
        match self.layers.iter().find(|layer| !is_layer(&layer.media_type)) {
            Some(layer) => Err(format!("the layer {} is no tar archive but `{}`", layer.digest.short(), layer.media_type)),
            None => Ok(()),
        }
    }
}

/// Tells whether a media type is that of a tar archive in a form that can be unpacked.
fn is_layer(media_type: &str) -> bool {
    // Both families end alike for plain, gzip and zstd; layers that must not be distributed are layers nevertheless.
    let known = ["application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs."];
    let form = ["tar", "tar+gzip", "tar.gzip", "tar+zstd", "tar.zstd"];
    known.iter().any(|it| media_type.starts_with(it)) && form.iter().any(|it| media_type.ends_with(it))
}

impl Index {
    /// Makes an OCI index.
    #[must_use]
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self { schema_version: 2, media_type: Some(OCI_INDEX.to_owned()), manifests }
    }

    /// Chooses the image for a platform; `what` is the index's name for people.
    pub fn choose(&self, platform: &Platform, what: &str) -> Result<&Descriptor, ImageError> {
        // Attestations are listed as images for platform `unknown/unknown`, and fit no wish.
        let fitting = self.manifests.iter().filter_map(|it| Some((platform.distance(it.platform.as_ref()?)?, it)));
        // The first of the best: the order of an index is its author's.
        if let Some((_, best)) = fitting.min_by_key(|(distance, _)| *distance) {
            return Ok(best);
        }
        // Without any platform an index of one image means that image.
        match self.manifests.as_slice() {
            [only] if only.platform.is_none() => Ok(only),
            _ => Err(ImageError::NoPlatform {
                what: what.to_owned(),
                wanted: platform.to_string(),
                offered: self.manifests.iter().filter_map(|it| it.platform.as_ref()).map(ToString::to_string).collect(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn manifest() -> serde_json::Value {
        let digest = Digest::of(b"x").to_string();
        json!({ "schemaVersion": 2, "mediaType": DOCKER_MANIFEST,
            "config": { "mediaType": DOCKER_CONFIG, "digest": digest, "size": 1 },
            "layers": [{ "mediaType": DOCKER_LAYER_GZIP, "digest": digest, "size": 2 }] })
    }

    fn parse(value: &serde_json::Value) -> Result<Document, ImageError> {
        Document::parse(value.to_string().as_bytes(), None)
    }

    #[test]
    fn good_ones_are_read() {
        assert!(matches!(parse(&manifest()), Ok(Document::Manifest(it)) if it.layers.len() == 1 && it.layers[0].size == 2));
        let mut oci = manifest();
        oci["mediaType"] = json!(null);
        assert!(parse(&oci).is_ok());
    }

    #[test]
    fn wrong_ones_say_what_is_wrong() {
        let change = |path: &str, value: serde_json::Value| {
            let mut wrong = manifest();
            *wrong.pointer_mut(path).unwrap() = value;
            parse(&wrong).unwrap_err().to_string()
        };
        for (path, value, word) in [
            ("/schemaVersion", json!(1), "schema 1"),
            ("/schemaVersion", json!(3), "schemaVersion is 3"),
            ("/mediaType", json!(OCI_INDEX), "does not fit"),
            ("/config/digest", json!("sha256:../../etc"), "64 digits"),
            ("/config/size", json!(-1), "integer `-1`"),
            ("/config/size", json!(1u64 << 40), "more than"),
            ("/config/mediaType", json!("application/vnd.helm"), "no image of a container"),
            ("/layers/0/mediaType", json!("text/plain"), "no tar archive"),
            ("/layers", json!(null), "neither"),
            ("/layers", json!(vec![manifest()["layers"][0].clone(); 501]), "501 layers"),
        ] {
            let text = change(path, value);
            assert!(text.contains(word), "{path}: {text}");
        }
        assert!(Document::parse(b"<html>", None).is_err());
        assert!(Document::parse(manifest().to_string().as_bytes(), Some(OCI_INDEX)).is_err(), "declared as something else");
        assert!(Document::parse("[".repeat(100_000).as_bytes(), None).is_err(), "depth is bounded");
    }

    #[test]
    fn the_platform_is_chosen() {
        let entry = |name: &str, text: &str| {
            let mut it = Descriptor::new(OCI_MANIFEST, Digest::of(name.as_bytes()), 1);
            it.platform = Some(text.parse().unwrap());
            it
        };
        let index = Index::new(vec![
            entry("a", "linux/arm/v6"),
            entry("b", "linux/arm/v7"),
            entry("c", "linux/amd64"),
            entry("d", "unknown/unknown"),
        ]);
        let chosen = |text: &str| index.choose(&text.parse().unwrap(), "x").map(|it| it.digest);
        assert_eq!(chosen("linux/arm/v7").unwrap(), Digest::of(b"b"));
        assert_eq!(chosen("linux/arm/v6").unwrap(), Digest::of(b"a"));
        assert_eq!(chosen("linux/amd64").unwrap(), Digest::of(b"c"));
        let error = chosen("linux/s390x").unwrap_err().to_string();
        assert!(error.contains("linux/s390x") && error.contains("linux/arm/v6"), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0usize..200, byte in any::<u8>()) {
            let _ = Document::parse(&bytes, None);
            let mut text = manifest().to_string().into_bytes();
            let at = at % text.len();
            text[at] = byte;
            let _ = Document::parse(&text, None);
        }
    }
}

//! Reads from a registry.

use ureq::http::{Method, StatusCode, header};

use super::address::Address;
use super::request::Ask;
use super::{Client, transport};
use crate::digest::Digest;
use crate::error::{ImageError, Problem};
use crate::manifest::{DOCKER_LIST, DOCKER_MANIFEST, LARGEST_MANIFEST, OCI_INDEX, OCI_MANIFEST, is_manifest_type};
use crate::progress::Watch;
use crate::reference::Repository;

/// A manifest as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) bytes: Vec<u8>,
    pub(crate) media_type: Option<String>,
    pub(crate) digest: Digest,
}

/// A blob on its way.
pub(crate) struct Blob {
    /// The first byte that comes.
    pub(crate) from: u64,
    /// How many bytes the registry says will come.
    pub(crate) length: Option<u64>,
    pub(crate) body: ureq::BodyReader<'static>,
}

impl Client {
    /// Reads a manifest by tag or digest, and verifies it.
    pub(crate) fn manifest(
        &self,
        address: &Address,
        repository: &Repository,
        wanted: &str,
        watch: &Watch<'_>,
    ) -> Result<Fetched, ImageError> {
        let what = format!("{}:{wanted}", repository.path());
        let name = &address.name;
        let accept = [OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST].join(", ");
        let ask = Ask::new(Method::GET, &what, pull_scope(repository)).with(header::ACCEPT, accept);
        let answer = self.ask(address, &address.path(&format!("{}/manifests/{wanted}", repository.path())), &ask, watch)?;
        if answer.status() != StatusCode::OK {
            return Err(answer.problem(name, &what));
        }
        let media_type = answer.header(header::CONTENT_TYPE).map(|it| it.split(';').next().unwrap_or(it).trim().to_owned());
        let bytes = answer.bytes(name, &what, LARGEST_MANIFEST)?;
        // Some registries serve manifests as plain JSON; what is no JSON at all is told by its type.
        let is_json = bytes.trim_ascii_start().first() == Some(&b'{');
        if !is_json && media_type.as_deref().is_none_or(|it| !is_manifest_type(it)) {
            let found = media_type.unwrap_or_else(|| "an unknown type".into());
            return Err(ImageError::registry(name, Problem::ContentType { found, what: format!("the manifest {what}") }));
        }
        let digest = Digest::of(&bytes);
        match wanted.parse::<Digest>() {
            Ok(expected) if expected != digest => {
                let mismatch = ImageError::Mismatch { what: format!("the manifest {what}"), expected, found: digest };
                Err(ImageError::registry(name, Problem::Answer(Box::new(mismatch))))
            }
            _ => Ok(Fetched { bytes, media_type, digest }),
        }
    }

    /// Starts to read a blob from a byte on; the registry may start at the first one nevertheless.
    pub(crate) fn blob(
        &self,
        address: &Address,
        repository: &Repository,
        digest: &Digest,
        from: u64,
        watch: &Watch<'_>,
    ) -> Result<Blob, ImageError> {
        let what = format!("{}@{}", repository.path(), digest.short());
        let name = &address.name;
        let mut ask = Ask::new(Method::GET, &what, pull_scope(repository));
        if from > 0 {
            ask = ask.with(header::RANGE, format!("bytes={from}-"));
        }
        let answer = self.ask(address, &address.path(&format!("{}/blobs/{digest}", repository.path())), &ask, watch)?;
        let from = match answer.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT => {
                let range = answer.header(header::CONTENT_RANGE).unwrap_or_default();
                let start = range
                    .strip_prefix("bytes ")
                    .and_then(|it| it.split('-').next())
                    .and_then(|it| it.trim().parse().ok());
                if start != Some(from) {
                    return Err(transport(name, &what, format!("it was asked for bytes from {from} on and sent `{range}`")));
                }
                from
            }
            _ => return Err(answer.problem(name, &what)),
        };
        if let Some(kind) = answer.header(header::CONTENT_TYPE).filter(|it| it.starts_with("text/html")) {
            return Err(ImageError::registry(name, Problem::ContentType { found: kind.to_owned(), what: format!("the layer {what}") }));
        }
        let body = answer.response.into_body();
        Ok(Blob { from, length: body.content_length(), body: body.into_reader() })
    }
}

pub(super) fn pull_scope(repository: &Repository) -> String {
    format!("repository:{}:pull", repository.path())
}

//! Writes to a registry.

use std::fs::File;

use ureq::http::{Method, StatusCode, header};

use super::Client;
use super::address::{Address, Url, lead};
use super::answer::Answer;
use super::pull::pull_scope;
use super::request::{Ask, Content};
use crate::digest::Digest;
use crate::error::{ImageError, Problem};
use crate::progress::Watch;
use crate::reference::Repository;

/// Larger blobs go in pieces of this many bytes: proxies in front of registries often take no request above 100 MB.
const PIECE: u64 = 64 << 20;

/// A blob that goes to a registry.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub(crate) file: &'a File,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

impl Client {
    /// Tells whether a repository has a blob.
    pub(crate) fn has_blob(
        &self,
        address: &Address,
        repository: &Repository,
        digest: &Digest,
        watch: &Watch<'_>,
    ) -> Result<bool, ImageError> {
        let what = format!("{}@{}", repository.path(), digest.short());
        let ask = Ask::new(Method::HEAD, &what, push_scope(repository));
        let answer = self.ask(address, &address.path(&format!("{}/blobs/{digest}", repository.path())), &ask, watch)?;
        match answer.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(answer.problem(&address.name, &what)),
        }
    }

    /// Sends a blob, unless the registry can take it over from another repository; returns that one.
    pub(crate) fn send_blob<'r>(
        &self,
        address: &Address,
        repository: &Repository,
        source: &Source<'_>,
        from: Option<&'r Repository>,
        tell: &dyn Fn(u64),
        watch: &Watch<'_>,
    ) -> Result<Option<&'r Repository>, ImageError> {
        let what = format!("{}@{}", repository.path(), source.digest.short());
        let mut path = format!("{}/blobs/uploads/", repository.path());
        let mut scope = push_scope(repository);
        if let Some(from) = from {
            path = format!("{path}?mount={}&from={}", source.digest, from.path());
            scope = format!("{scope} {}", pull_scope(from));
        }
        let ask = Ask::new(Method::POST, &what, &scope);
        let answer = self.ask(address, &address.path(&path), &ask, watch)?;
        match answer.status() {
            StatusCode::CREATED if from.is_some() => return Ok(from),
            StatusCode::ACCEPTED => {}
            _ => return Err(answer.problem(&address.name, &what)),
        }
        let place = place(address, &answer)?;
        let ask = |method| Ask::new(method, &what, &scope).with(header::CONTENT_TYPE, "application/octet-stream");
        let (place, last) = if source.size > PIECE {
            (self.pieces(address, place, source, &ask, tell, watch)?, Content::Nothing)
        } else {
            (place, Content::Part { file: source.file, from: 0, length: source.size })
        };
        let last = if source.size == 0 { Content::Nothing } else { last };
        let answer = self.ask_url(address, place.with("digest", &source.digest.to_string()), &ask(Method::PUT).sending(last), watch)?;
        if answer.status() != StatusCode::CREATED {
            return Err(answer.problem(&address.name, &what));
        }
        tell(source.size);
        Ok(None)
    }

    fn pieces<'a>(
        &self,
        address: &Address,
        mut place: Url,
        source: &Source<'a>,
        ask: &dyn Fn(Method) -> Ask<'a>,
        tell: &dyn Fn(u64),
        watch: &Watch<'_>,
    ) -> Result<Url, ImageError> {
        let mut from = 0;
        while from < source.size {
            let length = PIECE.min(source.size - from);
            let part = ask(Method::PATCH)
                .with(header::CONTENT_RANGE, format!("{from}-{}", from + length - 1))
                .sending(Content::Part { file: source.file, from, length });
            let answer = self.ask_url(address, place, &part, watch)?;
            if answer.status() != StatusCode::ACCEPTED {
                return Err(answer.problem(&address.name, &part.what));
            }
            place = self::place(address, &answer)?;
            from += length;
            tell(from);
        }
        Ok(place)
    }

    /// Sends a manifest; what it names must be there.
    pub(crate) fn send_manifest(
        &self,
        address: &Address,
        repository: &Repository,
        tag: &str,
        media_type: &str,
        bytes: &[u8],
        watch: &Watch<'_>,
    ) -> Result<(), ImageError> {
        let what = format!("{}:{tag}", repository.path());
        let ask = Ask::new(Method::PUT, &what, push_scope(repository))
            .with(header::CONTENT_TYPE, media_type)
            .sending(Content::Bytes(bytes));
        let answer = self.ask(address, &address.path(&format!("{}/manifests/{tag}", repository.path())), &ask, watch)?;
        if answer.status() != StatusCode::CREATED {
            return Err(answer.problem(&address.name, &what));
        }
        let name = header::HeaderName::from_static("docker-content-digest");
        match answer.header(name).and_then(|it| it.parse::<Digest>().ok()) {
            Some(found) if found != Digest::of(bytes) => {
                let mismatch = ImageError::Mismatch { what: format!("the manifest {what}"), expected: Digest::of(bytes), found };
                Err(ImageError::registry(&address.name, Problem::Answer(Box::new(mismatch))))
            }
            _ => Ok(()),
        }
    }
}

/// Returns where an upload goes on.
fn place(address: &Address, answer: &Answer) -> Result<Url, ImageError> {
    let to = answer.header(header::LOCATION).unwrap_or_default();
    let url = lead(&address.name, &answer.url, to)?;
    if url.scheme == "http" && answer.url.scheme == "https" {
        return Err(ImageError::registry(&address.name, Problem::Redirect { to: url.text(), why: "away from TLS" }));
    }
    Ok(url)
}

fn push_scope(repository: &Repository) -> String {
    format!("repository:{}:pull,push", repository.path())
}

//! What goes wrong with images.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::digest::Digest;
use crate::registry::chain;

/// What went wrong with an image.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A text is no name of an image.
    #[error("`{text}` is no name of an image: {why}")]
    Reference {
        /// The text.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A text is no digest.
    #[error("`{text}` is no digest: {why}")]
    Digest {
        /// The text.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A text is no platform.
    #[error("`{text}` is no platform: it is written OS/ARCHITECTURE[/VARIANT], such as linux/arm64")]
    Platform {
        /// The text.
        text: String,
    },
    /// An index has no image for a platform.
    #[error("{what} has no image for {wanted}, only for {}", list(offered))]
    NoPlatform {
        /// The index.
        what: String,
        /// The platform.
        wanted: String,
        /// What it has.
        offered: Vec<String>,
    },
    /// Something is not in the form it must have.
    #[error("malformed {what}: {why}")]
    Malformed {
        /// What it should be.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// Bytes are not those that were asked for.
    #[error("{what} has the digest {found}, not {expected}: it was damaged or replaced")]
    Mismatch {
        /// What they should be.
        what: String,
        /// What was asked for.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// A layer has an entry that cannot be unpacked.
    #[error("the layer's entry `{entry}` {why}")]
    Entry {
        /// Its path.
        entry: String,
        /// What is wrong.
        why: String,
    },
    /// The system refused an entry of a layer.
    #[error("the layer's entry `{entry}` cannot be unpacked")]
    Unpack {
        /// Its path.
        entry: String,
        /// What the system answered.
        source: io::Error,
    },
    /// A layer is larger than it may be.
    #[error("the layer {what}, more than the limit of {limit}")]
    TooLarge {
        /// How.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A file or folder failed.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A stream failed.
    #[error("cannot {doing}")]
    Stream {
        /// What was tried.
        doing: &'static str,
        /// What went wrong.
        source: io::Error,
    },
    /// There is no such image.
    #[error("there is no image `{name}`")]
    NoSuchImage {
        /// Its name or id.
        name: String,
    },
    /// The first digits of an id fit several images.
    #[error("`{name}` fits {count} images")]
    Ambiguous {
        /// The digits.
        name: String,
        /// How many.
        count: usize,
    },
    /// An image cannot be removed.
    #[error("the image {image} is {why}")]
    InUse {
        /// The image.
        image: String,
        /// By whom.
        why: String,
    },
    /// Something that a record speaks of is not in the store.
    #[error("the store lacks {what}, which {of} needs: it was damaged; pull or load the image again")]
    Missing {
        /// What.
        what: String,
        /// For what.
        of: String,
    },
    /// A registry did not do what was asked.
    #[error("registry {registry}: {problem}")]
    Registry {
        /// Its host.
        registry: String,
        /// What it did.
        problem: Box<Problem>,
    },
    /// What `--change` says cannot be understood.
    #[error("`{text}`: {why}")]
    Change {
        /// The instruction.
        text: String,
        /// What is wrong.
        why: String,
    },
    /// A file that is copied is not as it must be.
    #[error("`{path}` {why}")]
    Path {
        /// Its path.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// The system refused to copy a file.
    #[error("cannot {doing} `{path}`{}", space(source))]
    Copy {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: String,
        /// What the system answered.
        source: io::Error,
    },
    /// Somebody stopped it.
    #[error("interrupted")]
    Cancelled,
    /// The reader at the other end of a pipe ended, for a reason that it tells itself.
    #[error("nobody reads any more")]
    NobodyReads,
}

/// What a registry did.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Problem {
    /// It has no such thing.
    #[error("it has no {what}{}", in_brackets(details))]
    NotFound {
        /// What was asked for.
        what: String,
        /// Its own words.
        details: String,
    },
    /// It wants to know who asks, or does not let them.
    #[error("it denies access to {what}{}", in_brackets(details))]
    Denied {
        /// What was asked for.
        what: String,
        /// Its own words.
        details: String,
        /// Whether credentials were sent.
        logged_in: bool,
    },
    /// It asks to come back later, and did so too often.
    #[error("it limits the rate of requests; try again in {seconds} s")]
    RateLimited {
        /// What it asks for.
        seconds: u64,
    },
    /// It answered with an unexpected status.
    #[error("it answered {status} to {what}{}", in_brackets(details))]
    Status {
        /// The status.
        status: u16,
        /// What was asked for.
        what: String,
        /// Its own words.
        details: String,
    },
    /// It sent another type than was asked for.
    #[error("it answered with `{found}` where {what} was expected: is it a registry?")]
    ContentType {
        /// What came.
        found: String,
        /// What was asked for.
        what: String,
    },
    /// It sent more or less than it said.
    #[error("{what} has {found} bytes, not {expected}")]
    Length {
        /// What was asked for.
        what: String,
        /// What was said.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// It leads from address to address.
    #[error("it redirects {what} more than {limit} times")]
    Redirects {
        /// What was asked for.
        what: String,
        /// The limit.
        limit: u32,
    },
    /// It leads away from TLS, or to no address.
    #[error("it redirects to `{to}`, {why}")]
    Redirect {
        /// Where to.
        to: String,
        /// What is wrong with that.
        why: &'static str,
    },
    /// The way it wants to be told who asks is not known, or not safe.
    #[error("its way to log in cannot be used: {why}")]
    Challenge {
        /// Why.
        why: String,
    },
    /// It cannot be spoken to.
    #[error("{what} failed")]
    Transport {
        /// What was asked for.
        what: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What it sent cannot be understood.
    #[error(transparent)]
    Answer(Box<ImageError>),
}

impl ImageError {
    /// Writes it with its causes, in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        match self {
            Self::Registry { registry, .. } => format!("registry {registry}: {}", self.problem()),
            other => chain(other),
        }
    }

    /// As [`ImageError::chain`], where which registry it is about is known.
    pub(crate) fn problem(&self) -> String {
        match self {
            Self::Registry { problem, .. } => chain(&**problem),
            other => chain(other),
        }
    }

    /// Makes an error of a file.
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { doing, path, source }
    }

    /// Makes an error of a file, from a system call.
    pub(crate) fn call(doing: &'static str, path: &Path) -> impl FnOnce(rustix::io::Errno) -> Self {
        let made = Self::file(doing, path);
        move |errno| made(errno.into())
    }

    /// Makes an error of a registry.
    pub(crate) fn registry(registry: &str, problem: Problem) -> Self {
        Self::Registry { registry: registry.to_owned(), problem: Box::new(problem) }
    }

    /// Makes an error of a stream; one of ours that went through it comes out again.
    pub(crate) fn stream(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.downcast::<Self>() {
            Ok(ours) => ours,
            Err(source) => Self::Stream { doing, source },
        }
    }

    /// Tells whether the disk was full.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        let full = |source: &io::Error| matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        match self {
            Self::File { source, .. } | Self::Stream { source, .. } | Self::Unpack { source, .. } => full(source),
            _ => false,
        }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none that names its platform".into()
    } else {
        names.join(", ")
    }
}

fn in_brackets(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" ({text})") }
}

fn space(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ": the disk is full; free some of it, then repeat the command",
        _ => "",
    }
}

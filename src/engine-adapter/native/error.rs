//! Errors of the rooms below, as those of an engine.

use std::io;
use std::path::Path;

pub(crate) use rcompose_engine_adapter::Result;
use rcompose_engine_adapter::{EngineError, ErrorKind};
use rcompose_image::{ImageError, Problem};
use rcompose_network::{NetworkError, PortError};
use rcompose_runtime::RuntimeError;
use rcompose_supervise::SuperviseError;

/// Says what was tried with which file.
pub(crate) fn file<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> EngineError + 'a {
    move |error| {
        let kind = match error.kind() {
            io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Other,
        };
        let full = lacks_space(&error);
        let hint = if full {
            ": the disk is full; free some of it, then repeat the command"
        } else {
            ""
        };
        EngineError::new(kind, format!("cannot {doing} {}{hint}", path.display())).caused_by(error)
    }
}

/// Tells whether something failed for want of space.
pub(crate) fn is_full(error: &EngineError) -> bool {
    let cause = std::error::Error::source(error).and_then(|it| it.downcast_ref::<io::Error>());
    cause.is_some_and(lacks_space)
}

fn lacks_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Tells whether words of another process are those of a full disk.
pub(crate) fn tells_of_a_full_disk(words: &str) -> bool {
    words.contains(&io::Error::from(rustix::io::Errno::NOSPC).to_string())
}

/// As [`file`], for what a file holds.
pub(crate) fn malformed(path: &Path, error: serde_json::Error) -> EngineError {
    let message = format!("{} cannot be understood: it is damaged, and there is no copy of it; nothing was changed", path.display());
    EngineError::new(ErrorKind::Other, message).caused_by(error)
}

/// Refuses what another version wrote.
pub(crate) fn newer(what: &str, form: u32) -> EngineError {
    let known = crate::document::FORM;
    conflict(format!(
        "{what} was written by a newer rcompose (form {form}, this one knows {known}); use that version; nothing was changed"
    ))
}

pub(crate) fn absent(what: &str, name: impl std::fmt::Display) -> EngineError {
    EngineError::new(ErrorKind::NotFound, format!("there is no {what} {name}"))
}

pub(crate) fn conflict(message: impl Into<String>) -> EngineError {
    EngineError::new(ErrorKind::Conflict, message)
}

pub(crate) fn invalid(message: impl Into<String>) -> EngineError {
    EngineError::new(ErrorKind::Invalid, message)
}

/// Says what was tried when the room of shims and guardians failed.
pub(crate) fn supervise(doing: &'static str) -> impl FnOnce(SuperviseError) -> EngineError {
    move |error| {
        let kind = match &error {
            SuperviseError::Launch { .. } | SuperviseError::Name { .. } => ErrorKind::Invalid,
            SuperviseError::Refused { .. } => ErrorKind::Conflict,
            SuperviseError::NoGuardian { .. } => ErrorKind::Unreachable,
            _ => ErrorKind::Other,
        };
        EngineError::new(kind, format!("cannot {doing}: {}", error.chain()))
    }
}

/// Says what was tried when the launcher failed.
pub(crate) fn runtime(doing: &'static str) -> impl FnOnce(RuntimeError) -> EngineError {
    move |error| EngineError::new(ErrorKind::Other, format!("cannot {doing}: {}", error.chain()))
}

/// Says what went wrong with an image.
pub(crate) fn image(error: ImageError) -> EngineError {
    let kind = match &error {
        ImageError::NoSuchImage { .. } => ErrorKind::ImageMissing,
        ImageError::InUse { .. } => ErrorKind::Conflict,
        ImageError::Reference { .. } | ImageError::Digest { .. } | ImageError::Platform { .. } => ErrorKind::Invalid,
        ImageError::Registry { problem, .. } => match &**problem {
            Problem::NotFound { .. } => ErrorKind::ImageMissing,
            Problem::Denied { .. } => ErrorKind::Denied,
            // The registry is what cannot be reached, not the engine.
            _ => ErrorKind::Other,
        },
        _ => ErrorKind::Other,
    };
    EngineError::new(kind, error.chain())
}

/// Says what it was about when the room of networks failed.
pub(crate) fn network(what: &str) -> impl FnOnce(NetworkError) -> EngineError + '_ {
    move |error| {
        let kind = match &error {
            NetworkError::Port(PortError::Taken { port, .. }) => ErrorKind::PortTaken { port: *port },
            NetworkError::Port(_) | NetworkError::NoPart { .. } => ErrorKind::Invalid,
            NetworkError::NoKind { .. } => ErrorKind::Unsupported,
            NetworkError::Foreign { .. } | NetworkError::BridgeFull { .. } | NetworkError::InUse { .. } => ErrorKind::Conflict,
            _ => ErrorKind::Other,
        };
        EngineError::new(kind, format!("{what}: {}", rcompose_runtime::chain(&error)))
    }
}

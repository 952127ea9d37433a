//! Errors of an engine: what each kind means for a person, and what helps.

use rcompose_engine_adapter::{EngineError, ErrorKind};

use super::{Entry, cause};
use crate::holder::{Holder, Holders};

/// Puts an engine's error into words; `subject` is what it happened to.
pub(crate) fn entry(error: &EngineError, subject: Option<&str>) -> Entry {
    let title = match subject {
        Some(subject) if !error.message.contains(subject) => format!("{subject}: {}", error.message),
        _ => error.message.clone(),
    };
    let mut entry = Entry::error(title);
    entry.notes.extend(cause(error));
    // Some messages say already what to do.
    if let Some(hint) = hint(&error.kind).filter(|_| !["DOCKER_HOST", "group `docker`"].iter().any(|told| error.message.contains(told))) {
        entry = entry.hint(hint);
    }
    entry
}

/// Adds who has a port, and one that is free.
pub(crate) fn add_holder(mut entry: Entry, subject: &str, port: u16, holders: &Holders) -> Entry {
    let answer = std::mem::replace(&mut entry.title, format!("{subject} cannot start: port {port} is taken"));
    let taken = holders.0.get(&port).cloned().unwrap_or_default();
    match taken.by {
        Some(Holder::Container { name, project: Some(project) }) => {
            entry.notes.push(format!("port {port} is held by container {name} of project {project}"));
        }
        Some(Holder::Container { name, project: None }) => entry.notes.push(format!("port {port} is held by container {name}")),
        Some(Holder::Process { pid, name }) => entry.notes.push(format!("port {port} is held by process {pid} ({name}) of this machine")),
        None => entry.notes.push(format!("who holds port {port} is not to be seen from here")),
    }
    entry.notes.push(format!("the engine said: {answer}"));
    entry.hint = Some(match taken.free {
        Some(free) => format!("end what holds port {port}, or publish another one: {free} is free"),
        None => format!("end what holds port {port}, or publish another one"),
    });
    entry
}

fn hint(kind: &ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::Unreachable => Some(
            "start the engine (on most Linux systems `sudo systemctl start docker`, elsewhere Docker Desktop), \
             or name another one with DOCKER_HOST or DOCKER_CONTEXT",
        ),
        ErrorKind::Denied => Some(
            "for the engine's socket: join the group that owns it (`sudo usermod -aG docker $USER`, then log in again); \
             for a registry: `docker login REGISTRY`",
        ),
        ErrorKind::ImageMissing => {
            Some("check the image's name and tag; for a private one `docker login REGISTRY`; or give the service a `build:`")
        }
        ErrorKind::PortTaken { .. } => Some("end what holds the port, or publish another one"),
        ErrorKind::NotFound | ErrorKind::Conflict | ErrorKind::Unsupported | ErrorKind::Invalid | ErrorKind::Other => None,
    }
}

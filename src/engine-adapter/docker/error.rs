//! The one place that tells what an engine's refusal means.

use std::error::Error as StdError;
use std::io;

use bollard::errors::Error as BollardError;
use rcompose_engine_adapter::{EngineError, ErrorKind};

/// Turns a failure to carry a request, or the engine's answer to it, into an error.
pub(crate) fn engine_error(address: &str, error: BollardError) -> EngineError {
    match error {
        BollardError::DockerResponseServerError { status_code, message } => answered(status_code, &message),
        BollardError::DockerStreamError { error } => said(&error),
        BollardError::RequestTimeoutError => {
            EngineError::new(ErrorKind::Unreachable, format!("the engine at {address} did not answer in time"))
        }
        error => unreachable(address, error),
    }
}

/// Tells what an answer with this status and message means.
pub(crate) fn answered(status: u16, message: &str) -> EngineError {
    let message = message.trim();
    let kind = by_text(message).unwrap_or(match status {
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        401 | 403 => ErrorKind::Denied,
        400 => ErrorKind::Invalid,
        405 | 501 => ErrorKind::Unsupported,
        _ => ErrorKind::Other,
    });
    let message = if message.is_empty() {
        format!("the engine answered with status {status}")
    } else {
        message.to_owned()
    };
    EngineError::new(kind, message)
}

/// Tells what a message within a stream (pull, push, build) means.
pub(crate) fn said(message: &str) -> EngineError {
    let kind = by_text(message).unwrap_or(ErrorKind::Other);
    EngineError::new(kind, message.trim())
}

/// Puts what was tried before what was answered.
pub(crate) fn while_trying(what: &str, error: EngineError) -> EngineError {
    EngineError { message: format!("{what}: {}", error.message), ..error }
}

/// Texts that say more than the status does. Source: answers of Docker Engine 20.10 and 28.5.
fn by_text(message: &str) -> Option<ErrorKind> {
    let lower = message.to_ascii_lowercase();
    let has = |text: &str| lower.contains(text);
    if let Some(port) = taken_port(message) {
        return Some(ErrorKind::PortTaken { port });
    }
    if has("no such image") || has("manifest unknown") || has("no matching manifest") || has("repository does not exist") {
        return Some(ErrorKind::ImageMissing);
    }
    if lower.starts_with("manifest for ") && has(" not found") {
        return Some(ErrorKind::ImageMissing);
    }
    if has("unauthorized") || has("authentication required") || has("no basic auth credentials") || has("access to the resource is denied")
    {
        return Some(ErrorKind::Denied);
    }
    if has("has active endpoints") || has("already exists in network") || has("is already in use") {
        return Some(ErrorKind::Conflict);
    }
    if has("is not connected to") {
        return Some(ErrorKind::NotFound);
    }
    if lower.starts_with("network ") && has(" not found") || has("no such network") || has("no such volume") || has("no such container") {
        return Some(ErrorKind::NotFound);
    }
    None
}

/// Finds the port of the host in a message that says it is taken.
fn taken_port(message: &str) -> Option<u16> {
    if !message.contains("port is already allocated") && !message.contains("address already in use") {
        return None;
    }
    const LEADS: [&str; 10] = [
        "Bind for ",
        "listen tcp4 ",
        "listen tcp6 ",
        "listen tcp ",
        "listen udp4 ",
        "listen udp6 ",
        "listen udp ",
        "listen sctp ",
        "host port for ",
        "host port ",
    ];
    LEADS.iter().find_map(|lead| {
        let (_, after) = message.split_once(lead)?;
        let token = after.split_whitespace().next()?;
        port_of(token)
    })
}

/// Reads the port of `0.0.0.0:80`, `[::]:80`, `0.0.0.0:80:172.17.0.2:80/tcp`, `:80` or `80/tcp`.
fn port_of(token: &str) -> Option<u16> {
    let after_host = match token.strip_prefix('[') {
        Some(rest) => rest.split_once("]:")?.1,
        // An IPv6 address without brackets, as in `:::80`: the port comes last.
        None if token.split_once("::").is_some_and(|(before, _)| !before.contains('.')) => token.rsplit_once(':')?.1,
        None => token.split_once(':').map_or(token, |(_, port)| port),
    };
    let digits: &str = after_host.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// Tells that the engine cannot be reached, why, and what to do.
pub(crate) fn unreachable(address: &str, error: BollardError) -> EngineError {
    if let BollardError::SocketNotFoundError(_) = &error {
        return absent(address).caused_by(error);
    }
    told(address, io_kind(&error)).caused_by(error)
}

/// Tells the same of a connection that this crate made itself.
pub(crate) fn io_error(address: &str, error: io::Error) -> EngineError {
    told(address, Some(error.kind())).caused_by(error)
}

fn told(address: &str, kind: Option<io::ErrorKind>) -> EngineError {
    match kind {
        Some(io::ErrorKind::NotFound) => absent(address),
        Some(io::ErrorKind::ConnectionRefused) => EngineError::new(
            ErrorKind::Unreachable,
            format!("nothing listens at {address}; start the engine (for example `systemctl start docker`) or set DOCKER_HOST"),
        ),
        Some(io::ErrorKind::PermissionDenied) => EngineError::new(
            ErrorKind::Denied,
            format!("no permission to use the engine at {address}; join the group `docker`, or run as a user who may"),
        ),
        _ => EngineError::new(ErrorKind::Unreachable, format!("the engine at {address} did not answer")),
    }
}

fn absent(address: &str) -> EngineError {
    EngineError::new(
        ErrorKind::Unreachable,
        format!("there is no engine at {address}; install or start Docker, or set DOCKER_HOST to where it is"),
    )
}

/// Finds the system's error below bollard's and hyper's.
fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_found_in_every_wording() {
        let cases = [
            "driver failed programming external connectivity on endpoint web (3f): Bind for 0.0.0.0:8080 failed: port is already allocated",
            "driver failed programming external connectivity on endpoint web (3f): Error starting userland proxy: listen tcp4 0.0.0.0:8080: bind: address already in use",
            "Error starting userland proxy: listen tcp6 [::]:8080: bind: address already in use",
            "failed to set up container networking: driver failed programming external connectivity on endpoint web (3f): failed to bind host port for 0.0.0.0:8080:172.18.0.2:80/tcp: address already in use",
            "failed to bind host port 0.0.0.0:8080/tcp: address already in use",
            "failed to bind host port for 0.0.0.0:8080:[fd00::2]:80/tcp: address already in use",
            "driver failed programming external connectivity on endpoint web (3f): Bind for :::8080 failed: port is already allocated",
        ];
        for case in cases {
            assert_eq!(answered(500, case).kind, ErrorKind::PortTaken { port: 8080 }, "{case}");
        }
        assert_eq!(answered(500, "address already in use").kind, ErrorKind::Other);
    }

    #[test]
    fn texts_say_more_than_the_status() {
        let cases = [
            (404, "No such image: nope:latest", ErrorKind::ImageMissing),
            (404, "No such container: x", ErrorKind::NotFound),
            (
                404,
                "pull access denied for nope, repository does not exist or may require 'docker login'",
                ErrorKind::ImageMissing,
            ),
            (403, "error while removing network: network n id 1 has active endpoints", ErrorKind::Conflict),
            (500, "container 1 is not connected to network n", ErrorKind::NotFound),
            (401, "", ErrorKind::Denied),
            (400, "invalid mount config", ErrorKind::Invalid),
            (501, "", ErrorKind::Unsupported),
            (500, "manifest for x:1 not found: manifest unknown", ErrorKind::ImageMissing),
        ];
        for (status, message, kind) in cases {
            assert_eq!(answered(status, message).kind, kind, "{message}");
        }
        assert_eq!(answered(500, "").message, "the engine answered with status 500");
    }
}

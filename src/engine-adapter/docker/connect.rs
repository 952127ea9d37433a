//! Where an engine is, and the first words with it.

use std::path::PathBuf;
use std::time::Duration;

use bollard::ClientVersion;
use rcompose_engine_adapter::{EngineError, EngineInfo, ErrorKind, Result};
use serde::Deserialize;

use crate::error::unreachable;
use crate::transport::{Api, Call};
use crate::version::ApiVersion;

/// Where an engine is and how to speak with it; made by the caller from flags, environment and docker contexts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Where the engine listens.
    pub endpoint: Endpoint,
    /// The docker configuration folder, for registry credentials; `None` is to use none.
    pub config: Option<PathBuf>,
}

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket.
    Unix(PathBuf),
    /// A named pipe of Windows.
    Npipe(String),
    /// `host:port`.
    Tcp {
        /// Host and port.
        address: String,
        /// Certificates; `None` is plain text.
        tls: Option<Tls>,
    },
}

/// Certificates for an engine that listens behind TLS. Source: `DOCKER_CERT_PATH` holds `ca.pem`, `cert.pem`, `key.pem`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Authority that signed the engine's certificate.
    pub ca: PathBuf,
    /// This client's certificate.
    pub cert: PathBuf,
    /// This client's key.
    pub key: PathBuf,
}

impl Endpoint {
    /// Reads an address as in `DOCKER_HOST`; `tls` counts for TCP only.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for `ssh://` and [`ErrorKind::Invalid`] for anything else unknown.
    pub fn parse(text: &str, tls: Option<Tls>) -> Result<Self> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(malformed(text));
        };
        match scheme {
            "unix" if !rest.is_empty() => Ok(Self::Unix(PathBuf::from(rest))),
            "npipe" if !rest.is_empty() => Ok(Self::Npipe(rest.to_owned())),
            "tcp" | "http" if !rest.is_empty() => Ok(Self::Tcp { address: with_port(rest, tls.is_some()), tls }),
            "https" if tls.is_some() => Ok(Self::Tcp { address: with_port(rest, true), tls }),
            "ssh" => Err(EngineError::new(
                ErrorKind::Unsupported,
                format!("the engine address {text}: ssh:// is not supported; forward the socket with `ssh -L` and use unix://"),
            )),
            _ => Err(malformed(text)),
        }
    }

    /// Returns the engine's default address on this system.
    pub fn local() -> Self {
        if cfg!(windows) {
            Self::Npipe("//./pipe/docker_engine".to_owned())
        } else {
            Self::Unix(PathBuf::from("/var/run/docker.sock"))
        }
    }

    /// Returns the address as a user writes it.
    pub fn to_text(&self) -> String {
        match self {
            Self::Unix(path) => format!("unix://{}", path.display()),
            Self::Npipe(path) => format!("npipe://{path}"),
            Self::Tcp { address, .. } => format!("tcp://{address}"),
        }
    }
}

fn malformed(text: &str) -> EngineError {
    EngineError::new(
        ErrorKind::Invalid,
        format!("the engine address `{text}` is malformed; expected unix:///path, tcp://host:port or npipe:////./pipe/name"),
    )
}

/// Adds docker's default port.
fn with_port(address: &str, tls: bool) -> String {
    let address = address.trim_end_matches('/');
    let host_end = address.rfind(']').map_or(0, |end| end + 1);
    if address[host_end..].contains(':') {
        address.to_owned()
    } else {
        format!("{address}:{}", if tls { 2376 } else { 2375 })
    }
}

/// What `/version` says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    #[serde(default)]
    version: String,
    #[serde(default)]
    api_version: String,
    #[serde(default, rename = "MinAPIVersion")]
    min_api_version: String,
    #[serde(default)]
    os: String,
}

/// Time for the engine's first answer; a local one takes a millisecond, and nobody waits longer for a remote one.
const FIRST_ANSWER: Duration = Duration::from_secs(20);

/// Connects and settles the API version.
pub(crate) async fn connect(endpoint: &Endpoint) -> Result<(Api, EngineInfo)> {
    let client = client(endpoint)?;
    let mut api = Api::new(client, endpoint.clone());
    let version: Version = api.json(Call::get("/version").within(FIRST_ANSWER)).await?;
    let spoken = negotiate(&version)?;
    api.set_version(spoken);
    let info = EngineInfo {
        name: "docker".to_owned(),
        version: version.version,
        api: spoken.to_string(),
        features: spoken.features(&version.os),
    };
    Ok((api, info))
}

fn negotiate(version: &Version) -> Result<ApiVersion> {
    let unreadable = || {
        let message = format!("the engine names the API version `{}`, which is none", version.api_version);
        EngineError::new(ErrorKind::Unsupported, message)
    };
    let server: ApiVersion = version.api_version.parse().map_err(|_| unreadable())?;
    let (oldest, newest) = (ApiVersion::OLDEST, ApiVersion::NEWEST);
    if server < oldest {
        let message = format!(
            "the engine {} speaks API {server}, and rcompose needs {oldest} or newer; update the engine to Docker 20.10 or newer",
            version.version
        );
        return Err(EngineError::new(ErrorKind::Unsupported, message));
    }
    // An engine that no longer speaks what this client knows.
    if let Ok(least) = version.min_api_version.parse::<ApiVersion>()
        && least > newest
    {
        let message = format!(
            "the engine {} speaks API {least} or newer, and this rcompose {newest} or older; update rcompose",
            version.version
        );
        return Err(EngineError::new(ErrorKind::Unsupported, message));
    }
    Ok(server.min(newest))
}

fn client(endpoint: &Endpoint) -> Result<bollard::Docker> {
    // The version here only shapes bollard's own addresses, which the transport rewrites.
    let version = ClientVersion { major_version: 1, minor_version: 41 };
    let made = match endpoint {
        #[cfg(unix)]
        Endpoint::Unix(path) => bollard::Docker::connect_with_unix(&path.to_string_lossy(), 0, &version),
        #[cfg(windows)]
        Endpoint::Npipe(path) => bollard::Docker::connect_with_named_pipe(path, 0, &version),
        Endpoint::Tcp { address, tls: None } => bollard::Docker::connect_with_http(address, 0, &version),
        Endpoint::Tcp { address, tls: Some(_) } => {
            let message = format!("the engine address tcp://{address}: TLS is not in this version; use ssh -L or a local socket");
            return Err(EngineError::new(ErrorKind::Unsupported, message));
        }
        other => {
            let message = format!("the engine address {} cannot be used on this system", other.to_text());
            return Err(EngineError::new(ErrorKind::Unsupported, message));
        }
    };
    made.map_err(|error| unreachable(&endpoint.to_text(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(api: &str, least: &str) -> Version {
        Version { version: "x".into(), api_version: api.into(), min_api_version: least.into(), os: "linux".into() }
    }

    #[test]
    fn the_version_lies_between_both_sides() {
        assert_eq!(negotiate(&version("1.41", "1.12")).expect("spoken").to_string(), "1.41");
        assert_eq!(negotiate(&version("1.44", "1.24")).expect("spoken").to_string(), "1.44");
        assert_eq!(negotiate(&version("1.60", "1.44")).expect("spoken").to_string(), "1.51");
        let old = negotiate(&version("1.40", "1.12")).expect_err("too old");
        assert_eq!(old.kind, ErrorKind::Unsupported);
        assert!(old.message.contains("1.40") && old.message.contains("1.41") && old.message.contains("update"), "{old}");
        let new = negotiate(&version("1.70", "1.52")).expect_err("too new");
        assert!(new.message.contains("1.52") && new.message.contains("1.51"), "{new}");
        assert!(negotiate(&version("", "")).is_err());
    }

    #[test]
    fn addresses_are_read_as_docker_does() {
        let parse = |text: &str| Endpoint::parse(text, None).map(|endpoint| endpoint.to_text());
        assert_eq!(parse("unix:///run/docker.sock").expect("unix"), "unix:///run/docker.sock");
        assert_eq!(parse("tcp://127.0.0.1").expect("tcp"), "tcp://127.0.0.1:2375");
        assert_eq!(parse("tcp://[::1]").expect("tcp"), "tcp://[::1]:2375");
        assert_eq!(parse("tcp://host:99/").expect("tcp"), "tcp://host:99");
        assert_eq!(parse("ssh://me@host").expect_err("ssh").kind, ErrorKind::Unsupported);
        for bad in ["", "unix://", "host:2375", "gopher://x", "https://x"] {
            assert_eq!(parse(bad).expect_err(bad).kind, ErrorKind::Invalid);
        }
    }
}

//! Credentials for registries, in the form in which the API takes them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use rcompose_credentials::{Credentials, CredentialsError, DOCKER_IO, DockerConfig};
use rcompose_engine_adapter::{EngineError, ErrorKind, Result};
use serde::Serialize;

/// Credentials for one registry, as the API takes them.
#[derive(Serialize, Default)]
struct AuthConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identitytoken: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registrytoken: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serveraddress: Option<String>,
}

impl AuthConfig {
    fn new(found: Credentials, server: &str) -> Self {
        Self {
            username: found.username,
            password: found.password,
            identitytoken: found.identity_token,
            registrytoken: found.registry_token,
            serveraddress: Some(server.to_owned()),
        }
    }
}

/// Returns the value of `X-Registry-Auth` for a registry; without credentials that of an empty object.
pub(crate) async fn header(folder: Option<&PathBuf>, registry: &str) -> Result<String> {
    let registry = registry.to_owned();
    let found = in_background(folder, move |config| {
        let server = if registry == "docker.io" { DOCKER_IO } else { &registry };
        Ok(config.find(&registry).map_err(engine_error)?.map(|it| AuthConfig::new(it, server)))
    });
    Ok(encode(&found.await?.unwrap_or_default()))
}

/// Returns the value of `X-Registry-Config`: credentials for every registry known, since a build may pull from any; and what
/// went wrong with some of them, which concerns only a build that needs them.
pub(crate) async fn headers(folder: Option<&PathBuf>) -> Result<(String, Vec<EngineError>)> {
    let (all, failures) = in_background(folder, |config| Ok(config.all())).await?;
    let all: BTreeMap<String, AuthConfig> = all
        .into_iter()
        .map(|(server, found)| {
            let entry = AuthConfig::new(found, &server);
            (server, entry)
        })
        .collect();
    Ok((encode(&all), failures.into_iter().map(engine_error).collect()))
}

fn encode(value: &impl Serialize) -> String {
    URL_SAFE.encode(serde_json::to_vec(value).unwrap_or_default())
}

/// Reads the configuration and asks helpers away from the async threads.
async fn in_background<T: Default + Send + 'static>(
    folder: Option<&PathBuf>,
    work: impl FnOnce(DockerConfig) -> Result<T> + Send + 'static,
) -> Result<T> {
    let Some(folder) = folder.cloned() else { return Ok(T::default()) };
    let task = tokio::task::spawn_blocking(move || work(DockerConfig::read(&folder).map_err(engine_error)?));
    task.await
        .unwrap_or_else(|error| Err(EngineError::new(ErrorKind::Other, "reading registry credentials failed").caused_by(error)))
}

fn engine_error(error: CredentialsError) -> EngineError {
    let message = error.to_string();
    let (kind, cause) = match error {
        CredentialsError::Malformed { .. } | CredentialsError::Entry { .. } => (ErrorKind::Invalid, None),
        CredentialsError::File { source, .. } => (ErrorKind::Invalid, Some(source)),
        CredentialsError::HelperPath { .. } => (ErrorKind::Denied, None),
        CredentialsError::Helper { source, .. } => (ErrorKind::Denied, source),
    };
    let told = EngineError::new(kind, message);
    match cause {
        Some(cause) => told.caused_by(cause),
        None => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_header_has_what_is_known_and_is_safe_in_an_address() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = r#"{"auths": {"host:5000": {"username": "u", "password": "???>>>~~~"}, "bad": {"auth": "c2VjcmV0"}}}"#;
        std::fs::write(folder.path().join("config.json"), text).expect("a file");
        let path = folder.path().to_owned();
        let text = header(Some(&path), "host:5000").await.expect("a header");
        assert!(!text.contains(['+', '/']), "{text}");
        let decoded = URL_SAFE.decode(text).expect("base64");
        assert_eq!(decoded, br#"{"username":"u","password":"???>>>~~~","serveraddress":"host:5000"}"#);
        let (all, failures) = headers(Some(&path)).await.expect("headers");
        assert_eq!((URL_SAFE.decode(all).expect("base64").starts_with(br#"{"host:5000":{"#), failures.len()), (true, 1));
        assert_eq!(failures[0].kind, ErrorKind::Invalid);
        let nobody = header(Some(&path), "docker.io").await.expect("a header");
        assert_eq!(URL_SAFE.decode(nobody).expect("base64"), b"{}");
    }
}

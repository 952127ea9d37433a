//! `config.json`, as far as it is about registries.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::error::CredentialsError;
use crate::keychain;

/// Docker's own registry as `config.json` names it.
pub const DOCKER_IO: &str = "https://index.docker.io/v1/";

/// The part of `config.json` about registries.
#[derive(Deserialize, Default, Clone)]
#[serde(default, rename_all = "camelCase")]
pub struct DockerConfig {
    auths: Option<BTreeMap<String, Entry>>,
    creds_store: Option<String>,
    cred_helpers: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize, Default, Clone)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// Credentials for one registry.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who asks.
    pub username: Option<String>,
    /// Their password, or a token that takes its place.
    pub password: Option<String>,
    /// A token that is exchanged for others. Source: distribution, "OAuth2 Token Authentication", `refresh_token`.
    pub identity_token: Option<String>,
    /// A token that is sent as it is.
    pub registry_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

impl fmt::Debug for DockerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DockerConfig").finish_non_exhaustive()
    }
}

impl DockerConfig {
    /// Reads `config.json` of a folder; where there is none, nothing is known.
    pub fn read(folder: &Path) -> Result<Self, CredentialsError> {
        let path = folder.join("config.json");
        match std::fs::read(&path) {
            Ok(bytes) if bytes.trim_ascii().is_empty() => Ok(Self::default()),
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| CredentialsError::Malformed {
                path,
                line: error.line(),
                column: error.column(),
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(CredentialsError::File { path, what: "read", source }),
        }
    }

    /// Finds the credentials for a registry, `docker.io` or `HOST[:PORT]`; asks its helper first.
    pub fn find(&self, registry: &str) -> Result<Option<Credentials>, CredentialsError> {
        let server = server(registry);
        if let Some(helper) = self.helper(server)
            && let Some(found) = keychain::get(&keychain::program(helper)?, server)?
        {
            return Ok(Some(found));
        }
        let entry = self.auths.iter().flatten().find(|(key, _)| host(key) == host(server));
        entry.map_or(Ok(None), |(_, entry)| entry.credentials(server))
    }

    /// Finds credentials for every registry that is named, by the names that docker's API uses; and what went wrong with some,
    /// which concerns only who needs them.
    #[must_use]
    pub fn all(&self) -> (BTreeMap<String, Credentials>, Vec<CredentialsError>) {
        let (mut found, mut failures) = (BTreeMap::new(), Vec::new());
        let servers: BTreeSet<&str> = self
            .auths
            .iter()
            .flat_map(BTreeMap::keys)
            .chain(self.cred_helpers.iter().flat_map(BTreeMap::keys))
            .map(|key| host(key))
            .collect();
        for server in servers {
            let is_docker = server == host(DOCKER_IO);
            match self.find(if is_docker { "docker.io" } else { server }) {
                Ok(Some(credentials)) => {
                    found.insert(if is_docker { DOCKER_IO } else { server }.to_owned(), credentials);
                }
                Ok(None) => {}
                Err(error) => failures.push(error),
            }
        }
        (found, failures)
    }

    /// Returns the name of the helper that keeps a registry's credentials.
    pub(crate) fn helper(&self, server: &str) -> Option<&String> {
        let named = self.cred_helpers.iter().flatten().find(|(key, _)| host(key) == host(server));
        named.map(|(_, helper)| helper).or(self.creds_store.as_ref()).filter(|helper| !helper.is_empty())
    }
}

impl Entry {
    fn credentials(&self, server: &str) -> Result<Option<Credentials>, CredentialsError> {
        let (mut username, mut password) = (self.username.clone(), self.password.clone());
        if let Some(auth) = self.auth.as_ref().filter(|auth| !auth.is_empty()) {
            let malformed = || CredentialsError::Entry { server: server.to_owned() };
            let text = STANDARD.decode(auth).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(malformed)?;
            let (user, secret) = text.split_once(':').ok_or_else(malformed)?;
            username = Some(user.to_owned());
            password = Some(secret.trim_end_matches('\0').to_owned());
        }
        let found = Credentials {
            username,
            password,
            identity_token: self.identitytoken.clone().filter(|token| !token.is_empty()),
            registry_token: self.registrytoken.clone().filter(|token| !token.is_empty()),
        };
        Ok(Some(found).filter(|found| *found != Credentials::default()))
    }
}

/// Returns the name by which helpers and `auths` know a registry.
pub(crate) fn server(registry: &str) -> &str {
    if host(registry) == host(DOCKER_IO) { DOCKER_IO } else { registry }
}

/// Returns the host that a key of `config.json` names, with or without scheme and path.
pub(crate) fn host(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    match key.split('/').next().unwrap_or(key) {
        "docker.io" | "registry-1.docker.io" => "index.docker.io",
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> DockerConfig {
        serde_json::from_str(text).expect("a configuration")
    }

    #[test]
    fn credentials_are_found_by_host() {
        let config = config(
            r#"{"auths": {
                "https://index.docker.io/v1/": {"auth": "bWU6c2VjcmV0OjE="},
                "https://ghcr.io/v2/": {"identitytoken": "t"},
                "host:5000": {"username": "u", "password": "p"},
                "empty.example": {}
            }}"#,
        );
        let docker = config.find("docker.io").expect("readable").expect("found");
        assert_eq!((docker.username.as_deref(), docker.password.as_deref()), (Some("me"), Some("secret:1")));
        assert_eq!(config.find("ghcr.io").expect("readable").expect("found").identity_token.as_deref(), Some("t"));
        assert_eq!(config.find("host:5000").expect("readable").expect("found").username.as_deref(), Some("u"));
        assert!(config.find("empty.example").expect("readable").is_none());
        assert!(config.find("other.example").expect("readable").is_none());
        let (all, failures) = config.all();
        assert_eq!(all.keys().map(String::as_str).collect::<Vec<_>>(), ["ghcr.io", "host:5000", DOCKER_IO]);
        assert!(failures.is_empty());
        assert!(!format!("{docker:?}{config:?}").contains("secret"), "no secret is shown");
    }

    #[test]
    fn broken_credentials_are_named_without_being_shown() {
        let _alone = keychain::STARTING.lock();
        let error = config(r#"{"auths": {"h": {"auth": "c2VjcmV0"}}}"#).find("h").expect_err("no colon").to_string();
        assert!(error.contains("for h in") && !error.contains("c2VjcmV0"), "{error}");
        let error = config(r#"{"credsStore": "rcompose-none"}"#).find("h").expect_err("no helper");
        assert!(
            matches!(&error, CredentialsError::Helper { program, .. } if program == "docker-credential-rcompose-none"),
            "{error}"
        );
        assert!(matches!(config(r#"{"credsStore": "../x"}"#).find("h"), Err(CredentialsError::HelperPath { .. })));
        let (all, failures) = config(r#"{"auths": {"a": {"username": "u"}}, "credHelpers": {"b": "rcompose-none"}}"#).all();
        assert_eq!((all.len(), failures.len()), (1, 1), "one broken helper does not cost the others");
    }

    #[test]
    fn a_configuration_that_says_nothing_is_none() {
        for text in ["{}", r#"{"auths": null, "credHelpers": null, "credsStore": ""}"#] {
            assert!(config(text).find("docker.io").expect("readable").is_none(), "{text}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        assert!(DockerConfig::read(folder.path()).is_ok());
        std::fs::write(folder.path().join("config.json"), "\n").expect("a file");
        assert!(DockerConfig::read(folder.path()).is_ok());
        std::fs::write(folder.path().join("config.json"), r#"{"auths": {"h": {"auth": 12345}}}"#).expect("a file");
        let error = DockerConfig::read(folder.path()).expect_err("malformed").to_string();
        assert!(error.contains("line 1") && !error.contains("12345"), "{error}");
    }
}

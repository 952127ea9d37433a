//! Credentials for registries, from the docker configuration folder. They are sent, and never shown.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use rcompose_engine_adapter::{EngineError, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// Docker's own registry as `config.json` names it.
const DOCKER_IO: &str = "https://index.docker.io/v1/";

/// The part of `config.json` about registries.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Config {
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

/// What a helper answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Credentials for one registry, as the API takes them.
#[derive(Serialize, Default, Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
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

/// Returns the value of `X-Registry-Auth` for a registry; without credentials that of an empty object.
pub(crate) async fn header(folder: Option<&PathBuf>, registry: &str) -> Result<String> {
    let registry = registry.to_owned();
    let found = in_background(folder, move |config| config.find(&registry)).await?;
    Ok(encode(&found.unwrap_or_default()))
}

/// Returns the value of `X-Registry-Config`: credentials for every registry known, since a build may pull from any; and what
/// went wrong with some of them, which concerns only a build that needs them.
pub(crate) async fn headers(folder: Option<&PathBuf>) -> Result<(String, Vec<EngineError>)> {
    let (all, failures) = in_background(folder, |config| Ok(config.all())).await?;
    Ok((encode(&all), failures))
}

fn encode(value: &impl Serialize) -> String {
    URL_SAFE.encode(serde_json::to_vec(value).unwrap_or_default())
}

/// Reads the configuration and asks helpers away from the async threads.
async fn in_background<T: Default + Send + 'static>(
    folder: Option<&PathBuf>,
    work: impl FnOnce(Config) -> Result<T> + Send + 'static,
) -> Result<T> {
    let Some(folder) = folder.cloned() else { return Ok(T::default()) };
    let task = tokio::task::spawn_blocking(move || work(Config::read(&folder)?));
    task.await
        .unwrap_or_else(|error| Err(EngineError::new(ErrorKind::Other, "reading registry credentials failed").caused_by(error)))
}

impl Config {
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let denied = |what: &str| EngineError::new(ErrorKind::Invalid, format!("{} cannot be {what}", path.display()));
        match std::fs::read(&path) {
            // The parser's error may quote the text, which may be a secret: only where it is goes on.
            Ok(bytes) if bytes.trim_ascii().is_empty() => Ok(Self::default()),
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| denied(&format!("understood as JSON (line {}, column {})", error.line(), error.column()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(denied("read").caused_by(error)),
        }
    }

    fn find(&self, registry: &str) -> Result<Option<Credentials>> {
        let server = if registry == "docker.io" { DOCKER_IO } else { registry };
        let named = self
            .cred_helpers
            .iter()
            .flatten()
            .find(|(key, _)| host(key) == host(server))
            .map(|(_, helper)| helper);
        if let Some(helper) = named.or(self.creds_store.as_ref()).filter(|helper| !helper.is_empty())
            && let Some(found) = ask(&program(helper)?, server)?
        {
            return Ok(Some(found));
        }
        let entry = self.auths.iter().flatten().find(|(key, _)| host(key) == host(server));
        entry.map_or(Ok(None), |(_, entry)| entry.credentials(server))
    }

    fn all(&self) -> (BTreeMap<String, Credentials>, Vec<EngineError>) {
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
}

impl Entry {
    fn credentials(&self, server: &str) -> Result<Option<Credentials>> {
        let (mut username, mut password) = (self.username.clone(), self.password.clone());
        if let Some(auth) = self.auth.as_ref().filter(|auth| !auth.is_empty()) {
            let malformed = || EngineError::new(ErrorKind::Invalid, format!("the credentials for {server} in config.json are malformed"));
            let text = STANDARD.decode(auth).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(malformed)?;
            let (user, secret) = text.split_once(':').ok_or_else(malformed)?;
            username = Some(user.to_owned());
            password = Some(secret.trim_end_matches('\0').to_owned());
        }
        let found = Credentials {
            username,
            password,
            identitytoken: self.identitytoken.clone().filter(|token| !token.is_empty()),
            registrytoken: self.registrytoken.clone().filter(|token| !token.is_empty()),
            serveraddress: Some(server.to_owned()),
        };
        let empty = Credentials { serveraddress: found.serveraddress.clone(), ..Credentials::default() };
        Ok(Some(found).filter(|found| *found != empty))
    }
}

/// Returns the host that a key of `config.json` names, with or without scheme and path.
fn host(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    match key.split('/').next().unwrap_or(key) {
        "docker.io" | "registry-1.docker.io" => "index.docker.io",
        host => host,
    }
}

/// Names a helper's program, which is found on the search path only.
fn program(helper: &str) -> Result<PathBuf> {
    if helper.contains(['/', '\\']) {
        return Err(EngineError::new(
            ErrorKind::Denied,
            format!("the credential helper `{helper}` is named with a path in config.json"),
        ));
    }
    Ok(PathBuf::from(format!("docker-credential-{helper}")))
}

/// Asks a helper, a program `docker-credential-NAME`. Source: docker-credential-helpers, protocol of `get`.
fn ask(program: &Path, server: &str) -> Result<Option<Credentials>> {
    let failed = |what: String| EngineError::new(ErrorKind::Denied, format!("the credential helper {} {what}", program.display()));
    let mut command = Command::new(program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command
        .spawn()
        .map_err(|error| failed("named in config.json cannot be started".to_owned()).caused_by(error))?;
    if let Some(mut input) = child.stdin.take() {
        // A helper may answer without reading; what counts is its answer.
        let _unread = input.write_all(server.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| failed("did not end".to_owned()).caused_by(error))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stdout);
        if text.contains("credentials not found") {
            return Ok(None);
        }
        return Err(failed(format!("failed for {server} ({})", output.status)));
    }
    let answer: Answer = serde_json::from_slice(&output.stdout).map_err(|_| failed(format!("gave no credentials for {server}")))?;
    let serveraddress = Some(server.to_owned());
    // The protocol's mark for a token in place of a password.
    Ok(Some(if answer.username == "<token>" {
        Credentials { identitytoken: Some(answer.secret), serveraddress, ..Credentials::default() }
    } else {
        Credentials {
            username: Some(answer.username),
            password: Some(answer.secret),
            serveraddress,
            ..Credentials::default()
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that starts while a program is being written holds it open, and the program cannot run: one at a time.
    static STARTING: std::sync::Mutex<()> = std::sync::Mutex::new(());

    fn config(text: &str) -> Config {
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
        assert_eq!(config.find("ghcr.io").expect("readable").expect("found").identitytoken.as_deref(), Some("t"));
        assert_eq!(config.find("host:5000").expect("readable").expect("found").username.as_deref(), Some("u"));
        assert!(config.find("empty.example").expect("readable").is_none());
        assert!(config.find("other.example").expect("readable").is_none());
        let (all, failures) = config.all();
        assert_eq!(all.keys().map(String::as_str).collect::<Vec<_>>(), ["ghcr.io", "host:5000", DOCKER_IO]);
        assert!(failures.is_empty());
    }

    #[test]
    fn broken_credentials_are_named_without_being_shown() {
        let _alone = STARTING.lock();
        let error = config(r#"{"auths": {"h": {"auth": "c2VjcmV0"}}}"#).find("h").err().expect("no colon");
        assert!(error.message.contains('h') && !error.message.contains("c2VjcmV0"), "{error}");
        let error = config(r#"{"credsStore": "rcompose-none"}"#).find("h").err().expect("no helper");
        assert!(error.message.contains("docker-credential-rcompose-none") && error.kind == ErrorKind::Denied);
        let (all, failures) = config(r#"{"auths": {"a": {"username": "u"}}, "credHelpers": {"b": "rcompose-none"}}"#).all();
        assert_eq!((all.len(), failures.len()), (1, 1), "one broken helper does not cost the others");
    }

    #[test]
    fn a_configuration_that_says_nothing_is_none() {
        for text in ["{}", r#"{"auths": null, "credHelpers": null, "credsStore": ""}"#] {
            assert!(config(text).find("docker.io").expect("readable").is_none(), "{text}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        assert!(Config::read(folder.path()).is_ok());
        std::fs::write(folder.path().join("config.json"), "\n").expect("a file");
        assert!(Config::read(folder.path()).is_ok());
        std::fs::write(folder.path().join("config.json"), r#"{"auths": {"h": {"auth": 12345}}}"#).expect("a file");
        let error = Config::read(folder.path()).err().expect("malformed");
        assert!(error.message.contains("line 1") && !error.message.contains("12345"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_helper_is_asked_and_its_token_taken() {
        use std::os::unix::fs::PermissionsExt;
        let _alone = STARTING.lock();
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("docker-credential-x");
        let text = "#!/bin/sh\nread server\n[ \"$1 $server\" = 'get h:1' ] || { echo credentials not found; exit 1; }\necho '{\"Username\":\"<token>\",\"Secret\":\"t\"}'\n";
        std::fs::write(&program, text).expect("a file");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("a mode");
        let found = ask(&program, "h:1").expect("an answer").expect("found");
        assert_eq!((found.identitytoken.as_deref(), found.password), (Some("t"), None));
        assert!(ask(&program, "h:2").expect("an answer").is_none());
    }

    #[test]
    fn the_header_is_safe_in_an_address() {
        let found = Credentials { password: Some("???>>>~~~".into()), ..Credentials::default() };
        let text = encode(&found);
        assert!(!text.contains(['+', '/']), "{text}");
        assert_eq!(URL_SAFE.decode(text).expect("base64"), br#"{"password":"???>>>~~~"}"#);
    }
}

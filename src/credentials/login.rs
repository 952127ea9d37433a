//! Stores and erases credentials, in the ways of `docker login` and `docker logout`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::config::{Credentials, DockerConfig, host, server};
use crate::error::CredentialsError;
use crate::keychain;

/// Where credentials are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// In `config.json`, readable by its owner.
    File(PathBuf),
    /// With a helper.
    Helper(String),
}

/// Keeps the credentials for a registry, with its helper if there is one.
pub fn store(folder: &Path, registry: &str, credentials: &Credentials) -> Result<Kept, CredentialsError> {
    let server = server(registry);
    let config = DockerConfig::read(folder)?;
    if let Some(name) = config.helper(server) {
        keychain::store(&keychain::program(name)?, server, credentials)?;
        // The empty entry tells others that the helper has something.
        change(folder, |auths| put(auths, server, json!({})))?;
        return Ok(Kept::Helper(name.clone()));
    }
    let mut entry = Map::new();
    if let (Some(user), Some(password)) = (&credentials.username, &credentials.password) {
        entry.insert("auth".into(), STANDARD.encode(format!("{user}:{password}")).into());
    }
    if let Some(token) = &credentials.identity_token {
        entry.insert("identitytoken".into(), token.clone().into());
    }
    let path = change(folder, |auths| put(auths, server, Value::Object(entry)))?;
    Ok(Kept::File(path))
}

/// Forgets the credentials for a registry; tells whether there were any.
pub fn erase(folder: &Path, registry: &str) -> Result<bool, CredentialsError> {
    let server = server(registry);
    let config = DockerConfig::read(folder)?;
    let known = config.find(registry).is_ok_and(|it| it.is_some());
    if let Some(name) = config.helper(server) {
        keychain::erase(&keychain::program(name)?, server)?;
    }
    if folder.join("config.json").exists() {
        change(folder, |auths| auths.retain(|key, _| host(key) != host(server)))?;
    }
    Ok(known)
}

fn put(auths: &mut Map<String, Value>, server: &str, entry: Value) {
    auths.retain(|key, _| host(key) != host(server));
    auths.insert(server.to_owned(), entry);
}

/// Changes `auths` of `config.json` and leaves all else as it is. The file is there whole at every moment, for its owner only.
fn change(folder: &Path, edit: impl FnOnce(&mut Map<String, Value>)) -> Result<PathBuf, CredentialsError> {
    let named = folder.join("config.json");
    let failed = |what| {
        let path = named.clone();
        move |source| CredentialsError::File { path, what, source }
    };
    make_folder(folder).map_err(failed("made"))?;
    // Where it is a link, as with configurations kept elsewhere, what it leads to is replaced.
    let path = fs::canonicalize(&named).unwrap_or_else(|_| named.clone());
    let bytes = match fs::read(&path) {
        Ok(bytes) if bytes.trim_ascii().is_empty() => b"{}".to_vec(),
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => b"{}".to_vec(),
        Err(error) => return Err(failed("read")(error)),
    };
    let malformed =
        |error: &serde_json::Error| CredentialsError::Malformed { path: path.clone(), line: error.line(), column: error.column() };
    let mut whole: Map<String, Value> = serde_json::from_slice(&bytes).map_err(|error| malformed(&error))?;
    let auths = whole.entry("auths").or_insert_with(|| json!({}));
    if auths.is_null() {
        *auths = json!({});
    }
    let Some(auths) = auths.as_object_mut() else {
        return Err(CredentialsError::Malformed { path, line: 1, column: 1 });
    };
    edit(auths);
    let mut text = serde_json::to_vec_pretty(&whole).map_err(|error| malformed(&error))?;
    text.push(b'\n');
    let parent = path.parent().unwrap_or(folder);
    // Made with 0600, under a name of its own, in the same folder.
    let mut file = tempfile::Builder::new().prefix(".config.json-").tempfile_in(parent).map_err(failed("written"))?;
    file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(failed("written"))?;
    file.persist(&path).map_err(|error| failed("written")(error.error))?;
    Ok(named)
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials { username: Some("me".into()), password: Some("pass:word".into()), ..Credentials::default() }
    }

    #[test]
    fn what_is_kept_is_found_and_all_else_stays() {
        let outer = tempfile::tempdir().expect("a folder");
        let folder = outer.path().join("new");
        assert!(!erase(&folder, "h:1").expect("nothing there"));
        store(&folder, "h:1", &credentials()).expect("kept");
        let path = folder.join("config.json");
        let mut text: Map<String, Value> = serde_json::from_slice(&fs::read(&path).expect("a file")).expect("JSON");
        text.insert("psFormat".into(), "x".into());
        fs::write(&path, serde_json::to_vec(&text).expect("JSON")).expect("written");
        store(&folder, "docker.io", &credentials()).expect("kept");
        let config = DockerConfig::read(&folder).expect("readable");
        assert_eq!(config.find("h:1").expect("readable"), Some(credentials()));
        assert_eq!(config.find("docker.io").expect("readable"), Some(credentials()));
        let text = fs::read_to_string(&path).expect("a file");
        assert!(text.contains("psFormat") && text.contains("https://index.docker.io/v1/"), "{text}");
        assert!(erase(&folder, "index.docker.io").expect("erased"));
        assert!(!erase(&folder, "docker.io").expect("already gone"));
        assert!(DockerConfig::read(&folder).expect("readable").find("h:1").expect("readable").is_some());
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_its_owners_and_a_link_stays_one() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let real = folder.path().join("real.json");
        fs::write(&real, "{\"auths\": null}").expect("a file");
        fs::set_permissions(&real, fs::Permissions::from_mode(0o644)).expect("a mode");
        std::os::unix::fs::symlink(&real, folder.path().join("config.json")).expect("a link");
        store(folder.path(), "h", &credentials()).expect("kept");
        assert!(fs::symlink_metadata(folder.path().join("config.json")).expect("there").is_symlink());
        assert_eq!(fs::metadata(&real).expect("there").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_is_not_understood_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        for text in ["{", "[]", r#"{"auths": 5}"#] {
            fs::write(folder.path().join("config.json"), text).expect("a file");
            assert!(store(folder.path(), "h", &credentials()).is_err(), "{text}");
            assert_eq!(fs::read_to_string(folder.path().join("config.json")).expect("there"), text);
        }
    }
}

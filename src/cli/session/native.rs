//! Our own engine: where it is, and how it reaches registries.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcompose_credentials::DockerConfig;
use rcompose_engine_adapter::{EngineError, ErrorKind};
use rcompose_image::{DOCKER_IO, Login, Proxies, Registries};
use rcompose_native::{Ahead, Native, Setup};
use serde::Deserialize;

use crate::args::{EngineChoice, Globals};
use crate::caller::Caller;
use crate::failure::Failure;

/// What the docker daemon is told about registries, which holds for us too.
const DAEMON: &str = "/etc/docker/daemon.json";
/// Where docker keeps certificates by registry.
const CERTIFICATES: &str = "/etc/docker/certs.d";

/// Opens the native engine.
pub(crate) fn open(caller: &Caller, insecure: &[String], ahead: Ahead) -> Result<Native, Failure> {
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::refused_with(
            "the native engine needs root: it makes namespaces, mounts and networks".to_owned(),
            "run it with sudo, or use a Docker engine with --engine docker",
        ));
    }
    let (root, run) = (root(caller), run(caller));
    let (asked, list) = (caller.clone(), insecure.to_vec());
    let reach = move || registries(&asked, &list).map_err(|error| EngineError::new(ErrorKind::Invalid, error.to_string()));
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let setup = Setup { root, run, program: None, registries: Arc::new(reach), version, ahead };
    Ok(Native::open(setup)?)
}

/// Begins to read what is on the native engine, for verbs that look at all of it once they have read their project.
pub(super) fn ahead(caller: &Caller, globals: &Globals, verb: &str) -> Ahead {
    let looks = matches!(verb, "up" | "create" | "scale" | "plan" | "down" | "ps" | "start" | "stop" | "restart");
    let may_be_ours = globals.engine.is_none_or(|it| it != EngineChoice::Docker) && rustix::process::geteuid().is_root();
    if looks && may_be_ours {
        let ahead = Ahead::read(&root(caller), &run(caller));
        // The process ends with the verb, and to take apart what it knows of hundreds of containers would take it longer than to end.
        std::mem::forget(ahead.clone());
        ahead
    } else {
        Ahead::default()
    }
}

/// Tells whether a project is on the native engine; who may not look has none there.
pub(super) fn has(caller: &Caller, project: &str) -> bool {
    rcompose_native::has_project(&root(caller), &run(caller), project)
}

/// Returns the folder of what outlives a start of the machine: `RCOMPOSE_ROOT`, else the system's for root and the user's own for others.
pub(crate) fn root(caller: &Caller) -> PathBuf {
    if let Some(root) = caller.var("RCOMPOSE_ROOT") {
        return caller.absolute(Path::new(root));
    }
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/rcompose");
    }
    // Source: XDG Base Directory Specification, `XDG_DATA_HOME`.
    let base = caller.var("XDG_DATA_HOME").map(PathBuf::from).filter(|it| it.is_absolute());
    base.or_else(|| Some(caller.home()?.join(".local/share")))
        .unwrap_or_else(|| PathBuf::from("/var/lib"))
        .join("rcompose")
}

/// Returns the folder of what does not, in memory unless `RCOMPOSE_ROOT` says otherwise.
pub(crate) fn run(caller: &Caller) -> PathBuf {
    match caller.var("RCOMPOSE_ROOT") {
        Some(root) => caller.absolute(Path::new(root)).join("run"),
        None => PathBuf::from("/run/rcompose"),
    }
}

/// The part of `daemon.json` about registries.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
struct Daemon {
    registry_mirrors: Vec<String>,
    insecure_registries: Vec<String>,
}

/// Puts together how registries are reached: what the docker daemon is told, proxies, and credentials of the docker configuration.
pub(crate) fn registries(caller: &Caller, insecure: &[String]) -> Result<Registries, Failure> {
    let daemon = daemon(Path::new(DAEMON))?;
    let mut registries = Registries::default();
    registries.insecure.extend(insecure.iter().cloned().chain(daemon.insecure_registries));
    registries.mirrors.entry(DOCKER_IO.to_owned()).or_default().extend(daemon.registry_mirrors);
    let var = |names: [&str; 2]| names.iter().find_map(|it| caller.var(it)).map(str::to_owned);
    let all = var(["ALL_PROXY", "all_proxy"]);
    registries.proxies = Proxies {
        http: var(["HTTP_PROXY", "http_proxy"]).or_else(|| all.clone()),
        https: var(["HTTPS_PROXY", "https_proxy"]).or(all),
        none: var(["NO_PROXY", "no_proxy"]),
    };
    registries.certificates = Some(PathBuf::from(CERTIFICATES)).filter(|it| it.is_dir());
    registries.authorities = caller.var("SSL_CERT_FILE").map(|it| caller.absolute(Path::new(it)));
    if let Some(folder) = caller.docker_config() {
        registries.keychain = Arc::new(move |registry| {
            let found = DockerConfig::read(&folder)?.find(registry)?;
            Ok(found.map(|it| Login {
                username: it.username,
                password: it.password,
                identity_token: it.identity_token,
                registry_token: it.registry_token,
            }))
        });
    }
    Ok(registries)
}

fn daemon(path: &Path) -> Result<Daemon, Failure> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) if bytes.trim_ascii().is_empty() => return Ok(Daemon::default()),
        Ok(bytes) => bytes,
        // A file that others may not read was not meant for them.
        Err(_) => return Ok(Daemon::default()),
    };
    let malformed = |error: serde_json::Error| {
        Failure::refused_with(
            format!("{} cannot be understood: {error}", path.display()),
            "put it right; the docker daemon would not start with it either",
        )
    };
    serde_json::from_slice(&bytes).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemons_words_about_registries_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("daemon.json");
        assert!(daemon(&path).unwrap().registry_mirrors.is_empty());
        std::fs::write(&path, r#"{"data-root": "/x", "registry-mirrors": ["https://m"], "insecure-registries": ["h:5000"]}"#).unwrap();
        let read = daemon(&path).unwrap();
        assert_eq!((read.registry_mirrors, read.insecure_registries), (vec!["https://m".to_owned()], vec!["h:5000".to_owned()]));
        std::fs::write(&path, "{").unwrap();
        assert!(daemon(&path).is_err());
    }

    #[test]
    fn the_store_is_where_it_is_told() {
        let mut caller = Caller { folder: "/work".into(), ..Caller::default() };
        caller.env.insert("RCOMPOSE_ROOT".into(), "here".into());
        assert_eq!(root(&caller), PathBuf::from("/work/here"));
    }
}

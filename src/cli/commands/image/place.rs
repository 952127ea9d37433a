//! Where the store is, how registries are reached, and work that lasts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rcompose_credentials::DockerConfig;
use rcompose_image::{DOCKER_IO, Event, ImageError, Login, Proxies, Registries, Store, Watch};
use serde::Deserialize;
use tokio::sync::mpsc::unbounded_channel;

use crate::args::RegistryArgs;
use crate::caller::Caller;
use crate::failure::Failure;
use crate::render::Layers;
use crate::session::Session;
use crate::signals::{Interrupts, exit_now};

/// How often the display is drawn.
const FRAME: Duration = Duration::from_millis(100);
/// What the docker daemon is told about registries, which holds for us too.
const DAEMON: &str = "/etc/docker/daemon.json";
/// Where docker keeps certificates by registry.
const CERTIFICATES: &str = "/etc/docker/certs.d";

/// Opens the store: `RCOMPOSE_ROOT`, else the system's for root and the user's own for others.
pub(super) fn store(session: &Session) -> Result<Store, Failure> {
    Ok(Store::open(&root(&session.caller))?)
}

fn root(caller: &Caller) -> PathBuf {
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

/// The part of `daemon.json` about registries.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
struct Daemon {
    registry_mirrors: Vec<String>,
    insecure_registries: Vec<String>,
}

/// Puts together how registries are reached: flags first, then what the docker daemon is told.
pub(crate) fn registries(session: &Session, args: Option<&RegistryArgs>) -> Result<Registries, Failure> {
    let caller = &session.caller;
    let daemon = daemon(Path::new(DAEMON))?;
    let mut registries = Registries::default();
    registries
        .insecure
        .extend(session.globals.insecure_registry.iter().cloned().chain(daemon.insecure_registries));
    for mirror in args.into_iter().flat_map(|it| &it.registry_mirror) {
        let (registry, address) = mirror.split_once('=').unwrap_or((DOCKER_IO, mirror));
        registries.mirrors.entry(registry.to_owned()).or_default().push(address.to_owned());
    }
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

/// Does work that lasts, in a thread of its own, and shows it. The first Ctrl-C ends it in good order, the second at once.
pub(super) async fn watched<T: Send + 'static>(
    mut display: Layers,
    work: impl FnOnce(Watch<'_>) -> Result<T, ImageError> + Send + 'static,
) -> Result<T, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, mut events) = unbounded_channel::<Event>();
    let mut task = {
        let stop = Arc::clone(&stop);
        tokio::task::spawn_blocking(move || {
            // A display that is gone needs no events.
            let tell = |event| drop(sender.send(event));
            work(Watch::new(&tell, &stop))
        })
    };
    let mut interrupts = Interrupts::listen();
    let mut ticks = tokio::time::interval(FRAME);
    let result = loop {
        tokio::select! {
            result = &mut task => break result,
            Some(event) = events.recv() => display.event(&event),
            _ = ticks.tick() => display.tick(),
            count = interrupts.next() => {
                stop.store(true, Ordering::Relaxed);
                if count > 1 {
                    exit_now();
                }
            }
        }
    };
    while let Ok(event) = events.try_recv() {
        display.event(&event);
    }
    display.finish();
    match result {
        Ok(result) => Ok(result?),
        Err(error) => Err(Failure::io("the work ended in the middle", std::io::Error::other(error))),
    }
}

/// Returns the display for a verb.
pub(super) fn display(session: &Session, quiet: bool) -> Result<Layers, Failure> {
    let progress = if quiet { crate::args::Progress::Quiet } else { session.progress()? };
    Ok(Layers::new(progress, session.caller.stderr_tty && session.moves(), session.err))
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

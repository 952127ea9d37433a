//! Namespaces, and what lives in them: host name, kernel parameters.
//!
//! Source: Docker's reference of `docker run` (`--ipc`, `--pid`, `--uts`, `--cgroupns`, `--network`, `--sysctl`); namespaces(7).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceType as Kind};
use rcompose_engine_adapter::{ContainerSpec, EngineError, ErrorKind, Namespaces, NetworkMode, Result};

use super::{Facts, invalid, unsupported};

/// Namespaces of other containers (or made in advance) that are joined, as `/proc/PID/ns/net`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Joined {
    /// Of `network_mode: container:`, or the one that the engine wired before the start.
    pub(crate) network: Option<PathBuf>,
    /// Of `ipc: container:`.
    pub(crate) ipc: Option<PathBuf>,
    /// Of `pid: container:`.
    pub(crate) pid: Option<PathBuf>,
}

/// Where one namespace comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode<'a> {
    Own,
    Host,
    Join(&'a Path),
}

/// Where `/dev/shm` comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shm<'a> {
    /// A tmpfs of the container's own.
    Own,
    /// A folder that others use too.
    Shared(&'a Path),
    /// It has none.
    None,
}

/// What was decided.
#[derive(Debug)]
pub(super) struct Spaces<'a> {
    pub(super) network: Mode<'a>,
    ipc: Mode<'a>,
    pub(super) pid: Mode<'a>,
    uts: Mode<'a>,
    cgroup: Mode<'a>,
    pub(super) shm: Shm<'a>,
    /// What `HOSTNAME` says; the name itself is set only in a namespace of the container's own.
    pub(super) name: String,
}

/// Length of a default host name, as Docker's short id.
const SHORT_ID: usize = 12;
/// Most bytes of a name; `__NEW_UTS_LEN` of `linux/utsname.h`.
const MOST_NAME: usize = 64;
/// Folder of the host's shared memory.
const HOST_SHM: &str = "/dev/shm";

/// Parameters of an IPC namespace that Docker lets through; the rest of `kernel.` is the host's.
const OF_IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

pub(super) fn lower<'a>(spec: &ContainerSpec, facts: &Facts<'a>) -> Result<Spaces<'a>> {
    let Namespaces { ipc, pid, uts, cgroup } = &spec.namespaces;
    let network = network(&spec.network, facts)?;
    let unified = facts.host.cgroups.is_unified();
    let mut spaces = Spaces {
        network,
        ipc: mode("ipc", ipc.as_deref(), &["private", "shareable", "none"], facts.joined.ipc.as_deref())?,
        pid: mode("pid", pid.as_deref(), &["private"], facts.joined.pid.as_deref())?,
        uts: mode("uts", uts.as_deref(), &["private"], None)?,
        cgroup: match cgroup.as_deref() {
            // A container of v1 sees the whole tree, as with Docker.
            None | Some("") if !unified => Mode::Host,
            other => mode("cgroup", other, &["private"], None)?,
        },
        shm: Shm::Own,
        name: name(spec, facts),
    };
    spaces.shm = match (ipc.as_deref(), spaces.ipc) {
        (Some("none"), _) => Shm::None,
        (_, Mode::Host) => Shm::Shared(Path::new(HOST_SHM)),
        (Some("shareable"), _) | (_, Mode::Join(_)) => {
            let missing = || super::broken("find the shared memory", "no folder was made for it");
            Shm::Shared(facts.shm.ok_or_else(missing)?)
        }
        (_, Mode::Own) => Shm::Own,
    };
    check_names(spec, spaces.uts)?;
    Ok(spaces)
}

/// Reads a mode; `own` are the words for a namespace of the container's own.
fn mode<'a>(field: &str, text: Option<&str>, own: &[&str], path: Option<&'a Path>) -> Result<Mode<'a>> {
    match text {
        None | Some("") => Ok(Mode::Own),
        Some("host") => Ok(Mode::Host),
        Some(word) if own.contains(&word) => Ok(Mode::Own),
        Some(word) if word.starts_with("container:") && matches!(field, "ipc" | "pid") => join(field, word, path),
        Some(word) => Err(unsupported(format!("{field} `{word}` is not known: it is host, {}", own.join(", ")))),
    }
}

fn join<'a>(field: &str, word: &str, path: Option<&'a Path>) -> Result<Mode<'a>> {
    let gone = || EngineError::new(ErrorKind::Conflict, format!("{field} `{word}`: that container does not run"));
    path.map(Mode::Join).ok_or_else(gone)
}

fn network<'a>(mode: &NetworkMode, facts: &Facts<'a>) -> Result<Mode<'a>> {
    let given = facts.joined.network.as_deref();
    match mode {
        NetworkMode::Host => Ok(Mode::Host),
        NetworkMode::Networks { attachments: _ } | NetworkMode::None | NetworkMode::Bridge => Ok(given.map_or(Mode::Own, Mode::Join)),
        NetworkMode::Container { container } => join("network_mode", &format!("container:{container}"), given),
        // The name of a network that somebody else made, which the engine has looked up.
        NetworkMode::Other { text } => {
            let unknown = || unsupported(format!("network_mode `{text}` is not known"));
            given.map(Mode::Join).ok_or_else(unknown)
        }
    }
}

fn name(spec: &ContainerSpec, facts: &Facts<'_>) -> String {
    let short = || facts.id.chars().take(SHORT_ID).collect();
    let given = spec.hostname.as_deref().filter(|it| !it.is_empty());
    given.or(facts.hostname).map_or_else(short, str::to_owned)
}

fn check_names(spec: &ContainerSpec, uts: Mode<'_>) -> Result<()> {
    for (field, name) in [("hostname", &spec.hostname), ("domainname", &spec.domainname)] {
        let Some(name) = name.as_deref().filter(|it| !it.is_empty()) else {
            continue;
        };
        if uts == Mode::Host {
            return Err(invalid(format!("{field} `{name}` together with uts: host would rename the host")));
        }
        if field == "hostname" && matches!(spec.network, NetworkMode::Container { .. }) {
            return Err(invalid(format!("hostname `{name}` together with network_mode: container:, which brings the other's name")));
        }
        if name.len() > MOST_NAME || name.contains(['\0', '\n']) {
            return Err(invalid(format!("{field} {name:?}: a name has at most {MOST_NAME} bytes and no line break")));
        }
    }
    Ok(())
}

impl Spaces<'_> {
    /// The namespaces of the spec; one of the host is left out.
    pub(super) fn list(&self) -> Vec<LinuxNamespace> {
        let modes = [
            (Kind::Mount, Mode::Own),
            (Kind::Network, self.network),
            (Kind::Uts, self.uts),
            (Kind::Pid, self.pid),
            (Kind::Ipc, self.ipc),
            (Kind::Cgroup, self.cgroup),
        ];
        let one = |(kind, mode): (Kind, Mode<'_>)| {
            let mut made = LinuxNamespace::default();
            made.set_typ(kind);
            match mode {
                Mode::Host => return None,
                Mode::Own => {}
                Mode::Join(path) => {
                    made.set_path(Some(path.to_owned()));
                }
            }
            Some(made)
        };
        modes.into_iter().filter_map(one).collect()
    }

    /// The host name to set.
    pub(super) fn hostname(&self) -> Option<String> {
        (self.uts != Mode::Host).then(|| self.name.clone())
    }

    /// Kernel parameters: those asked for, if a namespace of the container's holds them, over those that Docker sets.
    pub(super) fn sysctls(&self, spec: &ContainerSpec) -> Result<BTreeMap<String, String>> {
        let mut all = BTreeMap::new();
        if self.network != Mode::Host && !matches!(spec.network, NetworkMode::Container { .. }) {
            // A user may ping and have ports below 1024: nobody else is behind this address.
            all.insert("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned());
            all.insert("net.ipv4.ping_group_range".to_owned(), "0 2147483647".to_owned());
        }
        for (name, value) in &spec.sysctls {
            self.check_sysctl(name)?;
            all.insert(name.clone(), value.clone());
        }
        Ok(all)
    }

    fn check_sysctl(&self, name: &str) -> Result<()> {
        let (kind, mode) = if name.starts_with("net.") {
            ("network", self.network)
        } else if OF_IPC.contains(&name) || name.starts_with("fs.mqueue.") {
            ("ipc", self.ipc)
        } else {
            return Err(invalid(format!("sysctl `{name}` is not in a namespace of the container: it would change the host")));
        };
        if mode == Mode::Host {
            return Err(invalid(format!("sysctl `{name}` in the {kind} namespace of the host would change the host")));
        }
        Ok(())
    }
}

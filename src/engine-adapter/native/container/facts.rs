//! What must be known of this host and of other containers before a container can start.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rcompose_engine_adapter::{ContainerName, ContainerSpec, MountKind, NetworkMode, Result};
use rcompose_runtime::plan::Host;
use rcompose_supervise::Phase;
use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::mounts;
use crate::bundle::{Joined, Node, Nodes, Origin, Resolved, asked, cdi, users};
use crate::document::{Bound, Container};
use crate::engine::Native;
use crate::error;
use crate::groups;
use crate::link;
use crate::root::Root;
use crate::volume;

/// Where CDI files are, in the order of rising priority; source: CDI specification.
const CDI: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];
/// Files that Docker gives every container, and we do.
const ETC: [&str; 3] = ["hosts", "hostname", "resolv.conf"];

/// Everything that was found out, owned; [`crate::bundle::Facts`] borrows it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) host: Host,
    pub(super) kernel: (u32, u32),
    pub(super) cpus: u32,
    pub(super) swap_accounting: bool,
    pub(super) apparmor: Option<String>,
    pub(super) user: users::User,
    pub(super) mounts: Vec<Resolved>,
    pub(super) joined: Joined,
    pub(super) shm: Option<PathBuf>,
    pub(super) hostname: Option<String>,
    pub(super) cgroup: PathBuf,
    pub(super) nodes: Nodes,
    pub(super) cdi: cdi::Known,
}

pub(super) fn find(native: &Native, container: &Container, root: &Root) -> Result<Found> {
    let spec = &container.spec;
    let host = host()?;
    let cdi = descriptions(native, container);
    Ok(Found {
        kernel: kernel(),
        cpus: cpus(),
        swap_accounting: swap_accounting(&host),
        // A profile that nobody loaded cannot be named.
        apparmor: host.rights.apparmor.then(|| "docker-default".to_owned()).filter(|it| is_loaded(it)),
        user: user(container, root)?,
        mounts: resolved(native, container)?,
        joined: joined(native, container)?,
        shm: shm(native, spec, &container.id)?,
        hostname: hostname(native, spec)?,
        cgroup: Path::new(groups::ALL).join(native.places.project_name(container.project())),
        nodes: nodes(spec, &cdi)?,
        cdi,
        host,
    })
}

/// What this host is, read once: it stays so while a command runs, and with many containers the list of mounts is long.
fn host() -> Result<Host> {
    static HOST: OnceLock<Host> = OnceLock::new();
    if let Some(known) = HOST.get() {
        return Ok(known.clone());
    }
    let found = rcompose_runtime::host::read().map_err(error::runtime("read what this host is"))?;
    Ok(HOST.get_or_init(|| found).clone())
}

/// Processors that this process may use; the control group's files are read for it.
fn cpus() -> u32 {
    static CPUS: OnceLock<u32> = OnceLock::new();
    *CPUS.get_or_init(|| std::thread::available_parallelism().map_or(1, |it| u32::try_from(it.get()).unwrap_or(1)))
}

fn kernel() -> (u32, u32) {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut parts = release.split(|it: char| !it.is_ascii_digit()).map(|it| it.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// On v2 swap is always counted, on v1 where the file is there.
fn swap_accounting(host: &Host) -> bool {
    let memory = host.cgroups.v1.iter().find(|it| it.controllers.iter().any(|it| it == "memory"));
    memory.is_none_or(|it| it.mount.join("memory.memsw.limit_in_bytes").exists())
}

fn is_loaded(profile: &str) -> bool {
    fs::read_to_string("/sys/kernel/security/apparmor/profiles").is_ok_and(|it| it.lines().any(|it| it.starts_with(profile)))
}

fn user(container: &Container, root: &Root) -> Result<users::User> {
    let asked = container.spec.process.user.as_deref().filter(|it| !it.is_empty()).unwrap_or(&container.image.user);
    let (passwd, group) = (root.read(Path::new("/etc/passwd"))?, root.read(Path::new("/etc/group"))?);
    users::resolve(asked, &container.spec.security.group_add, &passwd, &group).map_err(|error| rcompose_engine_adapter::EngineError {
        message: format!("container {}: {}", container.name, error.message),
        ..error
    })
}

/// Reads what CDI files describe. One that is damaged stops nobody but those who ask for a device of it.
fn descriptions(native: &Native, container: &Container) -> cdi::Known {
    let mut known = cdi::Known::default();
    for folder in CDI {
        let folder = Path::new(folder);
        let names = match crate::file::names(folder) {
            Ok(names) => names,
            Err(error) => {
                known.add(folder, Err(std::io::Error::other(error.to_string())));
                continue;
            }
        };
        for path in names.iter().map(|it| folder.join(it)) {
            if path.extension().is_some_and(|it| it == "json" || it == "yaml" || it == "yml") {
                known.add(&path, fs::read(&path));
            }
        }
    }
    native.remarks.add_of_host(container, known.damaged.iter().map(|it| it.reason.clone()));
    known
}

fn nodes(spec: &ContainerSpec, cdi: &cdi::Known) -> Result<Nodes> {
    let found = asked(spec, cdi)?.into_iter().map(|path| {
        let mut below = Vec::new();
        collect(&path, &mut below, 0);
        (path, below)
    });
    Ok(found.collect())
}

/// Device nodes below a path, or the one that it is. What cannot be looked at is left out: whoever asked for it hears that it is absent.
fn collect(path: &Path, into: &mut Vec<Node>, depth: u32) {
    const DEEPEST: u32 = 8;
    let Ok(found) = (if depth == 0 { fs::metadata(path) } else { fs::symlink_metadata(path) }) else {
        return;
    };
    let kind = found.file_type();
    if kind.is_dir() && depth < DEEPEST {
        let names = crate::file::names(path).unwrap_or_default();
        names.iter().for_each(|name| collect(&path.join(name), into, depth + 1));
    } else if kind.is_block_device() || kind.is_char_device() {
        into.push(Node {
            path: path.to_owned(),
            block: kind.is_block_device(),
            major: rustix::fs::major(found.rdev()),
            minor: rustix::fs::minor(found.rdev()),
            mode: found.mode() & 0o7777,
            uid: found.uid(),
            gid: found.gid(),
        });
    }
}

/// Finds everything that is bound: what was asked for, volumes, files, and the three files of the engine.
pub(crate) fn resolved(native: &Native, container: &Container) -> Result<Vec<Resolved>> {
    let mut all = Vec::new();
    for mount in &container.spec.mounts {
        let source = match &mount.kind {
            MountKind::Bind { source, .. } => PathBuf::from(source),
            MountKind::Image { image, subpath } => mounts::image(native, container, image, subpath.as_deref(), all.len())?,
            MountKind::Volume { .. } | MountKind::Anonymous { .. } | MountKind::Tmpfs(_) | MountKind::Npipe { .. } => continue,
        };
        all.push(Resolved { source, target: mount.target.clone(), origin: Origin::Mount });
    }
    let asked: Vec<&str> = container.spec.mounts.iter().map(|it| it.target.as_str()).collect();
    for bound in &container.volumes {
        let source = content(native, container, bound, all.len())?;
        let is_asked = asked.contains(&bound.target.as_str());
        let origin = if is_asked {
            Origin::Mount
        } else {
            Origin::Inherited { read_only: bound.read_only }
        };
        all.push(Resolved { source, target: bound.target.clone(), origin });
    }
    inherited(native, container, &mut all)?;
    for number in 0..container.spec.files.len() {
        let target = container.spec.files[number].target.clone();
        all.push(Resolved { source: native.places.given_file(&container.id, number), target, origin: Origin::File });
    }
    let owner = native.places.container(&link::files_owner(native, container)?);
    let etc = |name: &str| Resolved { source: owner.etc(name), target: format!("/etc/{name}"), origin: Origin::Engine };
    all.extend(ETC.map(etc));
    Ok(all)
}

/// Mounts of other containers (`volumes_from`), unless something of the container's own is there.
fn inherited(native: &Native, container: &Container, all: &mut Vec<Resolved>) -> Result<()> {
    let is_free = |all: &[Resolved], target: &str| all.iter().all(|it| it.target != target);
    for from in &container.spec.volumes_from {
        let (name, mode) = from.rsplit_once(':').filter(|(_, mode)| matches!(*mode, "ro" | "rw")).unwrap_or((from, "rw"));
        let other = native.places.known(&ContainerName::from(name))?;
        let origin = |read_only| Origin::Inherited { read_only: read_only || mode == "ro" };
        for mount in &other.spec.mounts {
            if let MountKind::Bind { source, .. } = &mount.kind
                && is_free(all, &mount.target)
            {
                all.push(Resolved { source: source.into(), target: mount.target.clone(), origin: origin(mount.read_only) });
            }
        }
        for bound in &other.volumes {
            if is_free(all, &bound.target) {
                let source = content(native, container, bound, all.len())?;
                all.push(Resolved { source, target: bound.target.clone(), origin: origin(bound.read_only) });
            }
        }
    }
    Ok(())
}

/// Finds the content of a volume for a container, which holds it from then on.
fn content(native: &Native, container: &Container, bound: &Bound, number: usize) -> Result<PathBuf> {
    let data = volume::hold(&native.places, &bound.volume, &container.id)?;
    match &bound.subpath {
        Some(sub) => mounts::subpath(native, &container.id, &data, sub, number),
        None => Ok(data),
    }
}

/// Finds a path inside an image, whose files do not change.
pub(super) fn below(data: &Path, sub: &str) -> Result<PathBuf> {
    let folder = fs::File::open(data).map_err(error::file("open", data))?;
    let inside = Path::new(sub.trim_start_matches('/'));
    let found = rustix::fs::openat2(
        folder.as_fd(),
        inside,
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
    );
    found.map_err(|errno| {
        let why = std::io::Error::from(errno);
        error::invalid(format!(
            "the subpath {sub} in {} cannot be used: {why}; it must be there and lead over no link",
            data.display()
        ))
    })?;
    Ok(data.join(inside))
}

fn joined(native: &Native, container: &Container) -> Result<Joined> {
    let spec = &container.spec;
    let of = |mode: &Option<String>, kind: &str| -> Result<Option<PathBuf>> {
        let Some(name) = mode.as_deref().and_then(|it| it.strip_prefix("container:")) else {
            return Ok(None);
        };
        let pid = pid(native, &ContainerName::from(name), container)?;
        Ok(Some(PathBuf::from(format!("/proc/{pid}/ns/{kind}"))))
    };
    Ok(Joined {
        network: link::namespace(native, container)?,
        ipc: of(&spec.namespaces.ipc, "ipc")?,
        pid: of(&spec.namespaces.pid, "pid")?,
    })
}

/// The first process of a container that must run.
pub(super) fn pid(native: &Native, name: &ContainerName, asker: &Container) -> Result<i32> {
    let other = native.places.known(name)?;
    match native.running(&other)?.map(|it| it.phase) {
        Some(Phase::Running { who, .. }) => Ok(who.pid),
        _ => {
            let message = format!(
                "container {}: it shares a namespace with container {name}, which does not run; start that one first",
                asker.name
            );
            Err(error::conflict(message))
        }
    }
}

/// The folder that is shared as `/dev/shm`.
fn shm(native: &Native, spec: &ContainerSpec, id: &str) -> Result<Option<PathBuf>> {
    match spec.namespaces.ipc.as_deref() {
        Some("shareable") => mounts::shared_memory(native, id, spec.resources.shm_size).map(Some),
        Some(mode) => match mode.strip_prefix("container:") {
            Some(name) => {
                let other = native.places.known(&ContainerName::from(name))?;
                Ok(Some(native.places.shared_memory(&other.id)))
            }
            None => Ok(None),
        },
        None => Ok(None),
    }
}

fn hostname(native: &Native, spec: &ContainerSpec) -> Result<Option<String>> {
    Ok(match &spec.network {
        NetworkMode::Host => Some(rustix::system::uname().nodename().to_string_lossy().into_owned()),
        NetworkMode::Container { container } => {
            let other = native.places.known(container)?;
            Some(other.spec.hostname.clone().unwrap_or_else(|| other.id.chars().take(12).collect()))
        }
        _ => None,
    })
}

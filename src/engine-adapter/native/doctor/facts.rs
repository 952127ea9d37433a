//! What is read of the machine. Whatever cannot be read is absent.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rcompose_network::host::{self, Finding};
use rcompose_runtime::plan::Host;
use rustix::fs::StatVfsMountFlags;

use super::state::{self, Documents};
use crate::place::Places;
use crate::upkeep::ground::controllers;
use crate::upkeep::leftovers::{self, Left};

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) is_root: bool,
    /// Version of the kernel.
    pub(super) kernel: (u32, u32),
    /// Its full name.
    pub(super) release: String,
    /// It knows overlays, or has a module for them.
    pub(super) overlay: bool,
    /// Kinds of namespaces that it knows.
    pub(super) namespaces: BTreeSet<String>,
    pub(super) seccomp: bool,
    /// Capabilities that a process of root may have.
    pub(super) capabilities: u64,
    pub(super) apparmor: bool,
    /// Profiles of AppArmor that are loaded.
    pub(super) profiles: BTreeSet<String>,
    pub(super) selinux: bool,
    pub(super) systemd: bool,
    /// `1` or `2`; nothing where no control groups are mounted.
    pub(super) cgroup: Option<u8>,
    pub(super) controllers: BTreeSet<String>,
    /// Swap is counted.
    pub(super) swap: bool,
    /// Kinds of interfaces, and whether the kernel has them; nothing where that cannot be tried.
    pub(super) kinds: Option<Vec<(&'static str, bool)>>,
    /// What stands in the way of networks; nothing where that cannot be looked at.
    pub(super) findings: Option<Vec<Finding>>,
    pub(super) ipv6: bool,
    /// A Docker Engine has a socket here.
    pub(super) docker: bool,
    pub(super) disk: Option<Disk>,
    /// Nothing where only root may look.
    pub(super) documents: Option<Documents>,
    /// Nothing where only root may look, or a damaged document hides it.
    pub(super) leftovers: Option<Vec<Left>>,
    /// Projects that the kernel has interfaces or rules of, and this state does not know.
    pub(super) strangers: Vec<String>,
}

/// Where state lies.
#[derive(Debug, Default)]
pub(super) struct Disk {
    /// The folder of state.
    pub(super) root: PathBuf,
    /// Bytes that are free.
    pub(super) free: u64,
    /// Files that can still be made; nothing where the file system has no limit.
    pub(super) files: Option<u64>,
    pub(super) is_read_only: bool,
    pub(super) is_noexec: bool,
    pub(super) is_nodev: bool,
    /// Number of the kind of file system.
    pub(super) magic: u64,
}

impl Facts {
    pub(super) fn read(root: &Path, run: &Path) -> Self {
        let uname = rustix::system::uname();
        let release = uname.release().to_string_lossy().into_owned();
        let is_root = rustix::process::geteuid().is_root();
        let host = rcompose_runtime::host::read().ok();
        let places = Places::new(root.to_owned(), run.to_owned());
        let documents = is_root.then(|| state::documents(&places));
        let mut facts = Self {
            is_root,
            kernel: version(&release),
            overlay: has_overlay(&release),
            release,
            namespaces: crate::file::names(Path::new("/proc/self/ns")).unwrap_or_default().into_iter().collect(),
            seccomp: Path::new("/proc/sys/kernel/seccomp").exists(),
            profiles: words("/sys/kernel/security/apparmor/profiles")
                .iter()
                .filter_map(|it| it.first().cloned())
                .collect(),
            systemd: Path::new("/run/systemd/system").is_dir(),
            kinds: is_root.then(|| host::kinds().ok()).flatten(),
            findings: is_root.then(|| host::findings().ok()).flatten(),
            ipv6: Path::new("/proc/net/if_inet6").exists()
                && fs::read_to_string("/proc/sys/net/ipv6/conf/all/disable_ipv6").is_ok_and(|it| it.trim() == "0"),
            docker: Path::new("/var/run/docker.sock").exists(),
            disk: disk(root),
            leftovers: is_root.then(|| leftovers::find(&places).ok()).flatten(),
            strangers: if is_root { strangers(&places).unwrap_or_default() } else { Vec::new() },
            documents,
            ..Self::default()
        };
        if let Some(host) = host {
            facts.of_host(&host);
        }
        facts
    }

    fn of_host(&mut self, host: &Host) {
        self.capabilities = host.rights.capabilities;
        self.apparmor = host.rights.apparmor;
        self.selinux = host.rights.selinux;
        self.controllers = controllers(host).into_iter().collect();
        let has_old = host.cgroups.v1.iter().any(|it| it.controllers.iter().any(|it| !it.starts_with("name=")));
        self.cgroup = if has_old { Some(1) } else { host.cgroups.v2.as_ref().map(|_| 2) };
        let memory = host.cgroups.v1.iter().find(|it| it.controllers.iter().any(|it| it == "memory"));
        self.swap = memory.map_or(self.cgroup == Some(2), |it| it.mount.join("memory.memsw.limit_in_bytes").exists());
    }
}

/// The numbers at the start of a release such as `6.1.0-18-amd64`.
pub(super) fn version(release: &str) -> (u32, u32) {
    let mut parts = release.split(|it: char| !it.is_ascii_digit()).map(|it| it.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// Looks for the file system among those that are known, and among modules that the kernel loads when it is asked for one.
fn has_overlay(release: &str) -> bool {
    let text = |path: String| fs::read_to_string(path).unwrap_or_default();
    let is_known = text("/proc/filesystems".into()).lines().any(|it| it.split_whitespace().last() == Some("overlay"));
    // Paths, of which a compressed one has a further ending. Source: modules.dep(5).
    let lists = ["modules.builtin", "modules.dep"].map(|it| text(format!("/lib/modules/{release}/{it}")));
    is_known || lists.iter().any(|it| it.contains("/overlay.ko"))
}

/// The words of each line of a file.
fn words(path: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|it| it.split_whitespace().map(str::to_owned).collect()).collect()
}

/// Looks at the file system of a folder that may not be there yet.
fn disk(root: &Path) -> Option<Disk> {
    let there = root.ancestors().find(|it| it.is_dir())?;
    let (found, kind) = (rustix::fs::statvfs(there).ok()?, rustix::fs::statfs(there).ok()?);
    let has = |flag| found.f_flag.contains(flag);
    Some(Disk {
        root: root.to_owned(),
        free: found.f_bavail.saturating_mul(found.f_frsize),
        files: (found.f_files > 0).then_some(found.f_favail),
        is_read_only: has(StatVfsMountFlags::RDONLY),
        is_noexec: has(StatVfsMountFlags::NOEXEC),
        is_nodev: has(StatVfsMountFlags::NODEV),
        magic: u64::try_from(kind.f_type).unwrap_or(0),
    })
}

/// Projects of which there are interfaces or rules, and no document.
fn strangers(places: &Places) -> Option<Vec<String>> {
    let firewall = rcompose_network::Firewall::open().ok()?;
    let known = state::projects(places)?;
    let found = rcompose_network::census::projects(&firewall).ok()?;
    Some(found.into_iter().filter(|it| !known.contains(it)).collect())
}

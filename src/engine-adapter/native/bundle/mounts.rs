//! What is mounted: the file systems of every container, then what was asked for, by depth.
//!
//! Source: the specs that dockerd writes; Docker's documentation "Bind mounts", "tmpfs mounts".

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::Mount as SpecMount;
use rcompose_engine_adapter::{ContainerSpec, FileMount, Mount, MountKind, Propagation, Recursive, Result, Tmpfs};

use super::init;
use super::namespaces::Shm;
use super::{Facts, invalid, unsupported};

/// Something that is bound into the container, found or made by the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// Absolute path on the host: a subpath is applied, a volume is mounted.
    pub(crate) source: PathBuf,
    /// Absolute path in the container.
    pub(crate) target: String,
    pub(crate) origin: Origin,
}

/// Why something is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A bind, volume or image of `ContainerSpec.mounts`, found by its target.
    Mount,
    /// A volume of the image, or a mount that `volumes_from` brings.
    Inherited { read_only: bool },
    /// A config or secret of `ContainerSpec.files`.
    File,
    /// `/etc/hosts`, `/etc/hostname` or `/etc/resolv.conf`, as the engine wrote it.
    Engine,
}

/// The mounts, and how the root goes on with its peers.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    pub(super) list: Vec<SpecMount>,
    pub(super) root_propagation: Option<&'static str>,
}

/// Bytes of `/dev/shm`, Docker's default.
const SHM_SIZE: i64 = 64 << 20;
/// Mounts of a read-only root that take writes nevertheless.
const WRITABLE: [&str; 5] = ["/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"];

/// File systems of every container: target, type, source, options.
const DEFAULTS: [(&str, &str, &str, &[&str]); 7] = [
    ("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
    ("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
    ("/dev/pts", "devpts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
    ("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
    ("/sys/fs/cgroup", "cgroup", "cgroup", &["ro", "nosuid", "noexec", "nodev"]),
    ("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    ("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777"]),
];

pub(super) fn lower(
    spec: &ContainerSpec,
    facts: &Facts<'_>,
    shm: Shm<'_>,
    init_program: Option<&Path>,
    warnings: &mut Vec<String>,
) -> Result<Mounts> {
    let mut made = Mounts::default();
    let mut asked = asked(spec, facts, &mut made, warnings)?;
    further(spec, facts, &mut asked)?;
    if let Shm::Shared(folder) = shm
        && !asked.contains_key(Path::new("/dev/shm"))
    {
        asked.insert(PathBuf::from("/dev/shm"), bind("/dev/shm", folder, &["rbind", "rprivate"]));
    }
    made.list = defaults(spec, &asked, shm);
    if let Some(program) = init_program {
        made.list.push(bind(init::PROGRAM, program, &["bind", "ro"]));
    }
    // By depth, so that nothing is hidden by what is mounted above it; equal ones in the order of their targets.
    let mut asked: Vec<(PathBuf, SpecMount)> = asked.into_iter().collect();
    asked.sort_by_key(|(target, _)| target.components().count());
    made.list.extend(asked.into_iter().map(|(_, mount)| mount));
    Ok(made)
}

/// The file systems of every container, less those that something else is mounted over.
fn defaults(spec: &ContainerSpec, asked: &BTreeMap<PathBuf, SpecMount>, shm: Shm<'_>) -> Vec<SpecMount> {
    let has_dev = asked.contains_key(Path::new("/dev"));
    let (privileged, read_only) = (spec.security.privileged, spec.security.read_only);
    let mut list = Vec::new();
    for (target, kind, source, options) in DEFAULTS {
        let replaced = asked.contains_key(Path::new(target)) || (has_dev && target.starts_with("/dev/"));
        if replaced || (target == "/dev/shm" && shm == Shm::None) {
            continue;
        }
        let mut options: Vec<String> = options.iter().map(|it| (*it).to_owned()).collect();
        if privileged {
            options.retain(|it| it != "ro");
        } else if read_only && !WRITABLE.contains(&target) && options.iter().all(|it| it != "ro") {
            options.push("ro".to_owned());
        }
        if target == "/dev/shm" {
            let size = spec.resources.shm_size.filter(|it| *it > 0).unwrap_or(SHM_SIZE);
            options.push(format!("size={size}"));
        }
        list.push(mount(target, kind, Path::new(source), options));
    }
    list
}

/// What `ContainerSpec.mounts` asks for, by target.
fn asked(spec: &ContainerSpec, facts: &Facts<'_>, made: &mut Mounts, warnings: &mut Vec<String>) -> Result<BTreeMap<PathBuf, SpecMount>> {
    let mut all = BTreeMap::new();
    for wanted in &spec.mounts {
        let target = clean(&wanted.target)?;
        let lowered = match &wanted.kind {
            MountKind::Tmpfs(tmpfs) => self::tmpfs(wanted, tmpfs)?,
            MountKind::Bind { source: _, create_host_path: _, propagation, recursive, selinux } => {
                if selinux.is_some() && !facts.host.rights.selinux {
                    warnings.push(format!("mount {}: this kernel runs without SELinux, nothing is relabelled", wanted.target));
                } else if selinux.is_some() {
                    return Err(unsupported(format!("mount {}: bind.selinux: files are not relabelled", wanted.target)));
                }
                note_propagation(made, *propagation);
                bind_words(wanted, &source(facts, &target)?, *recursive, Some(propagation.unwrap_or(Propagation::Rprivate)))
            }
            // What is mounted into a volume's folder later shows, as with Docker: no word about propagation.
            MountKind::Volume { name: _, nocopy: _, subpath: _, labels: _ } | MountKind::Anonymous { carry: _, nocopy: _, labels: _ } => {
                bind_words(wanted, &source(facts, &target)?, None, None)
            }
            // The folder is the store's own.
            MountKind::Image { image: _, subpath: _ } => bind(&wanted.target, &source(facts, &target)?, &["rbind", "rro", "rprivate"]),
            MountKind::Npipe { source } => return Err(unsupported(format!("mount {}: npipe {source} is for Windows", wanted.target))),
        };
        if all.insert(target, lowered).is_some() {
            return Err(invalid(format!("two mounts at {}", wanted.target)));
        }
    }
    Ok(all)
}

/// What else is bound; a mount that was asked for comes before it.
fn further(spec: &ContainerSpec, facts: &Facts<'_>, asked: &mut BTreeMap<PathBuf, SpecMount>) -> Result<()> {
    let mut missing: BTreeSet<PathBuf> = BTreeSet::new();
    for FileMount { target, content: _, uid: _, gid: _, mode: _ } in &spec.files {
        missing.insert(clean(target)?);
    }
    for Resolved { source, target, origin } in facts.mounts {
        let place = clean(target)?;
        let words: &[&str] = match origin {
            Origin::Mount => continue,
            Origin::Inherited { read_only: true } => &["rbind", "rro"],
            Origin::Inherited { read_only: false } => &["rbind"],
            Origin::File => &["bind", "ro", "nosuid", "nodev", "rprivate"],
            Origin::Engine if spec.security.read_only => &["rbind", "ro", "rprivate"],
            Origin::Engine => &["rbind", "rprivate"],
        };
        if *origin == Origin::File {
            missing.remove(&place);
        }
        asked.entry(place).or_insert_with(|| bind(target, source, words));
    }
    match missing.first() {
        None => Ok(()),
        Some(target) => Err(super::broken(&format!("find the file for {}", target.display()), "the engine made none")),
    }
}

/// What the engine found for a mount.
fn source(facts: &Facts<'_>, target: &Path) -> Result<PathBuf> {
    let found = facts
        .mounts
        .iter()
        .find(|it| it.origin == Origin::Mount && clean(&it.target).is_ok_and(|it| it == target));
    let missing = || super::broken(&format!("find the source of the mount {}", target.display()), "the engine resolved none");
    found.map(|it| it.source.clone()).ok_or_else(missing)
}

/// Cleans a target: absolute, not the root, without `.` and `..`.
pub(super) fn clean(target: &str) -> Result<PathBuf> {
    let mut clean = PathBuf::from("/");
    for part in Path::new(target).components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    if !target.starts_with('/') || clean == Path::new("/") || target.contains('\0') {
        return Err(invalid(format!("mount {target:?}: the target must be an absolute path other than /")));
    }
    Ok(clean)
}

fn bind_words(wanted: &Mount, source: &Path, recursive: Option<Recursive>, propagation: Option<Propagation>) -> SpecMount {
    let mut words = vec![if recursive == Some(Recursive::Disabled) { "bind" } else { "rbind" }];
    if wanted.read_only {
        words.push(match recursive {
            None | Some(Recursive::Enabled | Recursive::Readonly) => "rro",
            Some(Recursive::Disabled | Recursive::Writable) => "ro",
        });
    }
    words.extend(propagation.map(word));
    bind(&wanted.target, source, &words)
}

fn word(propagation: Propagation) -> &'static str {
    match propagation {
        Propagation::Private => "private",
        Propagation::Rprivate => "rprivate",
        Propagation::Shared => "shared",
        Propagation::Rshared => "rshared",
        Propagation::Slave => "slave",
        Propagation::Rslave => "rslave",
    }
}

/// What propagates through a bind must first come through the root.
fn note_propagation(made: &mut Mounts, propagation: Option<Propagation>) {
    match propagation {
        Some(Propagation::Shared | Propagation::Rshared) => made.root_propagation = Some("shared"),
        Some(Propagation::Slave | Propagation::Rslave) if made.root_propagation.is_none() => made.root_propagation = Some("rslave"),
        Some(Propagation::Slave | Propagation::Rslave | Propagation::Private | Propagation::Rprivate) | None => {}
    }
}

/// A tmpfs: no programs, no set-uid, no devices, unless the options say otherwise; the last word of each kind counts.
fn tmpfs(wanted: &Mount, tmpfs: &Tmpfs) -> Result<SpecMount> {
    let Tmpfs { size, mode, options } = tmpfs;
    let mut words: Vec<String> = ["noexec", "nosuid", "nodev", "rprivate"].map(str::to_owned).to_vec();
    let given = options.as_deref().unwrap_or_default().split(',').map(str::trim);
    for word in given.filter(|it| !it.is_empty() && *it != "defaults") {
        if !is_tmpfs_option(word) {
            return Err(invalid(format!("mount {}: a tmpfs has no option `{word}`", wanted.target)));
        }
        words.push(word.to_owned());
    }
    words.extend(wanted.read_only.then(|| "ro".to_owned()));
    words.extend(mode.map(|mode| format!("mode={mode:o}")));
    words.extend(size.filter(|size| *size > 0).map(|size| format!("size={size}")));
    let mut kept: Vec<String> = Vec::new();
    for word in words.into_iter().rev() {
        if kept.iter().all(|other| subject(other) != subject(&word)) {
            kept.push(word);
        }
    }
    kept.reverse();
    Ok(mount(&wanted.target, "tmpfs", Path::new("tmpfs"), kept))
}

/// What an option is about: of two about the same the last one counts.
fn subject(word: &str) -> &str {
    match word {
        "ro" | "rw" => "write",
        "atime" | "noatime" | "relatime" | "norelatime" | "strictatime" | "nostrictatime" => "atime",
        "async" => "sync",
        "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" | "unbindable" | "runbindable" => "propagation",
        _ => {
            let name = word.split_once('=').map_or(word, |(key, _)| key);
            name.strip_prefix("no").unwrap_or(name)
        }
    }
}

/// Options that Docker takes for a tmpfs.
fn is_tmpfs_option(word: &str) -> bool {
    let flags = [
        "ro",
        "rw",
        "suid",
        "nosuid",
        "dev",
        "nodev",
        "exec",
        "noexec",
        "sync",
        "async",
        "dirsync",
        "mand",
        "nomand",
        "atime",
        "noatime",
        "diratime",
        "nodiratime",
        "relatime",
        "norelatime",
        "strictatime",
        "nostrictatime",
        "private",
        "rprivate",
        "shared",
        "rshared",
        "slave",
        "rslave",
        "unbindable",
        "runbindable",
    ];
    match word.split_once('=') {
        Some((key, _)) => ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"].contains(&key),
        None => flags.contains(&word),
    }
}

fn bind(target: &str, source: &Path, options: &[&str]) -> SpecMount {
    mount(target, "bind", source, options.iter().map(|it| (*it).to_owned()).collect())
}

fn mount(target: &str, kind: &str, source: &Path, options: Vec<String>) -> SpecMount {
    let mut made = SpecMount::default();
    made.set_destination(PathBuf::from(target)).set_typ(Some(kind.to_owned()));
    made.set_source(Some(source.to_owned())).set_options(Some(options));
    made
}

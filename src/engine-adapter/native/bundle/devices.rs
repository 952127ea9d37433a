//! Device nodes, and who may use which.
//!
//! Source: Docker's reference of `docker run` (`--device`, `--device-cgroup-rule`, `--privileged`); the specs that dockerd writes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxDevice, LinuxDeviceCgroup, LinuxDeviceType as Kind};
use rcompose_engine_adapter::{ContainerSpec, DeviceMapping, EngineError, ErrorKind, Result};

use super::cdi;
use super::{Facts, invalid};

/// A device node of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its path on the host.
    pub(crate) path: PathBuf,
    /// A block device, else a character device.
    pub(crate) block: bool,
    pub(crate) major: u32,
    pub(crate) minor: u32,
    /// Permission bits.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// What was found at each path that [`asked`] names: the node itself, or all those in a folder.
pub(crate) type Nodes = BTreeMap<PathBuf, Vec<Node>>;

/// Folder of the host's devices.
const DEV: &str = "/dev";
/// What in `/dev` belongs to the host's own mounts: a privileged container has its own of these.
const NOT_SHARED: [&str; 4] = ["/dev/pts", "/dev/shm", "/dev/fd", "/dev/mqueue"];

/// Rules of every container, as Docker has them: nothing but zero, null, urandom, random, tty, console; never fuse.
const RULES: [(bool, i64, i64); 7] = [(true, 1, 5), (true, 1, 3), (true, 1, 9), (true, 1, 8), (true, 5, 0), (true, 5, 1), (false, 10, 229)];

/// Nodes and rules.
#[derive(Debug, Default)]
pub(super) struct Devices {
    pub(super) nodes: Vec<LinuxDevice>,
    pub(super) rules: Vec<LinuxDeviceCgroup>,
}

/// Names the paths of the host that [`Facts::nodes`] must tell of.
///
/// # Errors
/// A CDI device is not described, or a request cannot be met.
pub(crate) fn asked(spec: &ContainerSpec, known: &cdi::Known) -> Result<BTreeSet<PathBuf>> {
    let plain = spec.resources.devices.iter().filter(|it| !cdi::is_name(&it.source));
    let mut paths: BTreeSet<PathBuf> = plain.map(|it| PathBuf::from(&it.source)).collect();
    for edits in cdi::edits(spec, known)? {
        paths.extend(edits.host_paths());
    }
    paths.extend(spec.security.privileged.then(|| PathBuf::from(DEV)));
    let resources = &spec.resources;
    for list in [
        &resources.blkio_weight_device,
        &resources.blkio_read_bps,
        &resources.blkio_write_bps,
        &resources.blkio_read_iops,
        &resources.blkio_write_iops,
    ] {
        paths.extend(list.iter().map(|it| PathBuf::from(&it.path)));
    }
    Ok(paths)
}

pub(super) fn lower(spec: &ContainerSpec, facts: &Facts<'_>, warnings: &mut Vec<String>) -> Result<Devices> {
    let privileged = spec.security.privileged;
    let mut made = Devices::default();
    if privileged {
        made.rules.push(rule(true, None, None, None, "rwm"));
        let shared = |it: &&Node| NOT_SHARED.iter().all(|own| !it.path.starts_with(own)) && it.path != Path::new("/dev/console");
        for node in facts.nodes.get(Path::new(DEV)).into_iter().flatten().filter(shared) {
            made.put(device(node, node.path.clone()));
        }
    } else {
        made.rules.push(rule(false, None, None, None, "rwm"));
        made.rules
            .extend(RULES.map(|(allow, major, minor)| rule(allow, Some(Kind::C), Some(major), Some(minor), "rwm")));
    }
    for mapping in spec.resources.devices.iter().filter(|it| !cdi::is_name(&it.source)) {
        mapped(&mut made, mapping, privileged, facts)?;
    }
    for text in &spec.resources.device_cgroup_rules {
        let rule = parse_rule(text)?;
        if privileged {
            warnings.push(format!("device_cgroup_rules `{text}`: a privileged container may use every device"));
        } else {
            made.rules.push(rule);
        }
    }
    Ok(made)
}

/// Puts in the node of a mapping, or all nodes of its folder.
fn mapped(made: &mut Devices, mapping: &DeviceMapping, privileged: bool, facts: &Facts<'_>) -> Result<()> {
    let DeviceMapping { source, target, permissions } = mapping;
    let access = access(permissions).ok_or_else(|| invalid(format!("device {source}: `{permissions}` is none of r, w, m")))?;
    let target = if target.is_empty() { source } else { target };
    let inside = super::mounts::clean(target).map_err(|_| invalid(format!("device {source}: {target} is no absolute path")))?;
    for node in found(facts, Path::new(source))? {
        let below = node.path.strip_prefix(source).unwrap_or(Path::new(""));
        // A join with nothing would end in a slash.
        let path = if below.as_os_str().is_empty() { inside.clone() } else { inside.join(below) };
        made.put(device(node, path));
        if !privileged {
            made.allow(node, access);
        }
    }
    Ok(())
}

/// Returns the nodes at a path.
pub(super) fn found<'a>(facts: &Facts<'a>, path: &Path) -> Result<&'a [Node]> {
    let nodes = facts.nodes.get(path).map(Vec::as_slice).unwrap_or_default();
    if nodes.is_empty() {
        let message = format!("device {}: this host has no device there", path.display());
        return Err(EngineError::new(ErrorKind::Invalid, message));
    }
    Ok(nodes)
}

impl Devices {
    /// Puts a node in; a later one at the same path replaces it.
    pub(super) fn put(&mut self, device: LinuxDevice) {
        self.nodes.retain(|it| it.path() != device.path());
        self.nodes.push(device);
    }

    pub(super) fn allow(&mut self, node: &Node, access: &str) {
        let kind = if node.block { Kind::B } else { Kind::C };
        self.rules.push(rule(true, Some(kind), Some(node.major.into()), Some(node.minor.into()), access));
    }
}

pub(super) fn device(node: &Node, path: PathBuf) -> LinuxDevice {
    let mut made = LinuxDevice::default();
    made.set_path(path).set_typ(if node.block { Kind::B } else { Kind::C });
    made.set_major(node.major.into()).set_minor(node.minor.into());
    made.set_file_mode(Some(node.mode)).set_uid(Some(node.uid)).set_gid(Some(node.gid));
    made
}

fn rule(allow: bool, kind: Option<Kind>, major: Option<i64>, minor: Option<i64>, access: &str) -> LinuxDeviceCgroup {
    let mut made = LinuxDeviceCgroup::default();
    made.set_allow(allow).set_typ(kind).set_major(major).set_minor(minor);
    made.set_access(Some(access.to_owned()));
    made
}

/// Checks letters of `rwm`, each at most once; none are all.
pub(super) fn access(text: &str) -> Option<&str> {
    let letters: BTreeSet<char> = text.chars().collect();
    let good = letters.len() == text.len() && letters.iter().all(|it| "rwm".contains(*it));
    good.then_some(if text.is_empty() { "rwm" } else { text })
}

/// Reads a rule such as `c 1:3 mr`, `b *:* r`.
fn parse_rule(text: &str) -> Result<LinuxDeviceCgroup> {
    let wrong = || invalid(format!("device_cgroup_rules `{text}`: a rule is `[acb] MAJOR:MINOR [rwm]`, with * for every number"));
    let mut words = text.split(' ');
    let (Some(kind), Some(numbers), Some(letters), None) = (words.next(), words.next(), words.next(), words.next()) else {
        return Err(wrong());
    };
    let kind = match kind {
        "a" => Kind::A,
        "b" => Kind::B,
        "c" => Kind::C,
        _ => return Err(wrong()),
    };
    let number = |text: &str| if text == "*" { Some(-1) } else { text.parse::<u32>().ok().map(i64::from) };
    let numbers = numbers.split_once(':').and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
    let (major, minor) = numbers.ok_or_else(wrong)?;
    let access = access(letters).filter(|_| !letters.is_empty()).ok_or_else(wrong)?;
    if kind == Kind::A {
        if (major, minor) != (-1, -1) || access.len() != 3 {
            return Err(invalid(format!("device_cgroup_rules `{text}`: a rule for `a` is for all numbers and `rwm`")));
        }
        return Ok(rule(true, Some(Kind::A), None, None, "rwm"));
    }
    Ok(rule(true, Some(kind), Some(major), Some(minor), access))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read() {
        let read = |text: &str| parse_rule(text).map(|it| (it.typ(), it.major(), it.minor(), it.access().clone()));
        assert_eq!(read("c 1:3 mr").unwrap(), (Some(Kind::C), Some(1), Some(3), Some("mr".to_owned())));
        assert_eq!(read("b *:7 w").unwrap(), (Some(Kind::B), Some(-1), Some(7), Some("w".to_owned())));
        assert_eq!(read("a *:* rwm").unwrap(), (Some(Kind::A), None, None, Some("rwm".to_owned())));
        for text in [
            "",
            "c",
            "c 1 r",
            "d 1:1 r",
            "c 1:x r",
            "c 1:1 q",
            "c 1:1 rr",
            "c 1:1 r more",
            "c 1:1 ",
            "a 1:1 rwm",
            "a *:* r",
            "c -1:1 r",
        ] {
            assert!(parse_rule(text).unwrap_err().message.contains("device_cgroup_rules"), "{text}");
        }
    }
}

//! What is in `/dev`: the nodes of every container and those of the spec; source: OCI runtime spec, config-linux.md, "Default Devices".

use std::ffi::CString;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Linux, LinuxDeviceType, Spec};

use super::step::{Act, Device, Tree};
use super::{Builder, NEWUSER, mounts, options};
use crate::error::{Result, RuntimeError};

/// Nodes that every container has: path, major, minor.
const DEFAULTS: [(&str, u32, u32); 6] = [
    ("dev/null", 1, 3),
    ("dev/zero", 1, 5),
    ("dev/full", 1, 7),
    ("dev/random", 1, 8),
    ("dev/urandom", 1, 9),
    ("dev/tty", 5, 0),
];

/// Links that every container has.
const LINKS: [(&str, &str); 4] = [
    ("dev/fd", "/proc/self/fd"),
    ("dev/stdin", "/proc/self/fd/0"),
    ("dev/stdout", "/proc/self/fd/1"),
    ("dev/stderr", "/proc/self/fd/2"),
];

/// Adds the steps; none of it where the host's `/dev` is bound.
pub(super) fn add(builder: &mut Builder<'_>, spec: &Spec, linux: &Linux, has_kcore: bool) -> Result<()> {
    let is_bind = |it: &oci_spec::runtime::Mount| {
        it.typ().as_deref() == Some("bind") || it.options().iter().flatten().any(|word| word == "bind" || word == "rbind")
    };
    if spec.mounts().iter().flatten().any(|it| is_bind(it) && clean(it.destination()) == Path::new("dev")) {
        return Ok(());
    }
    let mut wanted: Vec<Device> = Vec::new();
    for (at, device) in linux.devices().iter().flatten().enumerate() {
        let field = format!("linux.devices[{at}]");
        wanted.push(read(&field, device)?);
    }
    for (path, major, minor) in DEFAULTS {
        if wanted.iter().all(|it| it.target.as_bytes() != path.as_bytes()) {
            wanted.push(node(path, libc::S_IFCHR | 0o666, libc::makedev(major, minor)));
        }
    }
    for mut device in wanted {
        let path = device.target.to_string_lossy().into_owned();
        if builder.namespaces.has(NEWUSER) {
            let tree = Tree {
                path: PathBuf::from("/").join(&path),
                recursive: false,
                propagation: options::propagation("slave"),
                idmap: None,
                device: Some(device.number),
            };
            device.tree = Some(builder.tree(tree));
        }
        builder.push(format!("make the device /{path}"), Act::Device(device));
    }
    let link = |builder: &mut Builder<'_>, target: &str, to: &str, replace| {
        let (target, to) = (CString::new(target).unwrap_or_default(), CString::new(to).unwrap_or_default());
        builder.push(format!("link /{}", target.to_string_lossy()), Act::Symlink { target, to, replace });
    };
    link(builder, "dev/ptmx", "pts/ptmx", true);
    if has_kcore {
        link(builder, "dev/core", "/proc/kcore", false);
    }
    for (target, to) in LINKS {
        link(builder, target, to, false);
    }
    Ok(())
}

fn clean(path: &Path) -> PathBuf {
    path.components().filter(|it| matches!(it, std::path::Component::Normal(_))).collect()
}

fn node(path: &str, mode: u32, number: u64) -> Device {
    Device { target: CString::new(path).unwrap_or_default(), mode, number, uid: 0, gid: 0, tree: None }
}

fn read(field: &str, device: &oci_spec::runtime::LinuxDevice) -> Result<Device> {
    let kind = match device.typ() {
        LinuxDeviceType::B => libc::S_IFBLK,
        LinuxDeviceType::C | LinuxDeviceType::U => libc::S_IFCHR,
        LinuxDeviceType::P => libc::S_IFIFO,
        LinuxDeviceType::A => return Err(RuntimeError::field(format!("{field}.type"), "`a` is no type of a node")),
    };
    let number = |part: i64, name: &str| {
        u32::try_from(part).map_err(|_| RuntimeError::field(format!("{field}.{name}"), format!("{part} is no device number")))
    };
    let dev = if kind == libc::S_IFIFO {
        0
    } else {
        libc::makedev(number(device.major(), "major")?, number(device.minor(), "minor")?)
    };
    let target = mounts::target(&format!("{field}.path"), device.path())?;
    let permissions = device.file_mode().unwrap_or(0o666) & 0o7777;
    Ok(Device {
        target,
        mode: kind | permissions,
        number: dev,
        uid: device.uid().unwrap_or(0),
        gid: device.gid().unwrap_or(0),
        tree: None,
    })
}

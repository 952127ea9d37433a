//! What the options of a volume mean, which are those of Docker's driver `local`: `type`, `o`, `device`. Pure.
//!
//! Source: Docker's documentation, "docker volume create", "Driver-specific options"; mount(2), mount(8).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rcompose_engine_adapter::{EngineError, ErrorKind, Result, VolumeName};
use rustix::mount::MountFlags;

use crate::error;

/// Where a volume's content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// In its own folder.
    Own,
    /// In a folder of the host, as it is.
    Folder(PathBuf),
    /// In what is mounted over its own folder while somebody uses it.
    Mounted(Mounted),
}

/// What is mounted, as mount(2) takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mounted {
    pub(crate) kind: String,
    pub(crate) device: String,
    pub(crate) flags: MountFlags,
    /// Options for the file system itself, by commas.
    pub(crate) data: Vec<String>,
}

/// File systems of another machine, whose kernel parts want an address.
const OF_NETWORK: [&str; 2] = ["nfs", "nfs4"];
/// File systems whose device is no path of this machine. Source: `FS_REQUIRES_DEV` of the kernel, which these lack.
const WITHOUT_PATH: [&str; 12] = [
    "tmpfs", "ramfs", "nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "ceph", "overlay", "proc", "sysfs",
];
/// What mount(8) keeps to itself.
const OF_MOUNT_ONLY: [&str; 7] = ["defaults", "_netdev", "nofail", "auto", "noauto", "loud", "rw"];
/// A word, the flag that it is about, and whether it sets it.
const FLAGS: [(&str, MountFlags, bool); 21] = [
    ("ro", MountFlags::RDONLY, true),
    ("suid", MountFlags::NOSUID, false),
    ("nosuid", MountFlags::NOSUID, true),
    ("dev", MountFlags::NODEV, false),
    ("nodev", MountFlags::NODEV, true),
    ("exec", MountFlags::NOEXEC, false),
    ("noexec", MountFlags::NOEXEC, true),
    ("async", MountFlags::SYNCHRONOUS, false),
    ("sync", MountFlags::SYNCHRONOUS, true),
    ("dirsync", MountFlags::DIRSYNC, true),
    ("atime", MountFlags::NOATIME, false),
    ("noatime", MountFlags::NOATIME, true),
    ("diratime", MountFlags::NODIRATIME, false),
    ("nodiratime", MountFlags::NODIRATIME, true),
    ("norelatime", MountFlags::RELATIME, false),
    ("relatime", MountFlags::RELATIME, true),
    ("nostrictatime", MountFlags::STRICTATIME, false),
    ("strictatime", MountFlags::STRICTATIME, true),
    ("bind", MountFlags::BIND, true),
    ("rbind", MountFlags::BIND.union(MountFlags::REC), true),
    ("silent", MountFlags::SILENT, true),
];
const PROPAGATION: [&str; 8] = ["private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable"];

/// Reads the options of a volume. Values of `o` are in no error: a password may be among them.
///
/// # Errors
/// `Invalid` or `Unsupported`: the volume and the option are named.
pub(crate) fn read(name: &VolumeName, options: &BTreeMap<String, String>) -> Result<Content> {
    let wrong = |text: &str| error::invalid(format!("volume {name}: driver_opts: {text}"));
    if options.is_empty() {
        return Ok(Content::Own);
    }
    if let Some(key) = options.keys().find(|it| !["type", "device", "o"].contains(&it.as_str())) {
        let message = format!("volume {name}: driver_opts.{key}: the driver local has type, o and device here");
        return Err(EngineError::new(if key == "size" { ErrorKind::Unsupported } else { ErrorKind::Invalid }, message));
    }
    let given = |key: &str| options.get(key).map(String::as_str).filter(|it| !it.is_empty());
    let device = given("device").ok_or_else(|| wrong("`device` is missing: it says what is mounted"))?;
    let (flags, data) = words(given("o").unwrap_or_default()).map_err(|it| wrong(&it))?;
    let kind = given("type").unwrap_or("none");
    if flags.contains(MountFlags::BIND) {
        if !data.is_empty() {
            return Err(wrong("`o` has words that a bind does not have"));
        }
        let folder = absolute(device).ok_or_else(|| wrong(&format!("the device {device} of a bind must be an absolute path")))?;
        return Ok(if (flags - MountFlags::REC) == MountFlags::BIND {
            Content::Folder(folder)
        } else {
            Content::Mounted(Mounted { kind: "none".to_owned(), device: device.to_owned(), flags, data })
        });
    }
    if kind == "none" {
        return Err(wrong("`type: none` binds a folder, which `o` must say: `o: bind`"));
    }
    let mut mounted = Mounted { kind: kind.to_owned(), device: device.to_owned(), flags, data };
    if OF_NETWORK.contains(&kind) && !mounted.data.iter().any(|it| it.starts_with("addr=")) {
        let host = device.split_once(":/").map(|(host, _)| host).filter(|it| !it.is_empty());
        let host = host.ok_or_else(|| wrong("who has it is missing: `device` as `host:/path`, or `addr=` in `o`"))?;
        mounted.data.push(format!("addr={host}"));
    }
    if needs_path(kind) && absolute(device).is_none() {
        return Err(wrong(&format!("the device {device} of a {kind} must be an absolute path, as /dev/sdb1")));
    }
    Ok(Content::Mounted(mounted))
}

impl Content {
    /// Tells whether it is gone once it is unmounted.
    pub(crate) fn is_memory(&self) -> bool {
        matches!(self, Self::Mounted(it) if it.kind == "tmpfs" || it.kind == "ramfs")
    }

    /// The path of this machine that must be there.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Own => None,
            Self::Folder(folder) => Some(folder),
            Self::Mounted(it) => (it.flags.contains(MountFlags::BIND) || needs_path(&it.kind)).then(|| Path::new(&it.device)),
        }
    }
}

fn needs_path(kind: &str) -> bool {
    !WITHOUT_PATH.contains(&kind) && !kind.starts_with("fuse")
}

fn absolute(text: &str) -> Option<PathBuf> {
    Some(PathBuf::from(text)).filter(|it| it.is_absolute())
}

/// Tells flags from options of the file system.
fn words(text: &str) -> Result<(MountFlags, Vec<String>), String> {
    let (mut flags, mut data) = (MountFlags::empty(), Vec::new());
    for word in text.split(',').map(str::trim).filter(|it| !it.is_empty()) {
        if let Some((_, flag, set)) = FLAGS.iter().find(|(name, ..)| *name == word) {
            flags.set(*flag, *set);
        } else if word == "rw" {
            flags.remove(MountFlags::RDONLY);
        } else if PROPAGATION.contains(&word) {
            return Err(format!("`o` has `{word}`: how mounts propagate belongs to the service's mount (`bind.propagation`)"));
        } else if !OF_MOUNT_ONLY.contains(&word) && !word.starts_with("x-") {
            data.push(word.to_owned());
        }
    }
    Ok((flags, data))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(kind: &str, device: &str, o: &str) -> BTreeMap<String, String> {
        let given = [("type", kind), ("device", device), ("o", o)];
        given
            .iter()
            .filter(|(_, it)| *it != "-")
            .map(|(key, it)| ((*key).to_owned(), (*it).to_owned()))
            .collect()
    }

    #[test]
    fn what_is_mounted() {
        let mounted = |kind: &str, device: &str, flags: MountFlags, data: &str| {
            let data = data.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect();
            Content::Mounted(Mounted { kind: kind.into(), device: device.into(), flags, data })
        };
        let none = MountFlags::empty();
        let cases = [
            (("-", "-", "-"), Content::Own),
            (("none", "/srv", "bind"), Content::Folder("/srv".into())),
            (("", "/srv", "rbind,rw"), Content::Folder("/srv".into())),
            (("bind", "/srv", "defaults,bind"), Content::Folder("/srv".into())),
            (("none", "/srv", "bind,ro"), mounted("none", "/srv", MountFlags::BIND | MountFlags::RDONLY, "")),
            (("none", "/srv", "bind,ro,rw"), Content::Folder("/srv".into())),
            (("tmpfs", "tmpfs", "-"), mounted("tmpfs", "tmpfs", none, "")),
            (("tmpfs", "x", "size=1m, noexec,uid=7"), mounted("tmpfs", "x", MountFlags::NOEXEC, "size=1m,uid=7")),
            (
                ("btrfs", "/dev/sdb", "subvol=a,noatime,_netdev,x-a=b"),
                mounted("btrfs", "/dev/sdb", MountFlags::NOATIME, "subvol=a"),
            ),
            (("ext4", "/dev/sdb", "nosuid,suid"), mounted("ext4", "/dev/sdb", none, "")),
            (("nfs", ":/a", "addr=10.0.0.1,rw,nfsvers=4"), mounted("nfs", ":/a", none, "addr=10.0.0.1,nfsvers=4")),
            (("nfs4", "host:/a", "-"), mounted("nfs4", "host:/a", none, "addr=host")),
            (("cifs", "//host/share", "username=u"), mounted("cifs", "//host/share", none, "username=u")),
        ];
        for ((kind, device, o), expected) in cases {
            assert_eq!(read(&"v".into(), &options(kind, device, o)).unwrap(), expected, "{kind} {device} {o}");
        }
    }

    #[test]
    fn what_makes_no_sense_names_the_volume_and_shows_no_password() {
        let cases = [
            (("none", "/srv", "-"), "o: bind"),
            (("tmpfs", "-", "-"), "`device` is missing"),
            (("none", "srv", "bind"), "absolute"),
            (("none", "/srv", "bind,password=hidden"), "a bind does not have"),
            (("ext4", "sdb", "-"), "/dev/sdb1"),
            (("ext4", "UUID=1", "password=hidden"), "absolute"),
            (("nfs", ":/a", "password=hidden"), "`addr=` in `o`"),
            (("nfs", "nowhere", "-"), "host:/path"),
            (("ext4", "/dev/sdb", "rshared"), "rshared"),
        ];
        for ((kind, device, o), words) in cases {
            let error = read(&"v".into(), &options(kind, device, o)).unwrap_err();
            assert!(error.message.starts_with("volume v: ") && error.message.contains(words), "{error}");
            assert!(!error.message.contains("hidden"), "{error}");
        }
        for (key, kind) in [("size", ErrorKind::Unsupported), ("sizes", ErrorKind::Invalid)] {
            let error = read(&"v".into(), &BTreeMap::from([(key.to_owned(), "1g".to_owned())])).unwrap_err();
            assert!(error.kind == kind && error.message.contains(key), "{error}");
        }
    }

    #[test]
    fn paths_that_must_be_there() {
        let path = |kind, device, o| read(&"v".into(), &options(kind, device, o)).unwrap().path().map(Path::to_owned);
        assert_eq!(path("none", "/srv", "bind,ro"), Some("/srv".into()));
        assert_eq!(path("none", "/srv", "bind"), Some("/srv".into()));
        assert_eq!(path("xfs", "/dev/sdb", "-"), Some("/dev/sdb".into()));
        assert_eq!((path("tmpfs", "/srv", "-"), path("cifs", "//h/s", "-"), path("-", "-", "-")), (None, None, None));
    }
}

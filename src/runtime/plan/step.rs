//! One step inside the new mount namespace, with everything it needs prepared.

use std::ffi::CString;
use std::path::PathBuf;

use super::options::{Attributes, Parameter, Propagation};

/// A step and its name in errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// As `mount /proc (proc)`.
    pub label: String,
    /// What is done.
    pub act: Act,
}

/// What is done. Paths are below the root of the container, without a leading `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A session keyring of the container's own.
    Keyring(CString),
    /// The loopback interface goes up.
    Loopback,
    /// A mount.
    Mount(Mount),
    /// Attributes of the mount at a path.
    Attributes {
        /// Where it is.
        target: CString,
        /// What changes.
        attributes: Attributes,
    },
    /// A device node.
    Device(Device),
    /// A folder, with its parents.
    Folder(CString),
    /// A symbolic link; one that is there stays.
    Symlink {
        /// Where it is.
        target: CString,
        /// Where it leads.
        to: CString,
        /// What is there goes first.
        replace: bool,
    },
    /// The hooks of the host run, by the parent.
    HostHooks,
    /// The hooks `createContainer` run, by this process.
    ContainerHooks,
    /// The terminal is made, and lies at `/dev/console`.
    Console,
    /// A file below `/proc/sys`.
    Sysctl {
        /// Path from the root of a procfs.
        file: CString,
        /// What is written.
        text: CString,
    },
    /// A path of which nothing can be written; absent paths are skipped.
    ReadOnly(CString),
    /// A path that is not seen; absent paths are skipped.
    Mask(CString),
    /// The root itself becomes read-only.
    ReadOnlyRoot,
    /// The root becomes `/`.
    EnterRoot {
        /// With chroot(2), where pivot_root(2) cannot work (a root in an initramfs).
        chroot: bool,
        /// How the root goes on with its peers.
        propagation: Option<Propagation>,
    },
    /// The host name.
    HostName(CString),
    /// The NIS domain name.
    DomainName(CString),
    /// The execution domain.
    Personality(u64),
}

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub target: CString,
    /// Of what.
    pub source: Source,
    /// Attributes of this mount.
    pub attributes: Attributes,
    /// Attributes of its tree.
    pub recursive: Attributes,
    /// In order.
    pub propagation: Vec<Propagation>,
    /// What lies below is copied into it.
    pub copy_up: bool,
    /// It may lie in a procfs.
    pub over_proc: bool,
    /// No part of the path may be a symbolic link (proc and sysfs: CVE-2019-16884, CVE-2023-27561).
    pub no_symlinks: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A new file system.
    New {
        /// Its type.
        kind: CString,
        /// Its source, as mountinfo shows it.
        source: CString,
        /// Its parameters.
        parameters: Vec<Parameter>,
    },
    /// A tree that the parent prepared, by its place in [`super::Plan::trees`].
    Tree(usize),
}

/// A device node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Where.
    pub target: CString,
    /// Type and permissions.
    pub mode: u32,
    /// As makedev(3) has it.
    pub number: u64,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// The host's own node, which is bound where none can be made (user namespaces).
    pub tree: Option<usize>,
}

/// A piece of the host that is cloned before the container exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Its path on the host.
    pub path: PathBuf,
    /// With the mounts below.
    pub recursive: bool,
    /// How it goes on with its peers before the mount's own options count.
    pub propagation: Option<Propagation>,
    /// Ids are shifted.
    pub idmap: Option<IdMap>,
    /// It must be this device, by number.
    pub device: Option<u64>,
}

/// A shift of ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMap {
    /// Lines of a `uid_map`.
    pub uid_map: String,
    /// Lines of a `gid_map`.
    pub gid_map: String,
    /// Of the whole tree.
    pub recursive: bool,
}

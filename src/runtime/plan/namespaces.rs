//! Namespaces to create and to join; source: namespaces(7), OCI runtime spec, config-linux.md.

use std::path::PathBuf;

use oci_spec::runtime::{Linux, LinuxIdMapping, LinuxNamespaceType};

use crate::error::{Result, RuntimeError};

/// A namespace of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// `CLONE_NEW…` of its kind.
    pub kind: u64,
    /// Its name in words, as `network`.
    pub name: &'static str,
    /// A file of it, as `/proc/PID/ns/net`.
    pub path: PathBuf,
}

/// The namespaces of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// `CLONE_NEW…` bits of those that are made.
    pub create: u64,
    /// Those that are joined, in the order of the spec.
    pub join: Vec<Join>,
    /// Lines of `/proc/PID/uid_map`.
    pub uid_map: String,
    /// Lines of `/proc/PID/gid_map`.
    pub gid_map: String,
    /// Lines of `/proc/PID/timens_offsets`.
    pub time_offsets: String,
}

/// `CLONE_NEWTIME` of `linux/sched.h`; it shares its bit with the exit signal, so only unshare(2) and clone3(2) take it.
pub(crate) const NEWTIME: u64 = 0x80;
pub(crate) const NEWNS: u64 = libc::CLONE_NEWNS as u64;
pub(crate) const NEWUSER: u64 = libc::CLONE_NEWUSER as u64;
pub(crate) const NEWCGROUP: u64 = libc::CLONE_NEWCGROUP as u64;
pub(crate) const NEWNET: u64 = libc::CLONE_NEWNET as u64;
pub(crate) const NEWPID: u64 = libc::CLONE_NEWPID as u64;
pub(crate) const NEWUTS: u64 = libc::CLONE_NEWUTS as u64;
pub(crate) const NEWIPC: u64 = libc::CLONE_NEWIPC as u64;

impl Namespaces {
    /// Returns whether the container gets a namespace of the kind of its own.
    #[must_use]
    pub fn creates(&self, kind: u64) -> bool {
        self.create & kind != 0
    }

    /// Returns whether the container has another namespace of the kind than its caller.
    #[must_use]
    pub fn has(&self, kind: u64) -> bool {
        self.creates(kind) || self.join.iter().any(|it| it.kind == kind)
    }
}

/// Returns the bit, the file below `/proc/PID/ns` and the name of a kind.
pub(crate) fn kind(of: LinuxNamespaceType) -> (u64, &'static str, &'static str) {
    match of {
        LinuxNamespaceType::Mount => (NEWNS, "mnt", "mount"),
        LinuxNamespaceType::Cgroup => (NEWCGROUP, "cgroup", "cgroup"),
        LinuxNamespaceType::Uts => (NEWUTS, "uts", "uts"),
        LinuxNamespaceType::Ipc => (NEWIPC, "ipc", "ipc"),
        LinuxNamespaceType::User => (NEWUSER, "user", "user"),
        LinuxNamespaceType::Pid => (NEWPID, "pid", "pid"),
        LinuxNamespaceType::Network => (NEWNET, "net", "network"),
        LinuxNamespaceType::Time => (NEWTIME, "time", "time"),
    }
}

/// Files below `/proc/PID/ns` that exec joins, with the bits of setns(2).
pub(crate) const FILES: [(u64, &str); 8] = [
    (NEWUSER, "user"),
    (NEWNS, "mnt"),
    (NEWUTS, "uts"),
    (NEWIPC, "ipc"),
    (NEWNET, "net"),
    (NEWPID, "pid"),
    (NEWCGROUP, "cgroup"),
    (NEWTIME, "time"),
];

/// Reads the namespaces of a spec.
pub(crate) fn read(linux: &Linux) -> Result<Namespaces> {
    let mut found = Namespaces::default();
    let mut seen = 0;
    for (at, namespace) in linux.namespaces().iter().flatten().enumerate() {
        let (bit, _, name) = kind(namespace.typ());
        if seen & bit != 0 {
            return Err(RuntimeError::field(format!("linux.namespaces[{at}]"), format!("a second `{name}` namespace")));
        }
        seen |= bit;
        match namespace.path() {
            Some(path) if path.as_os_str().is_empty() => found.create |= bit,
            Some(path) if path.is_relative() => {
                return Err(RuntimeError::field(format!("linux.namespaces[{at}].path"), "must be absolute"));
            }
            Some(path) => found.join.push(Join { kind: bit, name, path: path.clone() }),
            None => found.create |= bit,
        }
    }
    if !found.has(NEWNS) {
        let reason = "a container without a mount namespace of its own is not made: add {\"type\": \"mount\"}";
        return Err(RuntimeError::unsupported("linux.namespaces", reason));
    }
    found.uid_map = map("linux.uidMappings", linux.uid_mappings().as_deref(), found.creates(NEWUSER))?;
    found.gid_map = map("linux.gidMappings", linux.gid_mappings().as_deref(), found.creates(NEWUSER))?;
    for (clock, offset) in linux.time_offsets().iter().flatten() {
        if !matches!(clock.as_str(), "monotonic" | "boottime") {
            return Err(RuntimeError::field("linux.timeOffsets", format!("`{clock}` is neither `monotonic` nor `boottime`")));
        }
        let line = format!("{clock} {} {}\n", offset.secs().unwrap_or(0), offset.nanosecs().unwrap_or(0));
        found.time_offsets.push_str(&line);
    }
    if !found.time_offsets.is_empty() && !found.creates(NEWTIME) {
        return Err(RuntimeError::field("linux.timeOffsets", "needs a time namespace of its own in `linux.namespaces`"));
    }
    Ok(found)
}

/// Writes the lines of a map; a map without its namespace, or the reverse, is an error.
pub(crate) fn map(field: &str, mappings: Option<&[LinuxIdMapping]>, wanted: bool) -> Result<String> {
    let mappings = mappings.unwrap_or_default();
    if wanted && mappings.is_empty() {
        return Err(RuntimeError::field(field, "is missing: a new user namespace needs it"));
    }
    if !wanted && !mappings.is_empty() {
        return Err(RuntimeError::field(field, "needs a user namespace of its own in `linux.namespaces`"));
    }
    Ok(lines(mappings))
}

/// Writes the lines of a map as the kernel reads them.
pub(crate) fn lines(mappings: &[LinuxIdMapping]) -> String {
    mappings
        .iter()
        .map(|it| format!("{} {} {}\n", it.container_id(), it.host_id(), it.size()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linux(json: &str) -> Linux {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn bits_and_paths_are_told_apart() {
        let found = read(&linux(
            r#"{"namespaces":[{"type":"mount"},{"type":"network","path":"/proc/1/ns/net"},{"type":"pid","path":""}]}"#,
        ));
        let found = found.unwrap();
        assert_eq!(found.create, NEWNS | NEWPID);
        assert_eq!((found.join[0].kind, found.join[0].name), (NEWNET, "network"));
        assert!(found.has(NEWNET) && !found.creates(NEWNET) && !found.has(NEWUTS));
    }

    #[test]
    fn maps_hold_together_with_the_namespace() {
        for (json, field) in [
            (r#"{"namespaces":[{"type":"mount"},{"type":"user"}]}"#, "linux.uidMappings"),
            (
                r#"{"namespaces":[{"type":"mount"}],"uidMappings":[{"containerID":0,"hostID":1,"size":1}]}"#,
                "linux.uidMappings",
            ),
            (r#"{"namespaces":[{"type":"mount"},{"type":"mount"}]}"#, "linux.namespaces[1]"),
            (r#"{"namespaces":[{"type":"mount"}],"timeOffsets":{"boottime":{"secs":1}}}"#, "linux.timeOffsets"),
            (r#"{"namespaces":[{"type":"pid"}]}"#, "linux.namespaces"),
        ] {
            assert!(read(&linux(json)).unwrap_err().to_string().contains(field), "{json}");
        }
    }
}

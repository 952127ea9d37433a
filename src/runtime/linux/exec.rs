//! A further process of a container that runs.

use std::ffi::CString;
use std::io;
use std::path::Path;

use super::launch::{Created, How, Task, launch};
use super::sys::{self, Errno};
use crate::error::{Result, RuntimeError};
use crate::plan::cgroup::Folder;
use crate::plan::namespaces::{self, NEWPID, NEWUSER, Namespaces};
use crate::plan::process::Process;

/// Runs a further process in a container whose first process is `init`.
///
/// # Errors
/// As [`create`].
pub(crate) fn exec(init: i32, folders: &[Folder], no_pivot: bool, process: &Process, how: How<'_>) -> Result<Created> {
    let step = |errno: Errno| RuntimeError::step("open the container's first process", errno.into());
    let pidfd = sys::own(sys::pidfd_open(init).map_err(step)?);
    let kinds = differing(init)?;
    let chroot = if no_pivot {
        let path = format!("/proc/{init}/root");
        let opened = CString::new(path).map_err(|_| step(Errno(libc::EINVAL)))?;
        Some(sys::own(sys::open(&opened, libc::O_PATH | libc::O_DIRECTORY).map_err(step)?))
    } else {
        None
    };
    let none = Namespaces::default();
    let task = Task {
        plan: None,
        process,
        namespaces: &none,
        joins: vec![(pidfd, kinds)],
        in_userns: kinds & NEWUSER != 0,
        chroot,
        folders,
        init: Some(init),
    };
    launch(&task, how)
}

/// The namespaces in which a process differs from this one: joining one's own user namespace is an error.
fn differing(pid: i32) -> Result<u64> {
    let mut kinds = 0;
    for (kind, name) in namespaces::FILES {
        let of = |who: &str| std::fs::read_link(format!("/proc/{who}/ns/{name}"));
        let theirs = match of(&pid.to_string()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && Path::new("/proc/self/ns").join(name).exists() => {
                return Err(RuntimeError::State { reason: "container not running: its first process is gone".to_owned() });
            }
            Err(_) => continue,
            Ok(theirs) => theirs,
        };
        if of("self").ok() != Some(theirs) {
            kinds |= kind;
        }
    }
    // A process is only in a process namespace if it was born there: with the bit, even where only the others differ, nothing changes.
    Ok(kinds | NEWPID)
}

/// The groups in which a process is, where they lie below those of the container.
pub(super) fn groups_of(init: i32, folders: &[Folder]) -> Vec<Folder> {
    let text = std::fs::read_to_string(format!("/proc/{init}/cgroup")).unwrap_or_default();
    let own = |folder: &Folder| {
        text.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (number, names, path) = (parts.next()?, parts.next()?, parts.next()?);
            let same = if folder.unified {
                number == "0"
            } else {
                folder.controllers.iter().any(|it| names.split(',').any(|name| name == it))
            };
            let path = folder.mount.join(path.trim_start_matches('/'));
            (same && path.starts_with(&folder.path)).then_some(path)
        })
    };
    folders
        .iter()
        .map(|folder| Folder { path: own(folder).unwrap_or_else(|| folder.path.clone()), ..folder.clone() })
        .collect()
}

//! What this host is: control groups, rights, security modules.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::error::{Result, RuntimeError};
use crate::plan::cgroup::{Hierarchy, Layout};
use crate::plan::{Host, Rights};

/// Reads what a plan must know.
///
/// # Errors
/// A file of `/proc` that every Linux has cannot be read.
pub fn read() -> Result<Host> {
    Ok(Host { rights: rights()?, cgroups: cgroups()?, has_kcore: Path::new("/proc/kcore").exists() })
}

/// Reads capabilities and security modules.
///
/// # Errors
/// As [`read`].
pub fn rights() -> Result<Rights> {
    let status = text("/proc/self/status")?;
    let last = text("/proc/sys/kernel/cap_last_cap")?.trim().parse::<u32>().unwrap_or(40).min(63);
    let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).map(str::trim);
    let capabilities = bounding.and_then(|it| u64::from_str_radix(it, 16).ok()).unwrap_or(0);
    Ok(Rights {
        capabilities,
        known: u64::MAX >> (63 - last),
        apparmor: fs::read_to_string("/sys/module/apparmor/parameters/enabled").is_ok_and(|it| it.starts_with('Y')),
        selinux: Path::new("/sys/fs/selinux/enforce").exists(),
    })
}

fn text(path: &str) -> Result<String> {
    fs::read_to_string(path).map_err(|error| RuntimeError::file("read", path, error))
}

/// Reads where control groups are mounted and where this process is in each.
///
/// # Errors
/// As [`read`].
pub fn cgroups() -> Result<Layout> {
    let path = "/proc/self/mountinfo";
    let failed = |error| RuntimeError::file("read", path, error);
    let mounts = BufReader::new(fs::File::open(path).map_err(failed)?).lines();
    layout(mounts, &text("/proc/self/cgroup")?).map_err(failed)
}

/// Reads `mountinfo` and `cgroup` of a process; source: proc(5), cgroups(7). Of the one only what is needed: control groups are mounted when
/// a machine starts, and each container makes the list longer behind them.
fn layout(mounts: impl Iterator<Item = io::Result<String>>, membership: &str) -> io::Result<Layout> {
    let mut layout = Layout::default();
    let all = membership.lines().count();
    for line in mounts {
        if layout.v1.len() + usize::from(layout.v2.is_some()) == all {
            break;
        }
        let line = line?;
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let (left, right): (Vec<&str>, Vec<&str>) = (left.split(' ').collect(), right.split(' ').collect());
        let (Some(root), Some(mount), Some(kind)) = (left.get(3), left.get(4), right.first()) else {
            continue;
        };
        let unified = *kind == "cgroup2";
        if !unified && *kind != "cgroup" {
            continue;
        }
        let names: Vec<String> = if unified {
            Vec::new()
        } else {
            controllers(right.get(2).copied().unwrap_or_default())
        };
        let own = membership.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (number, list, path) = (parts.next()?, parts.next()?, parts.next()?);
            let same = if unified {
                number == "0"
            } else {
                !list.is_empty() && list.split(',').all(|it| names.iter().any(|name| name == it))
            };
            same.then_some(path)
        });
        let Some(own) = own else { continue };
        let root = unescape(root);
        let below = Path::new(own)
            .strip_prefix(&root)
            .unwrap_or_else(|_| Path::new(own).strip_prefix("/").unwrap_or(Path::new("")));
        let mount = unescape(mount);
        let hierarchy = Hierarchy { controllers: names, own: below.to_owned(), mount };
        if unified {
            let controllers = fs::read_to_string(hierarchy.mount.join("cgroup.controllers")).unwrap_or_default();
            let controllers = controllers.split_whitespace().map(str::to_owned).collect();
            layout.v2.get_or_insert(Hierarchy { controllers, ..hierarchy });
        } else if layout.v1.iter().all(|it| it.controllers != hierarchy.controllers) {
            layout.v1.push(hierarchy);
        }
    }
    Ok(layout)
}

/// The controllers among the options of a v1 mount.
fn controllers(options: &str) -> Vec<String> {
    const OTHERS: [&str; 8] = ["rw", "ro", "xattr", "clone_children", "noprefix", "cpuset_v2_mode", "none", "favordynmods"];
    options
        .split(',')
        .filter(|it| !OTHERS.contains(it) && !it.starts_with("release_agent="))
        .map(str::to_owned)
        .collect()
}

/// mountinfo writes space, tab, newline and backslash as octal.
fn unescape(text: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| *first == b'\\').and_then(|it| std::str::from_utf8(it).ok());
        match octal.and_then(|it| u8::from_str_radix(it, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

/// Returns when a process began, in ticks since boot (field 22 of `/proc/PID/stat`), and its state; nothing if there is none.
#[must_use]
pub fn process(pid: i32) -> Option<(u64, char)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and brackets: what comes after its last bracket is plain.
    let rest: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    Some((rest.get(19)?.parse().ok()?, rest.first()?.chars().next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_and_own_places_are_read() {
        let mounts = "30 1 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
            31 1 0:31 /docker/x /sys/fs/cgroup/memory rw shared:1 - cgroup cgroup rw,memory\n\
            32 1 0:32 / /sys/fs/cgroup/systemd rw - cgroup none rw,xattr,name=systemd\n\
            33 1 0:33 / /mnt/a\\040b rw - cgroup2 cgroup2 rw\n\
            34 1 0:31 / /elsewhere rw - cgroup cgroup rw,memory\n";
        let mut left = mounts.lines().map(|it| Ok(it.to_owned()));
        let found = layout(left.by_ref(), "3:cpu,cpuacct:/a\n2:memory:/docker/x/y\n1:name=systemd:/s\n0::/u\n").unwrap();
        assert_eq!(left.next().map(io::Result::unwrap), None, "all are there with the fourth");
        let short: Vec<(String, &str, &str)> = found
            .v1
            .iter()
            .map(|it| (it.controllers.join("+"), it.mount.to_str().unwrap(), it.own.to_str().unwrap()))
            .collect();
        assert_eq!(
            short,
            [
                ("cpu+cpuacct".to_owned(), "/sys/fs/cgroup/cpu,cpuacct", "a"),
                ("memory".to_owned(), "/sys/fs/cgroup/memory", "y"),
                ("name=systemd".to_owned(), "/sys/fs/cgroup/systemd", "s"),
            ]
        );
        let v2 = found.v2.unwrap();
        assert_eq!((v2.mount.to_str().unwrap(), v2.own.to_str().unwrap()), ("/mnt/a b", "u"));
    }

    #[test]
    fn a_process_is_known_by_when_it_began() {
        let own = process(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.0 > 0 && "RS".contains(own.1));
        assert_eq!(process(i32::MAX), None);
    }
}

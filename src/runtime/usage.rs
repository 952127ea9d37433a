//! What a container uses, by its control groups.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::container::Container;
use crate::linux::memory;
use crate::plan::cgroup::Folder;

/// Figures of one moment; what the kernel does not tell is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Nanoseconds of processor time.
    pub cpu: Option<u64>,
    /// Nanoseconds of it in the kernel.
    pub cpu_kernel: Option<u64>,
    /// Nanoseconds of it in programs.
    pub cpu_user: Option<u64>,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Most bytes that there have been.
    pub memory_peak: Option<u64>,
    /// Bytes that there may be; absent where nothing limits.
    pub memory_limit: Option<u64>,
    /// Bytes of memory that hold files.
    pub cache: Option<u64>,
    /// Those of them that were not used lately, which the kernel takes first.
    pub inactive_file: Option<u64>,
    /// Bytes read from disks.
    pub read: Option<u64>,
    /// Bytes written to disks.
    pub written: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Processes and threads that there may be.
    pub pids_limit: Option<u64>,
    /// Processes that were ended for want of memory.
    pub oom_kills: Option<u64>,
}

/// A limit of v1 that is none is the largest number of whole pages.
const UNLIMITED: u64 = 1 << 62;

impl Container {
    /// Reads what it uses.
    #[must_use]
    pub fn usage(&self) -> Usage {
        of(&self.record().folders())
    }

    /// Returns how many processes were ended for want of memory; nothing where the kernel does not count them.
    #[must_use]
    pub fn memory_kills(&self) -> Option<u64> {
        memory_kills(&self.record().folders())
    }

    /// Returns a descriptor that can be read, without blocking, when that number may have changed. On v1 it can shortly before.
    ///
    /// # Errors
    /// No control group of the container counts memory.
    pub fn watch_memory(&self) -> io::Result<OwnedFd> {
        memory::watch(&self.record().folders())
    }
}

fn memory_kills(folders: &[Folder]) -> Option<u64> {
    let folder = folders.iter().find(|it| it.controllers.iter().any(|name| name == "memory"))?;
    let file = if folder.unified { "memory.events" } else { "memory.oom_control" };
    keyed(Some(&folder.path), file, "oom_kill")
}

fn of(folders: &[Folder]) -> Usage {
    let place = |controller: &str| {
        folders
            .iter()
            .find(|it| it.controllers.iter().any(|name| name == controller))
            .map(|it| it.path.clone())
    };
    let unified = folders.iter().all(|it| it.unified);
    let limit = |value: Option<u64>| value.filter(|it| *it < UNLIMITED);
    let pids = place("pids");
    let counts = Usage {
        pids: number(pids.as_deref(), "pids.current"),
        pids_limit: number(pids.as_deref(), "pids.max"),
        ..Usage::default()
    };
    let memory = place("memory");
    let memory = memory.as_deref();
    if unified {
        let cpu = folders.first().map(|it| it.path.clone());
        let microseconds = |key: &str| keyed(cpu.as_deref(), "cpu.stat", key).map(|it| it * 1000);
        return Usage {
            cpu: microseconds("usage_usec"),
            cpu_kernel: microseconds("system_usec"),
            cpu_user: microseconds("user_usec"),
            memory: number(memory, "memory.current"),
            memory_peak: number(memory, "memory.peak"),
            memory_limit: number(memory, "memory.max"),
            cache: keyed(memory, "memory.stat", "file"),
            inactive_file: keyed(memory, "memory.stat", "inactive_file"),
            read: moved(cpu.as_deref(), "io.stat", "rbytes="),
            written: moved(cpu.as_deref(), "io.stat", "wbytes="),
            oom_kills: memory_kills(folders),
            ..counts
        };
    }
    let (cpu, disks): (Option<PathBuf>, Option<PathBuf>) = (place("cpuacct"), place("blkio"));
    Usage {
        cpu: number(cpu.as_deref(), "cpuacct.usage"),
        cpu_kernel: number(cpu.as_deref(), "cpuacct.usage_sys"),
        cpu_user: number(cpu.as_deref(), "cpuacct.usage_user"),
        memory: number(memory, "memory.usage_in_bytes"),
        memory_peak: number(memory, "memory.max_usage_in_bytes"),
        memory_limit: limit(number(memory, "memory.limit_in_bytes")),
        cache: keyed(memory, "memory.stat", "cache"),
        inactive_file: keyed(memory, "memory.stat", "total_inactive_file"),
        read: moved(disks.as_deref(), "blkio.throttle.io_service_bytes_recursive", "Read "),
        written: moved(disks.as_deref(), "blkio.throttle.io_service_bytes_recursive", "Write "),
        oom_kills: memory_kills(folders),
        ..counts
    }
}

fn number(folder: Option<&Path>, file: &str) -> Option<u64> {
    fs::read_to_string(folder?.join(file)).ok()?.trim().parse().ok()
}

fn keyed(folder: Option<&Path>, file: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(folder?.join(file)).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Adds up what follows a word in the lines of all disks; source: kernel documentation, "IO Interface Files" and blkio-controller.rst.
fn moved(folder: Option<&Path>, file: &str, word: &str) -> Option<u64> {
    let text = fs::read_to_string(folder?.join(file)).ok()?;
    let figure = |line: &str| line.split_once(word)?.1.split(' ').next()?.parse::<u64>().ok();
    Some(text.lines().filter_map(figure).fold(0, u64::saturating_add))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("cpu.stat", "usage_usec 7\nuser_usec 4\nsystem_usec 3\n");
        write("memory.max", "max\n");
        write("memory.events", "low 0\noom 2\noom_kill 1\n");
        write("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n");
        write("memory.limit_in_bytes", "9223372036854771712\n");
        write("pids.current", "3\n");
        write("memory.stat", "file 9\ninactive_file 5\ncache 8\ntotal_inactive_file 4\n");
        write("io.stat", "8:0 rbytes=10 wbytes=20 rios=1 wios=2\n8:16 rbytes=1 wbytes=2 rios=1 wios=1\n");
        write("blkio.throttle.io_service_bytes_recursive", "8:0 Read 3\n8:0 Write 4\n8:16 Read 5\n8:16 Write 6\nTotal 18\n");
        let place = |unified| Folder {
            path: folder.path().to_owned(),
            mount: PathBuf::new(),
            unified,
            controllers: ["memory", "pids", "cpuacct", "blkio"].map(str::to_owned).to_vec(),
            writes: Vec::new(),
        };
        let v2 = of(&[place(true)]);
        assert_eq!(
            (v2.cpu, v2.cpu_user, v2.memory_limit, v2.oom_kills, v2.pids),
            (Some(7000), Some(4000), None, Some(1), Some(3))
        );
        let v1 = of(&[place(false)]);
        assert_eq!((v1.memory_limit, v1.oom_kills, v1.memory), (None, Some(5), None));
        assert_eq!((v2.inactive_file, v2.read, v2.written), (Some(5), Some(11), Some(22)));
        assert_eq!((v1.inactive_file, v1.read, v1.written), (Some(4), Some(8), Some(10)));
    }
}

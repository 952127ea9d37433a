//! Who holds a port of this machine: a container, or a process found through `/proc`.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;

use rcompose_engine_adapter::PortHolder;

/// Ports that were wanted and are taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Holders(pub(crate) BTreeMap<u16, Taken>);

/// A port that is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Who has it, as far as it can be known.
    pub(crate) by: Option<Holder>,
    /// The next port that is free.
    pub(crate) free: Option<u16>,
}

/// Who has a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A container of the engine.
    Container {
        /// Its name.
        name: String,
        /// Its project.
        project: Option<String>,
    },
    /// A process of this machine.
    Process {
        /// Its number.
        pid: u32,
        /// Its name.
        name: String,
    },
}

impl Holders {
    /// Finds out who has a port. `local` tells that the engine runs on this machine.
    pub(crate) fn look_up(&mut self, port: u16, containers: &[PortHolder], local: bool) {
        let container = containers
            .iter()
            .find(|it| it.port == port)
            .map(|it| Holder::Container { name: it.container.to_string(), project: it.project.clone() });
        let by = container.or_else(|| if local { process_on(port, Path::new("/proc")) } else { None });
        let free = if local { free_after(port) } else { None };
        self.0.insert(port, Taken { by, free });
    }
}

/// Finds a free port near the one wanted: within 100 it still looks like it.
fn free_after(port: u16) -> Option<u16> {
    (1..=100)
        .filter_map(|step| port.checked_add(step))
        .find(|it| TcpListener::bind(("0.0.0.0", *it)).is_ok())
}

/// Finds the process that listens on a TCP port. Source: proc_pid_net(5): column 2 is `address:port` in hex, column 4 the
/// state (`0A` is listening), column 10 the inode; `/proc/<pid>/fd` links to `socket:[inode]`.
fn process_on(port: u16, proc: &Path) -> Option<Holder> {
    let inodes: Vec<String> = ["net/tcp", "net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(proc.join(table)).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let targets: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    for process in std::fs::read_dir(proc).ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(descriptors) = std::fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = descriptors
            .flatten()
            .filter_map(|it| std::fs::read_link(it.path()).ok())
            .any(|link| targets.iter().any(|target| link.as_os_str() == target.as_str()));
        if holds {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(Holder::Process { pid, name: name.trim().to_owned() });
        }
    }
    None
}

fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let matches = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let local = columns.get(1)?.rsplit(':').next()?;
        let listens = columns.get(3) == Some(&"0A") && u16::from_str_radix(local, 16) == Ok(port);
        listens.then(|| columns.get(9).map(|inode| (*inode).to_owned())).flatten()
    };
    table.lines().skip(1).filter_map(matches).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_listener_of_this_process_is_found() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut holders = Holders::default();
        holders.look_up(port, &[], true);
        let taken = &holders.0[&port];
        assert!(matches!(&taken.by, Some(Holder::Process { pid, .. }) if *pid == std::process::id()), "{taken:?}");
        assert_ne!(taken.free, Some(port));
    }

    #[test]
    fn only_listeners_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n\
             1: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n";
        assert_eq!(listening_inodes(table, 8080), ["4711"]);
        assert!(listening_inodes(table, 8081).is_empty());
    }
}

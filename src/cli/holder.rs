//! Who holds a port of this machine: a container, or a process found through `/proc`.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::path::Path;

use rcompose_engine_adapter::{PortHolder, PortSpec, Protocol};
use rcompose_planner::{Action, Plan, StepId};

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
        let by = container.or_else(|| {
            if local {
                process_on(port, Protocol::Tcp, Path::new("/proc")).or_else(|| process_on(port, Protocol::Udp, Path::new("/proc")))
            } else {
                None
            }
        });
        let free = if local { free_after(port) } else { None };
        self.0.insert(port, Taken { by, free });
    }
}

/// Finds ports that containers of a plan will publish on this machine, and that a process has which no step of the plan ends; each with
/// the step that would fail. Where it is not to be seen who has one, the engine finds out.
pub(crate) fn foreign(plan: &Plan) -> Vec<(StepId, u16)> {
    let mut found = Vec::new();
    for made in &plan.steps {
        let Action::CreateContainer(spec) = &made.action else { continue };
        let renamed = plan.steps.iter().find_map(|it| match &it.action {
            Action::RenameContainer { from, to } if *from == spec.name => Some(to),
            _ => None,
        });
        let name = renamed.unwrap_or(&spec.name);
        let starts = |action: &Action| matches!(action, Action::StartContainer { name: it } if it == name);
        let Some(step) = plan.steps.iter().find(|it| starts(&it.action)) else {
            continue;
        };
        let taken = spec.ports.iter().find_map(|port| taken(port).filter(|it| is_foreign(*it, port.protocol)));
        found.extend(taken.map(|port| (step.id, port)));
    }
    found
}

/// Returns the only port that is wanted, if somebody has it.
fn taken(port: &PortSpec) -> Option<u16> {
    let (first, _) = port.published.filter(|(first, last)| first == last && *first != 0)?;
    let address = (port.host_ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), first);
    let bound = match port.protocol {
        Protocol::Tcp => TcpListener::bind(address).map(drop),
        Protocol::Udp => UdpSocket::bind(address).map(drop),
        Protocol::Sctp => return None,
    };
    bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse).then_some(first)
}

/// Tells whether a port is a process's that is neither a guardian nor in a container of our own.
fn is_foreign(port: u16, protocol: Protocol) -> bool {
    let Some(Holder::Process { pid, .. }) = process_on(port, protocol, Path::new("/proc")) else {
        return false;
    };
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let (words, groups) = (read("cmdline"), read("cgroup"));
    let is_looker = words.split('\0').nth(1).is_some_and(|it| matches!(it, "__guard" | "__shim"));
    !is_looker && !groups.is_empty() && !groups.contains("/rcompose/")
}

/// Finds a free port near the one wanted: within 100 it still looks like it.
fn free_after(port: u16) -> Option<u16> {
    (1..=100)
        .filter_map(|step| port.checked_add(step))
        .find(|it| TcpListener::bind(("0.0.0.0", *it)).is_ok())
}

/// Finds the process that listens on a port. Source: proc_pid_net(5): column 2 is `address:port` in hex, column 4 the state (`0A` is
/// listening, of UDP `07` is not connected), column 10 the inode; `/proc/<pid>/fd` links to `socket:[inode]`.
fn process_on(port: u16, protocol: Protocol, proc: &Path) -> Option<Holder> {
    let (tables, state) = match protocol {
        Protocol::Tcp | Protocol::Sctp => (["net/tcp", "net/tcp6"], "0A"),
        Protocol::Udp => (["net/udp", "net/udp6"], "07"),
    };
    let inodes: Vec<String> = tables
        .iter()
        .filter_map(|table| std::fs::read_to_string(proc.join(table)).ok())
        .flat_map(|table| listening_inodes(&table, port, state))
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

fn listening_inodes(table: &str, port: u16, state: &str) -> Vec<String> {
    let matches = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let local = columns.get(1)?.rsplit(':').next()?;
        let listens = columns.get(3) == Some(&state) && u16::from_str_radix(local, 16) == Ok(port);
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
    #[cfg(target_os = "linux")]
    fn a_port_that_a_plan_needs_and_a_process_has_is_found_with_the_step_that_would_fail() {
        let listener = TcpListener::bind(("0.0.0.0", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut plan = crate::render::tests::plan();
        let publish = |plan: &mut Plan, published, protocol| {
            for step in &mut plan.steps {
                if let Action::CreateContainer(spec) = &mut step.action {
                    spec.ports = vec![PortSpec { target: 80, protocol, host_ip: None, published: Some(published) }];
                }
            }
        };
        publish(&mut plan, (port, port), Protocol::Tcp);
        assert_eq!(foreign(&plan), [(StepId(4), port), (StepId(7), port)]);
        // Of several, another one may be free.
        publish(&mut plan, (port, port + 1), Protocol::Tcp);
        assert_eq!(foreign(&plan), []);
        publish(&mut plan, (port, port), Protocol::Tcp);
        drop(listener);
        assert_eq!(foreign(&plan), []);
        let socket = UdpSocket::bind(("::", 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        publish(&mut plan, (port, port), Protocol::Udp);
        assert_eq!(foreign(&plan).len(), 2);
        // Not started, it needs none.
        plan.steps.retain(|it| !matches!(it.action, Action::StartContainer { .. }));
        assert_eq!(foreign(&plan), []);
    }

    #[test]
    fn only_listeners_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n\
             1: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n";
        assert_eq!(listening_inodes(table, 8080, "0A"), ["4711"]);
        assert!(listening_inodes(table, 8081, "0A").is_empty());
    }
}

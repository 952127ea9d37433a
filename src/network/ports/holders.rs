//! Who holds a port: the kernel's lists of sockets, in the network namespace of this thread, and the descriptors of processes.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use crate::Protocol;
use crate::linux::diagnosis;

/// State of a TCP socket that waits for connections. Source: `include/net/tcp_states.h`.
const LISTENING: u8 = 10;
/// State of a bound socket without a peer; so are UDP sockets, and TCP ones that do not listen yet.
const CLOSED: u8 = 7;

/// A socket as `/proc/net/{tcp,tcp6,udp,udp6}` lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) inode: u64,
}

/// Reads one of the kernel's lists; sockets with a peer are left out. Lines that make no sense are skipped.
pub(crate) fn parse(text: &str) -> Vec<Listed> {
    text.lines().skip(1).filter_map(line).collect()
}

fn line(line: &str) -> Option<Listed> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (address, port) = words.next()?.split_once(':')?;
    let (_remote, state) = (words.next()?, u8::from_str_radix(words.next()?, 16).ok()?);
    let inode = words.nth(5)?.parse().ok()?;
    let listed = Listed { address: address_of(address)?, port: u16::from_str_radix(port, 16).ok()?, inode };
    matches!(state, LISTENING | CLOSED).then_some(listed)
}

/// Words of 32 bits in the order of this machine, each as hex digits.
fn address_of(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(hex.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    match hex.len() {
        8 => word(0).map(|it| IpAddr::V4(Ipv4Addr::from(it))),
        32 => {
            let mut bytes = [0; 16];
            for (at, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(at)?);
            }
            Some(IpAddr::V6(Ipv6Addr::from(bytes)))
        }
        _ => None,
    }
}

/// Whether a socket on one address keeps another from being bound on the other, at the same port.
pub(crate) fn conflicts(wanted: IpAddr, held: IpAddr) -> bool {
    match (wanted, held) {
        (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
            wanted == held || wanted.is_unspecified() || held.is_unspecified()
        }
        // A socket on :: takes IPv4 too, unless it was told not to, which the lists do not say.
        (IpAddr::V4(_), IpAddr::V6(it)) | (IpAddr::V6(it), IpAddr::V4(_)) => {
            it.is_unspecified() || it.to_ipv4_mapped().is_some_and(|it| wanted == IpAddr::V4(it) || held == IpAddr::V4(it))
        }
    }
}

/// What is said where no process holds a port that is taken.
pub(crate) const NOBODY: &str = "no process that can be seen from here, or by connections that are still closing";

/// Who holds a port: in words, as `nginx (pid 12)`, and the process where it can be seen.
pub(crate) type Holder = (String, Option<u32>);

/// Says who holds a port; nothing when no socket has it.
pub(crate) fn holder(proc: &Path, protocol: Protocol, address: IpAddr, port: u16) -> Option<Holder> {
    let lists: &[&str] = match protocol {
        Protocol::Tcp => &["tcp", "tcp6"],
        Protocol::Udp => &["udp", "udp6"],
        Protocol::Sctp => &[],
    };
    let read = |list: &&str| parse(&fs::read_to_string(proc.join("thread-self/net").join(list)).unwrap_or_default());
    // A port that is held for publishing is bound and no more.
    let bound = if protocol == Protocol::Tcp {
        diagnosis::bound().unwrap_or_default()
    } else {
        Vec::new()
    };
    let held = lists
        .iter()
        .flat_map(read)
        .chain(bound)
        .filter(|it| it.port == port && conflicts(address, it.address));
    // The same family first: across families a conflict is a guess.
    let first = held.min_by_key(|it| it.address.is_ipv4() != address.is_ipv4())?;
    Some(process(proc, first.inode).unwrap_or_else(|| ("a process that cannot be seen from here".to_owned(), None)))
}

fn process(proc: &Path, inode: u64) -> Option<Holder> {
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir(proc).ok()?.filter_map(Result::ok);
    let mut pids: Vec<u32> = processes.filter_map(|it| it.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    let holds = |pid: &u32| {
        let descriptors = fs::read_dir(proc.join(pid.to_string()).join("fd")).into_iter().flatten().filter_map(Result::ok);
        descriptors
            .map(|it| it.path())
            .any(|it| fs::read_link(it).is_ok_and(|it| it.as_os_str() == wanted.as_str()))
    };
    let pid = pids.into_iter().find(holds)?;
    let command = fs::read_to_string(proc.join(pid.to_string()).join("comm")).unwrap_or_default();
    Some((format!("{} (pid {pid})", command.trim_end()), Some(pid)))
}

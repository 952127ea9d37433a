//! What a container uses.

use rcompose_engine_adapter::{ContainerName, NetworkMode, Result, Usage};

use super::running;
use crate::clock;
use crate::engine::Native;

pub(crate) fn usage(native: &Native, name: &ContainerName) -> Result<Usage> {
    let (container, record, made) = running(native, name)?;
    let found = made.usage();
    let at = u64::try_from(clock::since_boot().as_nanos()).unwrap_or(u64::MAX);
    let mut usage = Usage {
        at,
        cpu: found.cpu.unwrap_or(0),
        memory: found.memory.unwrap_or(0).saturating_sub(found.inactive_file.unwrap_or(0)),
        memory_limit: found.memory_limit.unwrap_or_else(memory),
        read: found.read.unwrap_or(0),
        written: found.written.unwrap_or(0),
        processes: found.pids.unwrap_or(0),
        ..Usage::default()
    };
    // The host's networks are not the container's.
    if container.spec.network != NetworkMode::Host
        && let Some(pid) = record.pid()
        && let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/net/dev"))
    {
        (usage.received, usage.sent) = carried(&text);
    }
    Ok(usage)
}

/// Bytes of memory of the machine. The words of the structure have 32 bits on machines of 32.
fn memory() -> u64 {
    let found = rustix::system::sysinfo();
    let all: u128 = u128::from(found.totalram) * u128::from(found.mem_unit);
    u64::try_from(all).unwrap_or(u64::MAX)
}

/// Adds up what interfaces received and sent, the loopback left out. Source: proc_pid_net(5), `/proc/pid/net/dev`.
fn carried(text: &str) -> (u64, u64) {
    let figures = |line: &str| {
        let (name, rest) = line.split_once(':')?;
        let mut figures = rest.split_whitespace();
        let received: u64 = figures.next()?.parse().ok()?;
        let sent: u64 = figures.nth(7)?.parse().ok()?;
        (name.trim() != "lo").then_some((received, sent))
    };
    let add = |all: (u64, u64), it: (u64, u64)| (all.0.saturating_add(it.0), all.1.saturating_add(it.1));
    text.lines().filter_map(figures).fold((0, 0), add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_added_up() {
        let text = "Inter-|   Receive                                                |  Transmit\n \
                    face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
                    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0\n  \
                    eth0:    1426      17    0    0    0     0          0         0      866      11    0    0    0     0       0          0\n  \
                    eth1:4 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n";
        assert_eq!(carried(text), (1430, 871));
        assert_eq!(carried(""), (0, 0));
    }
}

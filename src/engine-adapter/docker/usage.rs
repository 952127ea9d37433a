//! What runs in a container, and what that uses.

use std::collections::BTreeMap;

use rcompose_engine_adapter::{ContainerName, EngineError, ErrorKind, Processes, Result, Usage};
use serde::Deserialize;

use crate::error::while_trying;
use crate::transport::{Api, Call, path};

/// The answer of `/containers/NAME/top`. Source: Docker API 1.41 to 1.51.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Top {
    titles: Option<Vec<String>>,
    processes: Option<Vec<Vec<String>>>,
}

pub(crate) async fn top(api: &Api, name: &ContainerName) -> Result<Processes> {
    let found: Top = api
        .json(Call::get(path("containers", name.as_str(), "/top")))
        .await
        .map_err(|error| while_trying(&format!("cannot list the processes of container {name}"), error))?;
    Ok(Processes { titles: found.titles.unwrap_or_default(), rows: found.processes.unwrap_or_default() })
}

/// The answer of `/containers/NAME/stats`, as far as it is asked for. Source: Docker API 1.41 to 1.51.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stats {
    read: String,
    cpu_stats: Cpu,
    memory_stats: Memory,
    networks: Option<BTreeMap<String, Network>>,
    blkio_stats: Disks,
    pids_stats: Pids,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cpu {
    cpu_usage: CpuUsage,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CpuUsage {
    total_usage: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Memory {
    usage: u64,
    limit: u64,
    stats: Option<BTreeMap<String, u64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Network {
    rx_bytes: u64,
    tx_bytes: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Disks {
    io_service_bytes_recursive: Option<Vec<Disk>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Disk {
    op: String,
    value: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pids {
    current: u64,
}

pub(crate) async fn usage(api: &Api, name: &ContainerName) -> Result<Usage> {
    // One look: with `one-shot` the engine does not wait for a second one to compare with.
    let call = Call::get(path("containers", name.as_str(), "/stats")).query("stream", "0").query("one-shot", "1");
    let trying = |error| while_trying(&format!("cannot measure container {name}"), error);
    measured(api.json(call).await.map_err(trying)?)
        .ok_or_else(|| trying(EngineError::new(ErrorKind::Conflict, format!("container {name} is not running"))))
}

/// Reads the figures; `None` where nothing runs, of which the engine tells zeros.
fn measured(found: Stats) -> Option<Usage> {
    let at = found.read.parse::<jiff::Timestamp>().ok().and_then(|it| u64::try_from(it.as_nanosecond()).ok())?;
    if found.pids_stats.current == 0 && found.memory_stats.usage == 0 {
        return None;
    }
    let memory = found.memory_stats;
    // The first is of control groups v1, where the second leaves out groups below.
    let stats = memory.stats.unwrap_or_default();
    let inactive = ["total_inactive_file", "inactive_file"]
        .iter()
        .find_map(|key| stats.get(*key))
        .copied()
        .unwrap_or(0);
    let networks = found.networks.unwrap_or_default();
    let disks = found.blkio_stats.io_service_bytes_recursive.unwrap_or_default();
    let moved = |op: &str| {
        disks
            .iter()
            .filter(|it| it.op.eq_ignore_ascii_case(op))
            .fold(0, |all: u64, it| all.saturating_add(it.value))
    };
    Some(Usage {
        at,
        cpu: found.cpu_stats.cpu_usage.total_usage,
        memory: memory.usage.saturating_sub(inactive),
        memory_limit: memory.limit,
        received: networks.values().fold(0, |all, it| all.saturating_add(it.rx_bytes)),
        sent: networks.values().fold(0, |all, it| all.saturating_add(it.tx_bytes)),
        read: moved("read"),
        written: moved("write"),
        processes: found.pids_stats.current,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Usage> {
        measured(serde_json::from_str(text).expect("an answer"))
    }

    #[test]
    fn both_versions_of_control_groups_are_read() {
        let rest = r#""read":"2026-01-02T03:04:05.5Z","cpu_stats":{"cpu_usage":{"total_usage":7}},"pids_stats":{"current":2},
            "networks":{"eth0":{"rx_bytes":1,"tx_bytes":2},"eth1":{"rx_bytes":10,"tx_bytes":20}}"#;
        let v1 = r#""memory_stats":{"usage":100,"limit":1000,"stats":{"total_inactive_file":30,"inactive_file":20}},
            "blkio_stats":{"io_service_bytes_recursive":[{"op":"Read","value":3},{"op":"Write","value":4},{"op":"Total","value":7}]}"#;
        let v2 = r#""memory_stats":{"usage":100,"limit":1000,"stats":{"inactive_file":20}},
            "blkio_stats":{"io_service_bytes_recursive":[{"op":"read","value":3},{"op":"write","value":4}]}"#;
        let expected = Usage {
            at: 1_767_323_045_500_000_000,
            cpu: 7,
            memory: 70,
            memory_limit: 1000,
            received: 11,
            sent: 22,
            read: 3,
            written: 4,
            processes: 2,
        };
        assert_eq!(read(&format!("{{{rest},{v1}}}")), Some(expected));
        assert_eq!(read(&format!("{{{rest},{v2}}}")), Some(Usage { memory: 80, ..expected }));
    }

    #[test]
    fn what_does_not_run_uses_nothing() {
        let stopped =
            r#"{"read":"0001-01-01T00:00:00Z","networks":null,"memory_stats":{},"blkio_stats":{"io_service_bytes_recursive":null}}"#;
        assert_eq!(read(stopped), None);
        assert_eq!(read("{}"), None);
        // Without a namespace of its own there are no networks.
        let host = r#"{"read":"2026-01-02T03:04:05Z","pids_stats":{"current":1}}"#;
        assert_eq!(read(host).map(|it| (it.received, it.processes)), Some((0, 1)));
    }
}

//! Limits as files of v2.

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxRdma, LinuxResources, LinuxThrottleDevice};

use super::{Write, Writes, given};
use crate::error::{Result, RuntimeError};

/// The kernel's own period of a quota, microseconds.
const PERIOD: u64 = 100_000;

/// Lists the writes of a spec, with the controller of each.
pub(super) fn writes(resources: &LinuxResources, warnings: &mut Vec<String>) -> Result<Vec<(&'static str, Write)>> {
    let mut all = Writes::default();
    if let Some(cpu) = resources.cpu() {
        processor(&mut all, cpu)?;
    }
    if let Some(memory) = resources.memory() {
        self::memory(&mut all, memory, warnings)?;
    }
    if let Some(pids) = resources.pids() {
        all.add("pids", "pids.limit", "pids.max", given(Some(pids.limit())).map(most));
    }
    if let Some(block) = resources.block_io() {
        self::block(&mut all, block);
    }
    for limit in resources.hugepage_limits().iter().flatten() {
        all.add("hugetlb", "hugepageLimits", format!("hugetlb.{}.max", limit.page_size()), Some(limit.limit()));
    }
    for (device, limits) in resources.rdma().iter().flatten() {
        all.add("rdma", "rdma", "rdma.max", rdma(device, limits));
    }
    if let Some(network) = resources.network()
        && (given(network.class_id()).is_some() || network.priorities().as_ref().is_some_and(|it| !it.is_empty()))
    {
        return Err(RuntimeError::unsupported("linux.resources.network", "cgroup v2 has no class or priority of network traffic"));
    }
    // In the order of their names, so that the same spec gives the same writes.
    let mut unified: Vec<_> = resources.unified().iter().flatten().collect();
    unified.sort();
    for (file, text) in unified {
        if file.contains('/') || !file.contains('.') {
            return Err(RuntimeError::field(format!("linux.resources.unified[{file}]"), "is not the name of a file of a cgroup"));
        }
        all.add("cgroup", &format!("unified[{file}]"), file.clone(), Some(text));
    }
    Ok(all.0)
}

fn most(value: i64) -> String {
    if value < 0 { "max".to_owned() } else { value.to_string() }
}

fn processor(all: &mut Writes, cpu: &LinuxCpu) -> Result<()> {
    all.add("cpu", "cpu.shares", "cpu.weight", given(cpu.shares()).map(weight));
    if given(cpu.quota()).is_some() || given(cpu.period()).is_some() {
        let period = given(cpu.period()).unwrap_or(PERIOD);
        let quota = given(cpu.quota()).map_or_else(|| "max".to_owned(), most);
        all.add("cpu", "cpu.quota", "cpu.max", Some(format!("{quota} {period}")));
    }
    all.add("cpu", "cpu.burst", "cpu.max.burst", given(cpu.burst()));
    all.add("cpu", "cpu.idle", "cpu.idle", given(cpu.idle()));
    all.add("cpuset", "cpu.cpus", "cpuset.cpus", cpu.cpus().clone().filter(|it| !it.is_empty()));
    all.add("cpuset", "cpu.mems", "cpuset.mems", cpu.mems().clone().filter(|it| !it.is_empty()));
    if given(cpu.realtime_runtime()).is_some() || given(cpu.realtime_period()).is_some() {
        return Err(RuntimeError::unsupported("linux.resources.cpu.realtimeRuntime", "cgroup v2 has no real-time budget"));
    }
    Ok(())
}

/// Shares 2 … 262144 as weight 1 … 10000, as runc and crun convert.
fn weight(shares: u64) -> u64 {
    let shares = shares.clamp(2, 262_144);
    1 + ((shares - 2) * 9999) / 262_142
}

fn memory(all: &mut Writes, memory: &LinuxMemory, warnings: &mut Vec<String>) -> Result<()> {
    let limit = given(memory.limit());
    if let Some(swap) = given(memory.swap()) {
        // In a spec it counts memory and swap, in v2 swap alone.
        let swap = match (limit, swap) {
            (_, -1) => "max".to_owned(),
            (Some(limit), swap) if limit > 0 && swap >= limit => (swap - limit).to_string(),
            _ => {
                return Err(RuntimeError::field(
                    "linux.resources.memory.swap",
                    "must be -1, or at least `memory.limit`, which must be given",
                ));
            }
        };
        all.add("memory", "memory.swap", "memory.swap.max", Some(swap));
    }
    all.add("memory", "memory.limit", "memory.max", limit.map(most));
    all.add("memory", "memory.reservation", "memory.low", given(memory.reservation()).map(most));
    for (asked, field) in [
        (given(memory.kernel()).is_some(), "kernel"),
        (given(memory.kernel_tcp()).is_some(), "kernelTCP"),
        (memory.swappiness().is_some_and(|it| it <= 100), "swappiness"),
        (memory.disable_oom_killer() == Some(true), "disableOOMKiller"),
    ] {
        if asked {
            warnings.push(format!("linux.resources.memory.{field}: cgroup v2 has no such setting; it is not set"));
        }
    }
    Ok(())
}

fn block(all: &mut Writes, block: &LinuxBlockIo) {
    all.add("io", "blockIO.weight", "io.weight", given(block.weight()).map(|it| format!("default {}", io_weight(it))));
    for device in block.weight_device().iter().flatten() {
        let line = given(device.weight()).map(|it| format!("{}:{} {}", device.major(), device.minor(), io_weight(it)));
        all.add("io", "blockIO.weightDevice", "io.weight", line);
    }
    let mut throttle = |field: &str, key: &str, devices: &Option<Vec<LinuxThrottleDevice>>| {
        for device in devices.iter().flatten() {
            let line = format!("{}:{} {key}={}", device.major(), device.minor(), device.rate());
            all.add("io", &format!("blockIO.{field}"), "io.max", Some(line));
        }
    };
    throttle("throttleReadBpsDevice", "rbps", block.throttle_read_bps_device());
    throttle("throttleWriteBpsDevice", "wbps", block.throttle_write_bps_device());
    throttle("throttleReadIOPSDevice", "riops", block.throttle_read_iops_device());
    throttle("throttleWriteIOPSDevice", "wiops", block.throttle_write_iops_device());
}

/// Weight 10 … 1000 as 1 … 10000.
fn io_weight(weight: u16) -> u64 {
    let weight = u64::from(weight.clamp(10, 1000));
    1 + (weight - 10) * 9999 / 990
}

/// One line of `rdma.max`.
pub(super) fn rdma(device: &str, limits: &LinuxRdma) -> Option<String> {
    let handles = limits.hca_handles().map(|it| format!(" hca_handle={it}"));
    let objects = limits.hca_objects().map(|it| format!(" hca_object={it}"));
    (handles.is_some() || objects.is_some()).then(|| format!("{device}{}{}", handles.unwrap_or_default(), objects.unwrap_or_default()))
}

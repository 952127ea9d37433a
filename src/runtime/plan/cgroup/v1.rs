//! Limits as files of v1.

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources, LinuxThrottleDevice};

use super::{Write, Writes, given};
use crate::error::{Result, RuntimeError};

/// Lists the writes of a spec, with the controller of each, in the order in which the kernel takes them.
pub(super) fn writes(resources: &LinuxResources, warnings: &mut Vec<String>) -> Result<Vec<(&'static str, Write)>> {
    let mut all = Writes::default();
    if let Some(cpu) = resources.cpu() {
        processor(&mut all, cpu);
    }
    if let Some(memory) = resources.memory() {
        self::memory(&mut all, memory, warnings);
    }
    if let Some(pids) = resources.pids() {
        let most = given(Some(pids.limit())).map(|it| if it < 0 { "max".to_owned() } else { it.to_string() });
        all.add("pids", "pids.limit", "pids.max", most);
    }
    if let Some(block) = resources.block_io() {
        self::block(&mut all, block);
    }
    for limit in resources.hugepage_limits().iter().flatten() {
        let file = format!("hugetlb.{}.limit_in_bytes", limit.page_size());
        all.add("hugetlb", "hugepageLimits", file, Some(limit.limit()));
    }
    if let Some(network) = resources.network() {
        all.add("net_cls", "network.classID", "net_cls.classid", given(network.class_id()));
        for priority in network.priorities().iter().flatten() {
            let line = format!("{} {}", priority.name(), priority.priority());
            all.add("net_prio", "network.priorities", "net_prio.ifpriomap", Some(line));
        }
    }
    for (device, limits) in resources.rdma().iter().flatten() {
        all.add("rdma", "rdma", "rdma.max", super::v2::rdma(device, limits));
    }
    if resources.unified().as_ref().is_some_and(|it| !it.is_empty()) {
        return Err(RuntimeError::unsupported("linux.resources.unified", "this host does not have cgroup v2 alone"));
    }
    Ok(all.0)
}

fn processor(all: &mut Writes, cpu: &LinuxCpu) {
    all.add("cpu", "cpu.shares", "cpu.shares", given(cpu.shares()));
    // A period may be refused for the quota that is there, never the reverse: in a new group no quota is there.
    all.add("cpu", "cpu.period", "cpu.cfs_period_us", given(cpu.period()));
    all.add("cpu", "cpu.quota", "cpu.cfs_quota_us", given(cpu.quota()));
    all.add("cpu", "cpu.burst", "cpu.cfs_burst_us", given(cpu.burst()));
    all.add("cpu", "cpu.realtimePeriod", "cpu.rt_period_us", given(cpu.realtime_period()));
    all.add("cpu", "cpu.realtimeRuntime", "cpu.rt_runtime_us", given(cpu.realtime_runtime()));
    all.add("cpu", "cpu.idle", "cpu.idle", given(cpu.idle()));
    all.add("cpuset", "cpu.cpus", "cpuset.cpus", cpu.cpus().clone().filter(|it| !it.is_empty()));
    all.add("cpuset", "cpu.mems", "cpuset.mems", cpu.mems().clone().filter(|it| !it.is_empty()));
}

fn memory(all: &mut Writes, memory: &LinuxMemory, warnings: &mut Vec<String>) {
    all.add("memory", "memory.limit", "memory.limit_in_bytes", given(memory.limit()));
    all.add("memory", "memory.swap", "memory.memsw.limit_in_bytes", given(memory.swap()));
    all.add("memory", "memory.reservation", "memory.soft_limit_in_bytes", given(memory.reservation()));
    all.add("memory", "memory.kernelTCP", "memory.kmem.tcp.limit_in_bytes", given(memory.kernel_tcp()));
    all.add("memory", "memory.swappiness", "memory.swappiness", memory.swappiness().filter(|it| *it <= 100));
    all.add(
        "memory",
        "memory.disableOOMKiller",
        "memory.oom_control",
        memory.disable_oom_killer().filter(|it| *it).map(|_| 1),
    );
    if given(memory.kernel()).is_some() {
        warnings.push("linux.resources.memory.kernel: Linux has no limit on kernel memory any more; it is not set".to_owned());
    }
}

fn block(all: &mut Writes, block: &LinuxBlockIo) {
    all.add("blkio", "blockIO.weight", "blkio.weight", given(block.weight()));
    all.add("blkio", "blockIO.leafWeight", "blkio.leaf_weight", given(block.leaf_weight()));
    for device in block.weight_device().iter().flatten() {
        let line = |weight: Option<u16>| given(weight).map(|it| format!("{}:{} {it}", device.major(), device.minor()));
        all.add("blkio", "blockIO.weightDevice", "blkio.weight_device", line(device.weight()));
        all.add("blkio", "blockIO.weightDevice", "blkio.leaf_weight_device", line(device.leaf_weight()));
    }
    let mut throttle = |field: &str, file: &str, devices: &Option<Vec<LinuxThrottleDevice>>| {
        for device in devices.iter().flatten() {
            let line = format!("{}:{} {}", device.major(), device.minor(), device.rate());
            all.add("blkio", &format!("blockIO.{field}"), file, Some(line));
        }
    };
    throttle("throttleReadBpsDevice", "blkio.throttle.read_bps_device", block.throttle_read_bps_device());
    throttle("throttleWriteBpsDevice", "blkio.throttle.write_bps_device", block.throttle_write_bps_device());
    throttle("throttleReadIOPSDevice", "blkio.throttle.read_iops_device", block.throttle_read_iops_device());
    throttle("throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", block.throttle_write_iops_device());
}

//! Limits: control groups, ulimits, the killer of processes.
//!
//! Source: Docker's documentation "Resource constraints", whose ranges are checked here; getrlimit(2).

use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::{
    LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxPids, LinuxResources, LinuxThrottleDevice, LinuxThrottleDeviceBuilder,
    LinuxWeightDeviceBuilder, PosixRlimit, PosixRlimitBuilder, PosixRlimitType,
};
use rcompose_engine_adapter::{BlkioDevice, Resources, Result, Ulimit};

use super::devices::{self, Node};
use super::{Facts, built, invalid, unsupported};

/// Least memory that a program can be started with, as Docker has it.
const LEAST_MEMORY: i64 = 6 << 20;
/// Microseconds over which billionths of a CPU count.
const PERIOD: i64 = 100_000;
const BILLION: i64 = 1_000_000_000;

/// Limits of the process.
#[derive(Debug, Default)]
pub(super) struct OfProcess {
    pub(super) ulimits: Vec<PosixRlimit>,
    pub(super) oom_score_adj: i32,
}

pub(super) fn lower(resources: &Resources, facts: &Facts<'_>, warnings: &mut Vec<String>) -> Result<LinuxResources> {
    let Resources {
        nano_cpus: _,      // `cpu`, from here on
        cpu_period: _,     //
        cpu_quota: _,      //
        cpu_rt_period: _,  //
        cpu_rt_runtime: _, //
        cpu_shares: _,     //
        cpuset: _,         //
        cpu_count,
        cpu_percent,
        memory: _,             // `memory`, from here on
        memory_reservation: _, //
        memory_swap: _,        //
        memory_swappiness: _,  //
        oom_kill_disable: _,   //
        pids,
        shm_size,
        oom_score_adj: _,       // `of_process`
        ulimits: _,             // `of_process`
        blkio_weight: _,        // `block`, from here on
        blkio_weight_device: _, //
        blkio_read_bps: _,      //
        blkio_write_bps: _,     //
        blkio_read_iops: _,     //
        blkio_write_iops: _,    //
        cgroup_parent: _,       // `cgroup`
        devices: _,             // `devices`
        device_cgroup_rules: _, // `devices`
    } = resources;
    for (field, value) in [("cpu_count", cpu_count), ("cpu_percent", cpu_percent)] {
        if value.is_some_and(|it| it != 0) {
            return Err(unsupported(format!("{field} is for Windows containers")));
        }
    }
    if let Some(size) = shm_size.filter(|it| *it < 0) {
        return Err(invalid(format!("shm_size {size} is less than 0")));
    }
    let mut made = LinuxResources::default();
    made.set_cpu(cpu(resources, facts)?);
    made.set_memory(memory(resources, facts, warnings)?);
    made.set_block_io(block(resources, facts)?);
    // 0 and -1 are both without limit, which a new group is.
    made.set_pids(pids.filter(|it| *it > 0).map(|most| {
        let mut pids = LinuxPids::default();
        pids.set_limit(most);
        pids
    }));
    Ok(made)
}

fn within(field: &str, value: Option<i64>, least: i64, most: i64) -> Result<Option<i64>> {
    match value {
        Some(value) if value < least || value > most => Err(invalid(format!("{field} {value}: it must be {least} to {most}"))),
        value => Ok(value.filter(|it| *it != 0)),
    }
}

fn cpu(resources: &Resources, facts: &Facts<'_>) -> Result<Option<LinuxCpu>> {
    let nano = within("cpus (billionths)", resources.nano_cpus, 0, i64::from(facts.cpus).saturating_mul(BILLION)).map_err(|_| {
        let asked = resources.nano_cpus.unwrap_or_default() / (BILLION / 100);
        invalid(format!("cpus {}.{:02}: this host has {}", asked / 100, (asked % 100).abs(), facts.cpus))
    })?;
    let period = within("cpu_period", resources.cpu_period.filter(|it| *it != 0), 1000, 1_000_000)?;
    let quota = within("cpu_quota", resources.cpu_quota.filter(|it| !matches!(it, 0 | -1)), 1000, i64::MAX)?;
    if nano.is_some() && (period.is_some() || quota.is_some()) {
        return Err(invalid("cpus together with cpu_period or cpu_quota: they say the same"));
    }
    let shares = within("cpu_shares", resources.cpu_shares, 0, i64::MAX)?;
    let realtime = within("cpu_rt_period", resources.cpu_rt_period, 0, i64::MAX)?;
    let cpuset = resources.cpuset.clone().filter(|it| !it.is_empty());
    if let Some(text) = &cpuset {
        check_cpuset(text, facts.cpus)?;
    }
    let mut made = LinuxCpu::default();
    made.set_shares(shares.map(i64::cast_unsigned)).set_cpus(cpuset);
    made.set_period(nano.map(|_| PERIOD).or(period).map(i64::cast_unsigned));
    made.set_quota(nano.map(|nano| nano / (BILLION / PERIOD)).or(quota));
    made.set_realtime_period(realtime.map(i64::cast_unsigned));
    made.set_realtime_runtime(within("cpu_rt_runtime", resources.cpu_rt_runtime, 0, i64::MAX)?);
    Ok(Some(made).filter(|it| *it != LinuxCpu::default()))
}

/// Checks a list such as `0-2,4`.
fn check_cpuset(text: &str, cpus: u32) -> Result<()> {
    let number = |text: &str| text.trim().parse::<u32>().ok();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last && last < cpus => {}
            (Some(first), Some(last)) if first <= last => {
                return Err(invalid(format!("cpuset `{text}`: this host has the CPUs 0 to {}", cpus.saturating_sub(1))));
            }
            _ => return Err(invalid(format!("cpuset `{text}` is no list of CPUs such as 0-2,4"))),
        }
    }
    Ok(())
}

fn memory(resources: &Resources, facts: &Facts<'_>, warnings: &mut Vec<String>) -> Result<Option<LinuxMemory>> {
    let limit = resources.memory.filter(|it| *it != 0);
    let reservation = resources.memory_reservation.filter(|it| *it != 0);
    let swap = resources.memory_swap.filter(|it| *it != 0);
    for (field, value) in [("memory", limit), ("memory_reservation", reservation)] {
        if let Some(bytes) = value.filter(|it| *it < LEAST_MEMORY) {
            return Err(invalid(format!("{field} {bytes}: at least 6 MiB are needed")));
        }
    }
    if let (Some(limit), Some(reservation)) = (limit, reservation)
        && reservation > limit
    {
        return Err(invalid(format!("memory_reservation {reservation} is above the limit of memory, {limit}")));
    }
    let swap = match (limit, swap) {
        (_, Some(-1)) => None,
        (None, Some(swap)) => return Err(invalid(format!("memory_swap {swap}: it counts memory and swap, so memory must be given too"))),
        (Some(limit), Some(swap)) if swap < limit => {
            return Err(invalid(format!("memory_swap {swap} is below memory, {limit}: it counts both")));
        }
        (Some(_), Some(swap)) => Some(swap),
        // As much swap as memory, Docker's default.
        (Some(limit), None) => Some(limit.saturating_mul(2)),
        (None, None) => None,
    };
    if swap.is_some() && !facts.swap_accounting {
        warnings.push("this kernel does not count swap: memory is limited, swap is not".to_owned());
    }
    let swappiness = match resources.memory_swappiness {
        None | Some(-1) => None,
        Some(value) if (0..=100).contains(&value) => Some(value.cast_unsigned()),
        Some(value) => return Err(invalid(format!("memory_swappiness {value}: it must be 0 to 100"))),
    };
    let kept = resources.oom_kill_disable.filter(|it| *it);
    if kept.is_some() && limit.is_none() {
        warnings.push("oom_kill_disable without a limit of memory: the host may run out of memory".to_owned());
    }
    let mut made = LinuxMemory::default();
    made.set_limit(limit).set_reservation(reservation).set_swap(swap.filter(|_| facts.swap_accounting));
    made.set_swappiness(swappiness).set_disable_oom_killer(kept);
    Ok(Some(made).filter(|it| *it != LinuxMemory::default()))
}

fn block(resources: &Resources, facts: &Facts<'_>) -> Result<Option<LinuxBlockIo>> {
    let weight = |field: &str, value: u64| match u16::try_from(value) {
        Ok(weight) if (10..=1000).contains(&weight) => Ok(weight),
        _ => Err(invalid(format!("{field} {value}: it must be 10 to 1000"))),
    };
    let mut made = LinuxBlockIo::default();
    let general = resources.blkio_weight.filter(|it| *it != 0).map(u64::from);
    made.set_weight(general.map(|value| weight("blkio weight", value)).transpose()?);
    let mut weights = Vec::new();
    for it in &resources.blkio_weight_device {
        let node = block_device(facts, it)?;
        let weight = weight(&format!("blkio weight of {}", it.path), it.value)?;
        weights.push(built(LinuxWeightDeviceBuilder::default().major(node.major).minor(node.minor).weight(weight).build())?);
    }
    made.set_weight_device(Some(weights).filter(|it| !it.is_empty()));
    made.set_throttle_read_bps_device(throttle(facts, &resources.blkio_read_bps)?);
    made.set_throttle_write_bps_device(throttle(facts, &resources.blkio_write_bps)?);
    made.set_throttle_read_iops_device(throttle(facts, &resources.blkio_read_iops)?);
    made.set_throttle_write_iops_device(throttle(facts, &resources.blkio_write_iops)?);
    Ok(Some(made).filter(|it| *it != LinuxBlockIo::default()))
}

fn throttle(facts: &Facts<'_>, list: &[BlkioDevice]) -> Result<Option<Vec<LinuxThrottleDevice>>> {
    let one = |it: &BlkioDevice| {
        let node = block_device(facts, it)?;
        built(LinuxThrottleDeviceBuilder::default().major(node.major).minor(node.minor).rate(it.value).build())
    };
    let made = list.iter().map(one).collect::<Result<Vec<_>>>()?;
    Ok(Some(made).filter(|it| !it.is_empty()))
}

fn block_device<'a>(facts: &Facts<'a>, device: &BlkioDevice) -> Result<&'a Node> {
    let found = devices::found(facts, Path::new(&device.path))?.iter().find(|it| it.block);
    found.ok_or_else(|| invalid(format!("blkio limit of {}: it is no block device", device.path)))
}

pub(super) fn of_process(resources: &Resources) -> Result<OfProcess> {
    let mut ulimits = Vec::new();
    for (name, Ulimit { soft, hard }) in &resources.ulimits {
        let kind = ulimit(name).ok_or_else(|| invalid(format!("ulimit `{name}` is not known")))?;
        let bytes = |value: i64| if value == -1 { Some(u64::MAX) } else { u64::try_from(value).ok() };
        let (Some(soft_limit), Some(hard_limit)) = (bytes(*soft), bytes(*hard)) else {
            return Err(invalid(format!("ulimit {name} {soft}:{hard}: a limit is -1 (none) or more")));
        };
        if soft_limit > hard_limit {
            return Err(invalid(format!("ulimit {name}: soft {soft} is above hard {hard}")));
        }
        ulimits.push(built(PosixRlimitBuilder::default().typ(kind).soft(soft_limit).hard(hard_limit).build())?);
    }
    let adj = resources.oom_score_adj.unwrap_or(0);
    let oom_score_adj = i32::try_from(adj).ok().filter(|it| (-1000..=1000).contains(it));
    let oom_score_adj = oom_score_adj.ok_or_else(|| invalid(format!("oom_score_adj {adj}: it must be -1000 to 1000")))?;
    Ok(OfProcess { ulimits, oom_score_adj })
}

fn ulimit(name: &str) -> Option<PosixRlimitType> {
    let upper = name.to_ascii_uppercase();
    format!("RLIMIT_{}", upper.strip_prefix("RLIMIT_").unwrap_or(&upper)).parse().ok()
}

/// The folder of the container's group: below the one asked for, else the engine's for the project.
pub(super) fn cgroup(resources: &Resources, facts: &Facts<'_>) -> Result<PathBuf> {
    let parent = match resources.cgroup_parent.as_deref().filter(|it| !it.is_empty()) {
        None => facts.cgroup.to_owned(),
        // Not below the group of whoever called, as a relative path would be.
        Some(text) => Path::new("/").join(text),
    };
    let good = parent.components().all(|it| matches!(it, Component::RootDir | Component::Normal(_)));
    if !good || parent.to_string_lossy().contains(['\0', '\n', ':']) {
        return Err(invalid(format!("cgroup_parent {}: it is a path of groups without .. and `:`", parent.display())));
    }
    Ok(parent.join(facts.id))
}

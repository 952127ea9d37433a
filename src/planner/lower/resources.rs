//! Limits: the service's own, and those of `deploy.resources`, which win as they do with docker compose.

use rcompose_engine_adapter::{BlkioDevice, Resources, Ulimit};
use rcompose_spec::model::{Bytes, Float, Service, ThrottleDevice};

use super::set;

pub(super) fn resources(service: &Service) -> Resources {
    let deploy = service.deploy.as_ref().map(|deploy| &deploy.resources);
    let limits = deploy.and_then(|it| it.limits.clone()).unwrap_or_default();
    let reservations = deploy.and_then(|it| it.reservations.clone()).unwrap_or_default();
    let blkio = service.blkio_config.clone().unwrap_or_default();
    Resources {
        nano_cpus: nano(limits.cpus).or_else(|| nano(service.cpus)),
        cpu_period: number(service.cpu_period),
        cpu_quota: number(service.cpu_quota),
        cpu_rt_period: number(service.cpu_rt_period),
        cpu_rt_runtime: number(service.cpu_rt_runtime),
        cpu_shares: number(service.cpu_shares),
        cpuset: set(&service.cpuset),
        cpu_count: number(service.cpu_count),
        cpu_percent: percent(service.cpu_percent),
        memory: bytes(limits.memory).or_else(|| bytes(service.mem_limit)),
        memory_reservation: bytes(reservations.memory).or_else(|| bytes(service.mem_reservation)),
        memory_swap: bytes(service.memswap_limit),
        memory_swappiness: bytes(service.mem_swappiness),
        pids: number(limits.pids).or_else(|| number(service.pids_limit)),
        shm_size: bytes(service.shm_size),
        oom_kill_disable: service.oom_kill_disable.then_some(true),
        oom_score_adj: number(service.oom_score_adj),
        blkio_weight: (blkio.weight != 0).then_some(blkio.weight),
        blkio_weight_device: blkio
            .weight_device
            .iter()
            .map(|it| BlkioDevice { path: it.path.clone(), value: u64::from(it.weight) })
            .collect(),
        blkio_read_bps: throttle(&blkio.device_read_bps),
        blkio_write_bps: throttle(&blkio.device_write_bps),
        blkio_read_iops: throttle(&blkio.device_read_iops),
        blkio_write_iops: throttle(&blkio.device_write_iops),
        ulimits: service
            .ulimits
            .iter()
            .map(|(name, limit)| (name.clone(), Ulimit { soft: limit.bounds().0, hard: limit.bounds().1 }))
            .collect(),
        cgroup_parent: set(&service.cgroup_parent),
        devices: Vec::new(),
        device_cgroup_rules: service.device_cgroup_rules.clone(),
    }
}

fn number(value: i64) -> Option<i64> {
    (value != 0).then_some(value)
}

fn bytes(value: Bytes) -> Option<i64> {
    number(value.0)
}

fn nano(cpus: Float) -> Option<i64> {
    // Three decimals are what the kernel's quota can tell apart; through text, so that 0.1 is not 0.10000000149.
    let exact: f64 = cpus.0.to_string().parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "a count of CPUs times 1e9 fits")]
    let nano = (exact * 1e9).round() as i64;
    number(nano)
}

fn percent(value: Float) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "0 to 100")]
    let whole = value.0.round() as i64;
    number(whole)
}

fn throttle(devices: &[ThrottleDevice]) -> Vec<BlkioDevice> {
    let rate = |value: i64| u64::try_from(value).unwrap_or(0);
    devices.iter().map(|it| BlkioDevice { path: it.path.clone(), value: rate(it.rate.0) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_exact_billionths() {
        assert_eq!(nano(Float(0.1)), Some(100_000_000));
        assert_eq!(nano(Float(1.5)), Some(1_500_000_000));
        assert_eq!(nano(Float(0.0)), None);
    }
}

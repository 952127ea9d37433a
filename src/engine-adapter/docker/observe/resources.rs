//! Limits and devices, read back; zero and empty are the engine's words for "not set".

use bollard::models::{DeviceRequest as ApiRequest, HostConfig, ThrottleDevice};
use rcompose_engine_adapter::{BlkioDevice, DeviceMapping, DeviceRequest, Resources, Ulimit};

/// Docker's own size of `/dev/shm`: 64 MiB. Source: dockerd's `default-shm-size`.
const DEFAULT_SHM: i64 = 64 * 1024 * 1024;

pub(super) fn resources(host: &mut HostConfig) -> Resources {
    let memory = set(host.memory);
    Resources {
        nano_cpus: set(host.nano_cpus),
        cpu_period: set(host.cpu_period),
        cpu_quota: set(host.cpu_quota),
        cpu_rt_period: set(host.cpu_realtime_period),
        cpu_rt_runtime: set(host.cpu_realtime_runtime),
        cpu_shares: set(host.cpu_shares),
        cpuset: text(host.cpuset_cpus.take()),
        cpu_count: set(host.cpu_count),
        cpu_percent: set(host.cpu_percent),
        memory,
        memory_reservation: set(host.memory_reservation),
        // Where only memory is limited, the engine sets twice as much for memory and swap together.
        memory_swap: set(host.memory_swap).filter(|swap| memory.is_none_or(|memory| *swap != memory.saturating_mul(2))),
        memory_swappiness: host.memory_swappiness.filter(|swappiness| *swappiness >= 0),
        pids: host.pids_limit.filter(|pids| *pids != 0),
        shm_size: set(host.shm_size).filter(|size| *size != DEFAULT_SHM),
        oom_kill_disable: host.oom_kill_disable.filter(|disable| *disable),
        oom_score_adj: set(host.oom_score_adj),
        blkio_weight: host.blkio_weight.filter(|weight| *weight != 0),
        blkio_weight_device: host
            .blkio_weight_device
            .take()
            .unwrap_or_default()
            .into_iter()
            .map(|it| device(it.path, it.weight.map(|it| it as u64)))
            .collect(),
        blkio_read_bps: rates(host.blkio_device_read_bps.take()),
        blkio_write_bps: rates(host.blkio_device_write_bps.take()),
        blkio_read_iops: rates(host.blkio_device_read_iops.take()),
        blkio_write_iops: rates(host.blkio_device_write_iops.take()),
        ulimits: host
            .ulimits
            .take()
            .unwrap_or_default()
            .into_iter()
            .filter_map(|limit| Some((limit.name?, Ulimit { soft: limit.soft?, hard: limit.hard? })))
            .collect(),
        cgroup_parent: text(host.cgroup_parent.take()),
        devices: devices(host),
        device_cgroup_rules: host.device_cgroup_rules.take().unwrap_or_default(),
    }
}

fn set(value: Option<i64>) -> Option<i64> {
    value.filter(|value| *value != 0)
}

pub(super) fn text(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.is_empty())
}

fn rates(found: Option<Vec<ThrottleDevice>>) -> Vec<BlkioDevice> {
    let rate = |it: ThrottleDevice| device(it.path, it.rate.and_then(|rate| u64::try_from(rate).ok()));
    found.unwrap_or_default().into_iter().map(rate).collect()
}

fn device(path: Option<String>, value: Option<u64>) -> BlkioDevice {
    BlkioDevice { path: path.unwrap_or_default(), value: value.unwrap_or_default() }
}

fn devices(host: &mut HostConfig) -> Vec<DeviceMapping> {
    let mapping = |found: bollard::models::DeviceMapping| DeviceMapping {
        source: found.path_on_host.unwrap_or_default(),
        target: found.path_in_container.unwrap_or_default(),
        permissions: found.cgroup_permissions.unwrap_or_default(),
    };
    host.devices.take().unwrap_or_default().into_iter().map(mapping).collect()
}

pub(super) fn requests(found: Option<Vec<ApiRequest>>) -> Vec<DeviceRequest> {
    let request = |it: ApiRequest| DeviceRequest {
        driver: text(it.driver),
        count: it.count.filter(|count| *count != 0),
        device_ids: it.device_ids.unwrap_or_default(),
        capabilities: it.capabilities.unwrap_or_default().into_iter().next().unwrap_or_default(),
        options: it.options.unwrap_or_default().into_iter().collect(),
    };
    found.unwrap_or_default().into_iter().map(request).collect()
}

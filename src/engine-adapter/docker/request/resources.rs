//! Limits and devices.

use bollard::models::{
    DeviceMapping as ApiDevice, DeviceRequest as ApiRequest, HostConfig, ResourcesBlkioWeightDevice, ResourcesUlimits, ThrottleDevice,
};
use rcompose_engine_adapter::{BlkioDevice, DeviceMapping, DeviceRequest, Resources, Result};

use super::{some_list, unsupported};
use crate::version::ApiVersion;

pub(super) fn fill(host: &mut HostConfig, resources: &Resources, requests: &[DeviceRequest], version: ApiVersion) -> Result<()> {
    let Resources {
        nano_cpus,
        cpu_period,
        cpu_quota,
        cpu_rt_period,
        cpu_rt_runtime,
        cpu_shares,
        cpuset,
        cpu_count,
        cpu_percent,
        memory,
        memory_reservation,
        memory_swap,
        memory_swappiness,
        pids,
        shm_size,
        oom_kill_disable,
        oom_score_adj,
        blkio_weight: _,        // `fill_blkio`
        blkio_weight_device: _, // `fill_blkio`
        blkio_read_bps: _,      // `fill_blkio`
        blkio_write_bps: _,     // `fill_blkio`
        blkio_read_iops: _,     // `fill_blkio`
        blkio_write_iops: _,    // `fill_blkio`
        ulimits,
        cgroup_parent,
        devices,
        device_cgroup_rules,
    } = resources;
    host.nano_cpus = *nano_cpus;
    host.cpu_period = *cpu_period;
    host.cpu_quota = *cpu_quota;
    host.cpu_realtime_period = *cpu_rt_period;
    host.cpu_realtime_runtime = *cpu_rt_runtime;
    host.cpu_shares = *cpu_shares;
    host.cpuset_cpus = cpuset.clone();
    host.cpu_count = *cpu_count;
    host.cpu_percent = *cpu_percent;
    host.memory = *memory;
    host.memory_reservation = *memory_reservation;
    host.memory_swap = *memory_swap;
    host.memory_swappiness = *memory_swappiness;
    host.pids_limit = *pids;
    host.shm_size = *shm_size;
    host.oom_kill_disable = *oom_kill_disable;
    host.oom_score_adj = *oom_score_adj;
    let limits =
        ulimits
            .iter()
            .map(|(name, limit)| ResourcesUlimits { name: Some(name.clone()), soft: Some(limit.soft), hard: Some(limit.hard) });
    host.ulimits = Some(limits.collect::<Vec<_>>()).filter(|limits| !limits.is_empty());
    host.cgroup_parent = cgroup_parent.clone();
    host.device_cgroup_rules = some_list(device_cgroup_rules);
    fill_blkio(host, resources);
    fill_devices(host, devices, requests, version)
}

fn fill_blkio(host: &mut HostConfig, resources: &Resources) {
    host.blkio_weight = resources.blkio_weight;
    host.blkio_weight_device = weights(&resources.blkio_weight_device);
    host.blkio_device_read_bps = rates(&resources.blkio_read_bps);
    host.blkio_device_write_bps = rates(&resources.blkio_write_bps);
    host.blkio_device_read_iops = rates(&resources.blkio_read_iops);
    host.blkio_device_write_iops = rates(&resources.blkio_write_iops);
}

fn fill_devices(host: &mut HostConfig, devices: &[DeviceMapping], requests: &[DeviceRequest], version: ApiVersion) -> Result<()> {
    let (named, nodes): (Vec<_>, Vec<_>) = devices.iter().partition(|device| is_cdi(&device.source));
    if let Some(device) = named.first()
        && !version.has(44)
    {
        return Err(unsupported(format!("devices: the CDI device {} needs Docker Engine 25 (API 1.44)", device.source)));
    }
    let nodes = nodes.into_iter().map(|DeviceMapping { source, target, permissions }| ApiDevice {
        path_on_host: Some(source.clone()),
        path_in_container: Some(target.clone()),
        cgroup_permissions: Some(permissions.clone()),
    });
    host.devices = Some(nodes.collect::<Vec<_>>()).filter(|devices| !devices.is_empty());
    let named = named.into_iter().map(|device| ApiRequest {
        driver: Some("cdi".to_owned()),
        device_ids: Some(vec![device.source.clone()]),
        ..ApiRequest::default()
    });
    let requests = requests
        .iter()
        .map(|DeviceRequest { driver, count, device_ids, capabilities, options }| ApiRequest {
            driver: driver.clone(),
            count: *count,
            device_ids: some_list(device_ids),
            capabilities: Some(vec![capabilities.clone()]).filter(|_| !capabilities.is_empty()),
            options: super::some_map(options),
        });
    host.device_requests = Some(requests.chain(named).collect::<Vec<_>>()).filter(|requests| !requests.is_empty());
    Ok(())
}

/// Tells a CDI name (`vendor.com/class=name`) from a path.
fn is_cdi(source: &str) -> bool {
    !source.starts_with(['/', '\\']) && source.contains('=') && source.contains('/')
}

fn rates(devices: &[BlkioDevice]) -> Option<Vec<ThrottleDevice>> {
    let rates = devices.iter().map(|BlkioDevice { path, value }| ThrottleDevice {
        path: Some(path.clone()),
        rate: Some(i64::try_from(*value).unwrap_or(i64::MAX)),
    });
    Some(rates.collect::<Vec<_>>()).filter(|rates| !rates.is_empty())
}

fn weights(devices: &[BlkioDevice]) -> Option<Vec<ResourcesBlkioWeightDevice>> {
    let weights = devices.iter().map(|BlkioDevice { path, value }| ResourcesBlkioWeightDevice {
        path: Some(path.clone()),
        weight: Some(usize::try_from(*value).unwrap_or(usize::MAX)),
    });
    Some(weights.collect::<Vec<_>>()).filter(|weights| !weights.is_empty())
}

//! Device nodes, GPUs, and devices by CDI name.

use rcompose_engine_adapter::{DeviceMapping, DeviceRequest};
use rcompose_spec::model::{DeviceRequest as Wanted, Service};

use super::set;

pub(super) fn devices(service: &Service) -> (Vec<DeviceMapping>, Vec<DeviceRequest>) {
    let (mut nodes, mut requests) = (Vec::new(), Vec::new());
    let mut cdi = Vec::new();
    for device in &service.devices {
        if is_cdi(&device.source) {
            cdi.push(device.source.clone());
            continue;
        }
        let target = set(&device.target).unwrap_or_else(|| device.source.clone());
        let permissions = set(&device.permissions).unwrap_or_else(|| "rwm".to_owned());
        nodes.push(DeviceMapping { source: device.source.clone(), target, permissions });
    }
    if !cdi.is_empty() {
        let options = std::collections::BTreeMap::new();
        requests.push(DeviceRequest { driver: Some("cdi".to_owned()), count: None, device_ids: cdi, capabilities: Vec::new(), options });
    }
    requests.extend(service.gpus.iter().map(|gpu| request(gpu, Some("gpu"))));
    let reserved = service.deploy.as_ref().and_then(|deploy| deploy.resources.reservations.as_ref());
    requests.extend(reserved.iter().flat_map(|it| &it.devices).map(|device| request(device, None)));
    (nodes, requests)
}

/// `vendor.com/class=name`; source: the Container Device Interface specification.
fn is_cdi(source: &str) -> bool {
    !source.starts_with('/') && source.split_once('=').is_some_and(|(kind, name)| kind.contains('/') && !name.is_empty())
}

fn request(wanted: &Wanted, capability: Option<&str>) -> DeviceRequest {
    let mut capabilities = wanted.capabilities.clone();
    if let Some(capability) = capability.filter(|it| !capabilities.iter().any(|have| have == it)) {
        capabilities.push(capability.to_owned());
    }
    // Neither a count nor ids means every device, as docker compose has it.
    let count = match wanted.count {
        0 if wanted.device_ids.is_empty() => Some(-1),
        0 => None,
        count => Some(count),
    };
    DeviceRequest {
        driver: set(&wanted.driver),
        count,
        device_ids: wanted.device_ids.clone(),
        capabilities,
        options: wanted.options.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cdi_names_are_told_from_paths() {
        assert!(is_cdi("nvidia.com/gpu=all"));
        assert!(!is_cdi("/dev/ttyUSB0"));
        assert!(!is_cdi("ttyUSB0"));
    }
}

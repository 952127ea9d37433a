//! What no engine, or not this one, can honour: said by name before any step.

use rcompose_engine_adapter::Feature;
use rcompose_spec::model::{Service, VolumeKind};

use super::{Lowering, outside};
use crate::{Problem, ProblemKind};

pub(super) fn check(lowering: &mut Lowering<'_>, service: &Service) {
    for (attribute, used) in not_built(service) {
        if used {
            let message = format!("`{attribute}` is not in this version of rcompose");
            let problem = Problem::new(ProblemKind::Unsupported, format!("services.{}.{attribute}", service.name), message);
            lowering.problem(problem.hint("take it out, or put the service behind a profile"));
        }
    }
    for (attribute, feature) in wanted(service) {
        if !lowering.observed.engine.has(feature) {
            let engine = &lowering.observed.engine;
            let message = format!("{} {} cannot honour `{attribute}`", engine.name, engine.version);
            let problem = Problem::new(ProblemKind::Unsupported, format!("services.{}.{attribute}", service.name), message);
            lowering.problem(problem.hint(format!("it needs {}", feature.needs())));
        }
    }
    swarm(lowering, service);
    windows(lowering, service);
    strangers(lowering, service);
}

/// Containers of other projects that are referred to must be there.
fn strangers(lowering: &mut Lowering<'_>, service: &Service) {
    for (attribute, name) in outside(service) {
        if !lowering.observed.containers.contains_key(&name.into()) {
            let message = format!("container `{name}`, which `{}` refers to, is not there", service.name);
            let problem = Problem::new(ProblemKind::ExternalMissing, format!("services.{}.{attribute}", service.name), message);
            lowering.problem(problem.hint("start it first, or correct its name"));
        }
    }
}

/// Attributes that have their place in the model and no engine behind them yet.
fn not_built(service: &Service) -> [(&'static str, bool); 5] {
    [
        ("provider", service.provider.is_some()),
        ("models", !service.models.is_empty()),
        ("pre_start", !service.pre_start.is_empty()),
        ("use_api_socket", service.use_api_socket),
        ("credential_spec", service.credential_spec.is_some()),
    ]
}

/// Attributes that only some engines honour.
fn wanted(service: &Service) -> Vec<(String, Feature)> {
    let mut all = Vec::new();
    let mut want = |used: bool, attribute: String, feature: Feature| {
        if used {
            all.push((attribute, feature));
        }
    };
    let starting = service.healthcheck.as_ref().is_some_and(|check| check.start_interval.is_some());
    want(starting, "healthcheck.start_interval".into(), Feature::StartInterval);
    want(!service.annotations.is_empty(), "annotations".into(), Feature::Annotations);
    for (index, volume) in service.volumes.iter().enumerate() {
        let at = format!("volumes[{index}]");
        let subpath = volume.volume.as_ref().is_some_and(|options| !options.subpath.is_empty());
        want(subpath, format!("{at}.volume.subpath"), Feature::VolumeSubpath);
        want(volume.kind == VolumeKind::Image, at.clone(), Feature::ImageMount);
        let subpath = volume.image.as_ref().is_some_and(|options| !options.subpath.is_empty());
        want(subpath, format!("{at}.image.subpath"), Feature::ImageSubpath);
        let recursive = volume.bind.as_ref().is_some_and(|options| !matches!(options.recursive.as_str(), "" | "enabled"));
        want(recursive, format!("{at}.bind.recursive"), Feature::RecursiveReadOnly);
    }
    for (key, network) in &service.networks {
        let network = network.clone().unwrap_or_default();
        want(!network.interface_name.is_empty(), format!("networks.{key}.interface_name"), Feature::InterfaceName);
        want(network.gw_priority != 0, format!("networks.{key}.gw_priority"), Feature::GatewayPriority);
        want(!network.mac_address.is_empty(), format!("networks.{key}.mac_address"), Feature::NetworksAtCreate);
    }
    all
}

/// What only a scheduler of many machines honours; docker compose drops it in silence.
fn swarm(lowering: &mut Lowering<'_>, service: &Service) {
    let Some(deploy) = &service.deploy else { return };
    let placement = &deploy.placement;
    let placed = !placement.constraints.is_empty() || !placement.preferences.is_empty() || placement.max_replicas_per_node != 0;
    let cases = [
        ("placement", placed),
        ("endpoint_mode", !deploy.endpoint_mode.is_empty()),
        ("update_config", deploy.update_config.is_some()),
        ("rollback_config", deploy.rollback_config.is_some()),
        ("labels", !deploy.labels.is_empty()),
        ("mode", !matches!(deploy.mode.as_str(), "" | "replicated")),
    ];
    for (key, used) in cases {
        if used {
            let message = format!("`deploy.{key}` has no effect on this engine");
            lowering.notice(format!("services.{}.deploy.{key}", service.name), message, None);
        }
    }
}

fn windows(lowering: &mut Lowering<'_>, service: &Service) {
    if lowering.observed.engine.has(Feature::Windows) {
        return;
    }
    let consistency = service.volumes.iter().any(|volume| !volume.consistency.is_empty());
    let cases = [
        ("cpu_count", service.cpu_count != 0),
        ("cpu_percent", service.cpu_percent.0 != 0.0),
        ("volumes", consistency),
    ];
    for (key, used) in cases {
        if used {
            lowering.notice(format!("services.{}.{key}", service.name), windows_only(key), None);
        }
    }
}

fn windows_only(key: &str) -> String {
    match key {
        "volumes" => "`consistency` of a mount has no effect on this engine".to_owned(),
        other => format!("`{other}` has an effect on Windows only"),
    }
}

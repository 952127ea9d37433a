//! A container read back as the spec it was made from, less what the image and the engine add by themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use bollard::models::{
    ContainerConfig, ContainerInspectResponse, EndpointSettings, HostConfig, HostConfigCgroupnsModeEnum, HostConfigIsolationEnum,
    PortBinding,
};
use rcompose_engine_adapter::{
    ContainerName, ContainerSpec, HostEntry, ImageConfig, ImageReference, Namespaces, NetworkMode, PortSpec, Protocol, Security, labels,
};

use super::resources::text;
use super::{endpoint, health, mounts, process, resources};
use crate::defaults::Defaults;

/// Names by id.
type Names = BTreeMap<String, ContainerName>;

/// Returns the ids of containers that this one refers to.
pub(super) fn referred(full: &ContainerInspectResponse) -> Vec<String> {
    let Some(host) = &full.host_config else { return Vec::new() };
    let modes = [&host.network_mode, &host.ipc_mode, &host.pid_mode, &host.uts_mode];
    modes
        .into_iter()
        .flatten()
        .filter_map(|mode| mode.strip_prefix("container:"))
        .map(str::to_owned)
        .collect()
}

pub(super) fn spec(
    name: &ContainerName,
    full: ContainerInspectResponse,
    image: &ImageConfig,
    names: &Names,
    defaults: &Defaults,
) -> ContainerSpec {
    let mut config = full.config.unwrap_or_default();
    let mut host = full.host_config.unwrap_or_default();
    let id = full.id.unwrap_or_default();
    let endpoints = full.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let network = network(&host, endpoints, &id, names);
    let ports = ports(&mut host);
    ContainerSpec {
        name: name.clone(),
        image: ImageReference::new(config.image.take().unwrap_or_default()),
        // The engine tells only the operating system, and the image's id tells more.
        platform: None,
        labels: own_labels(&mut config, image),
        annotations: host.annotations.take().unwrap_or_default().into_iter().collect(),
        hostname: hostname(&mut config, &id, &network, defaults),
        domainname: text(config.domainname.take()),
        mounts: mounts::mounts(&mut host),
        volumes_from: host.volumes_from.take().unwrap_or_default(),
        // Part of the container's file system by now.
        files: Vec::new(),
        // As for endpoints: given or made up cannot be told apart.
        mac_address: None,
        expose: expose(&mut config, image, &ports),
        ports,
        dns: host.dns.take().unwrap_or_default(),
        dns_options: host.dns_options.take().unwrap_or_default(),
        dns_search: host.dns_search.take().unwrap_or_default(),
        extra_hosts: host.extra_hosts.take().iter().flatten().filter_map(|text| host_entry(text)).collect(),
        links: host.links.take().unwrap_or_default().iter().map(|text| link(text)).collect(),
        device_requests: resources::requests(host.device_requests.take()),
        resources: resources::resources(&mut host),
        namespaces: namespaces(&mut host, names, defaults),
        security: security(&mut host),
        healthcheck: config
            .healthcheck
            .take()
            .map(health::check)
            .filter(|check| image.healthcheck.as_ref() != Some(check)),
        restart: process::restart(host.restart_policy.take()),
        logging: process::logging(host.log_config.take(), &defaults.logging_driver),
        stop_signal: process::own(config.stop_signal.take(), image.stop_signal.as_deref().unwrap_or("SIGTERM")),
        stop_grace: config.stop_timeout.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs),
        init: host.init,
        runtime: text(host.runtime.take()).filter(|runtime| *runtime != defaults.default_runtime),
        isolation: isolation(host.isolation),
        storage_opt: host.storage_opt.take().unwrap_or_default().into_iter().collect(),
        sysctls: host.sysctls.take().unwrap_or_default().into_iter().collect(),
        auto_remove: host.auto_remove.unwrap_or_default(),
        process: process::process(&mut config, image),
        network,
        private_environment: BTreeSet::new(),
        config_hash: None,
    }
}

fn own_labels(config: &mut ContainerConfig, image: &ImageConfig) -> BTreeMap<String, String> {
    let added = [labels::CONFIG_HASH, labels::IMAGE];
    let all = config.labels.take().unwrap_or_default().into_iter();
    all.filter(|(key, value)| !added.contains(&key.as_str()) && image.labels.get(key) != Some(value))
        .collect()
}

/// A container without a name of its own gets the short id, or the host's name in the host's network.
fn hostname(config: &mut ContainerConfig, id: &str, network: &NetworkMode, defaults: &Defaults) -> Option<String> {
    let own = text(config.hostname.take())?;
    let made_up = if *network == NetworkMode::Host {
        own == defaults.name
    } else {
        own.len() == 12 && id.starts_with(&own)
    };
    Some(own).filter(|_| !made_up)
}

fn network(host: &HostConfig, endpoints: HashMap<String, EndpointSettings>, id: &str, names: &Names) -> NetworkMode {
    let mode = host.network_mode.clone().unwrap_or_default();
    match mode.as_str() {
        "none" => return NetworkMode::None,
        "host" => return NetworkMode::Host,
        "bridge" | "default" | "" if endpoints.len() <= 1 => return NetworkMode::Bridge,
        _ => {}
    }
    if let Some(other) = mode.strip_prefix("container:") {
        return NetworkMode::Container { container: names.get(other).cloned().unwrap_or_else(|| ContainerName::from(other)) };
    }
    // The mode may name the network by id.
    let is_first = |name: &str, end: &EndpointSettings| name == mode || end.network_id.as_deref() == Some(mode.as_str());
    let mut all: Vec<(bool, String, EndpointSettings)> =
        endpoints.into_iter().map(|(name, end)| (!is_first(&name, &end), name, end)).collect();
    all.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    if all.first().is_none_or(|first| first.0) {
        return NetworkMode::Other { text: mode };
    }
    NetworkMode::Networks { attachments: all.into_iter().map(|(_, name, end)| endpoint::attachment(&name, end, id)).collect() }
}

fn ports(host: &mut HostConfig) -> Vec<PortSpec> {
    let bindings = host.port_bindings.take().unwrap_or_default().into_iter();
    let mut ports: Vec<PortSpec> = bindings
        .flat_map(|(key, bindings)| bindings.unwrap_or_default().into_iter().filter_map(move |binding| port(&key, &binding)))
        .collect();
    ports.sort();
    ports
}

fn port(key: &str, binding: &PortBinding) -> Option<PortSpec> {
    let (target, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
    let protocol = match protocol {
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => Protocol::Tcp,
    };
    let host_ip: Option<IpAddr> = binding.host_ip.as_ref().and_then(|ip| ip.parse().ok());
    let published = binding.host_port.as_deref().filter(|port| !port.is_empty() && *port != "0").and_then(|port| {
        let (first, last) = port.split_once('-').unwrap_or((port, port));
        Some((first.parse().ok()?, last.parse().ok()?))
    });
    Some(PortSpec { target: target.parse().ok()?, protocol, host_ip, published })
}

/// Exposed ports less the image's and the published ones, which are exposed by that alone.
fn expose(config: &mut ContainerConfig, image: &ImageConfig, ports: &[PortSpec]) -> BTreeSet<String> {
    let published: BTreeSet<String> = ports.iter().map(|port| format!("{}/{}", port.target, port.protocol.as_str())).collect();
    let all = config.exposed_ports.take().unwrap_or_default().into_iter();
    all.filter(|port| !image.expose.contains(port) && !published.contains(port)).collect()
}

fn host_entry(text: &str) -> Option<HostEntry> {
    let (host, address) = text.split_once([':', '='])?;
    Some(HostEntry { host: host.to_owned(), address: address.to_owned() })
}

/// Reads `/db:/web/database`, as the engine shows `db:database`.
fn link(text: &str) -> String {
    match text.strip_prefix('/').and_then(|text| text.split_once(":/")) {
        Some((target, alias)) => format!("{target}:{}", alias.rsplit('/').next().unwrap_or(alias)),
        None => text.to_owned(),
    }
}

fn namespaces(host: &mut HostConfig, names: &Names, defaults: &Defaults) -> Namespaces {
    let shares_cgroup = defaults.shares_cgroup(host.privileged.unwrap_or_default());
    let mode = |text: Option<String>| {
        let text = text.filter(|text| !text.is_empty())?;
        let name = text.strip_prefix("container:").and_then(|id| names.get(id));
        Some(name.map_or_else(|| text.clone(), |name| format!("container:{name}")))
    };
    Namespaces {
        // `private` is dockerd's default, and shows where nothing was asked for.
        ipc: mode(host.ipc_mode.take()).filter(|ipc| ipc != "private"),
        pid: mode(host.pid_mode.take()),
        uts: mode(host.uts_mode.take()),
        cgroup: match host.cgroupns_mode {
            Some(HostConfigCgroupnsModeEnum::HOST) if !shares_cgroup => Some("host".to_owned()),
            Some(HostConfigCgroupnsModeEnum::PRIVATE) if shares_cgroup => Some("private".to_owned()),
            Some(HostConfigCgroupnsModeEnum::EMPTY | HostConfigCgroupnsModeEnum::HOST | HostConfigCgroupnsModeEnum::PRIVATE) | None => None,
        },
    }
}

fn security(host: &mut HostConfig) -> Security {
    let options = host.security_opt.take().unwrap_or_default();
    let (credentials, security_opt): (Vec<String>, Vec<String>) =
        options.into_iter().partition(|option| option.starts_with("credentialspec="));
    let privileged = host.privileged.unwrap_or_default();
    Security {
        privileged,
        read_only: host.readonly_rootfs.unwrap_or_default(),
        cap_add: host.cap_add.take().unwrap_or_default(),
        cap_drop: host.cap_drop.take().unwrap_or_default(),
        // A privileged container shows this option, which it did not ask for.
        security_opt: security_opt.into_iter().filter(|option| !(privileged && option == "label=disable")).collect(),
        group_add: host.group_add.take().unwrap_or_default(),
        userns_mode: text(host.userns_mode.take()),
        credential_spec: credentials
            .into_iter()
            .next()
            .and_then(|text| text.split_once('=').map(|(_, spec)| spec.to_owned())),
    }
}

fn isolation(found: Option<HostConfigIsolationEnum>) -> Option<String> {
    match found? {
        HostConfigIsolationEnum::EMPTY | HostConfigIsolationEnum::DEFAULT => None,
        HostConfigIsolationEnum::PROCESS => Some("process".to_owned()),
        HostConfigIsolationEnum::HYPERV => Some("hyperv".to_owned()),
    }
}

//! A container's spec as the API takes it: every field reaches the request, or is refused by name.

mod health;
mod mounts;
mod network;
mod process;
mod resources;
mod security;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use bollard::models::{ContainerCreateBody, HostConfig};
use rcompose_engine_adapter::{
    ContainerName, ContainerSpec, EngineError, EngineInfo, ErrorKind, Feature, HostEntry, Namespaces, NetworkMode, Result, labels,
};
use serde::Serialize;

pub(crate) use network::{endpoint, takes_all_networks};

use crate::containers::seconds;
use crate::version::ApiVersion;

/// What the engine was asked before a create call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// Ids of the containers that the spec refers to.
    pub(crate) ids: BTreeMap<ContainerName, String>,
    /// Id of the image.
    pub(crate) image: Option<String>,
}

/// The body of a create call.
#[derive(Debug, Serialize)]
pub(crate) struct CreateContainer {
    #[serde(flatten)]
    body: ContainerCreateBody,
    /// Only engines before API 1.44 take it here.
    #[serde(rename = "MacAddress", skip_serializing_if = "Option::is_none")]
    mac_address: Option<String>,
}

/// Names what a spec asks for that this engine cannot do.
pub(crate) fn refuse_unless(info: &EngineInfo, feature: Feature, what: &str) -> Result<()> {
    if info.has(feature) {
        return Ok(());
    }
    let message = format!(
        "{what}: {} needs {}; this is Docker Engine {} (API {})",
        feature.attribute(),
        feature.needs(),
        info.version,
        info.api
    );
    Err(EngineError::new(ErrorKind::Unsupported, message))
}

/// Names a value that the API has no place for.
pub(crate) fn unsupported(message: String) -> EngineError {
    EngineError::new(ErrorKind::Unsupported, message)
}

/// Returns the containers that a spec refers to by name where the engine is told an id.
pub(crate) fn referred(spec: &ContainerSpec) -> Vec<ContainerName> {
    let Namespaces { ipc, pid, uts, cgroup } = &spec.namespaces;
    let modes = [ipc, pid, uts, cgroup].into_iter().flatten();
    let mut names: Vec<ContainerName> = modes.filter_map(|mode| mode.strip_prefix("container:")).map(ContainerName::from).collect();
    if let NetworkMode::Container { container } = &spec.network {
        names.push(container.clone());
    }
    names
}

/// Writes a mode, with the id of the container it names: a name may be another's tomorrow.
fn mode(text: &str, known: &Known) -> String {
    let id = text.strip_prefix("container:").and_then(|name| known.ids.get(&ContainerName::from(name)));
    id.map_or_else(|| text.to_owned(), |id| format!("container:{id}"))
}

/// Names every field and where it goes, so that a new one does not compile before it has its place.
fn placed(spec: &ContainerSpec) {
    let ContainerSpec {
        name: _,                // a parameter of the call
        platform: _,            // a parameter of the call
        files: _,               // put in after the call
        private_environment: _, // concerns display only
        image: _,
        labels: _,
        config_hash: _, // a label
        hostname: _,
        domainname: _,
        expose: _,
        healthcheck: _,
        stop_signal: _,
        stop_grace: _,
        process: _,     // `container`, up to here
        annotations: _, // `host`, from here on
        mounts: _,
        volumes_from: _,
        network: _,
        mac_address: _,
        ports: _,
        dns: _,
        dns_options: _,
        dns_search: _,
        extra_hosts: _,
        links: _,
        resources: _,
        device_requests: _,
        security: _,
        namespaces: _,
        restart: _,
        logging: _,
        init: _,
        runtime: _,
        isolation: _,
        storage_opt: _,
        sysctls: _,
        auto_remove: _,
    } = spec;
}

/// Writes the body of a create call.
pub(crate) fn container(spec: &ContainerSpec, info: &EngineInfo, version: ApiVersion, known: &Known) -> Result<CreateContainer> {
    placed(spec);
    let mut host = host(spec, info, version, known)?;
    let exposed = network::ports(&mut host, &spec.ports, &spec.expose);
    let wired = network::wire(&mut host, &spec.network, spec.mac_address.as_deref(), version, known)?;
    let mut body = ContainerCreateBody {
        image: Some(spec.image.as_str().to_owned()),
        labels: Some(with_ids(spec, known)?),
        hostname: spec.hostname.clone(),
        domainname: spec.domainname.clone(),
        exposed_ports: some_list(&exposed),
        healthcheck: spec.healthcheck.as_ref().map(|check| health::check(check, info)).transpose()?,
        stop_signal: spec.stop_signal.clone(),
        stop_timeout: spec.stop_grace.map(|grace| i64::try_from(seconds(grace)).unwrap_or(i64::MAX)),
        host_config: Some(host),
        networking_config: wired.networking,
        ..ContainerCreateBody::default()
    };
    process::fill(&mut body, &spec.process);
    Ok(CreateContainer { body, mac_address: wired.mac_address })
}

/// Writes what concerns the host, less networks and ports.
fn host(spec: &ContainerSpec, info: &EngineInfo, version: ApiVersion, known: &Known) -> Result<HostConfig> {
    if !spec.annotations.is_empty() {
        refuse_unless(info, Feature::Annotations, "the container")?;
    }
    let hosts: Vec<String> = spec.extra_hosts.iter().map(|HostEntry { host, address }| format!("{host}:{address}")).collect();
    let mut host = HostConfig {
        annotations: some_map(&spec.annotations),
        volumes_from: some_list(&spec.volumes_from),
        dns: some_list(&spec.dns),
        dns_options: some_list(&spec.dns_options),
        dns_search: some_list(&spec.dns_search),
        extra_hosts: some_list(&hosts),
        links: some_list(&spec.links),
        restart_policy: Some(process::restart(spec.restart)?),
        log_config: spec.logging.as_ref().map(process::logging),
        init: spec.init,
        runtime: spec.runtime.clone(),
        isolation: spec.isolation.as_deref().map(process::isolation).transpose()?,
        storage_opt: some_map(&spec.storage_opt),
        sysctls: some_map(&spec.sysctls),
        auto_remove: Some(spec.auto_remove),
        ..HostConfig::default()
    };
    resources::fill(&mut host, &spec.resources, &spec.device_requests, version)?;
    security::fill(&mut host, &spec.security, &spec.namespaces, info, known)?;
    mounts::fill(&mut host, &spec.mounts, info, version)?;
    Ok(host)
}

/// Adds the labels whose values hang on ids.
fn with_ids(spec: &ContainerSpec, known: &Known) -> Result<HashMap<String, String>> {
    let mut all: HashMap<String, String> = spec.labels.clone().into_iter().collect();
    if let Some(hash) = &spec.config_hash {
        let digest = hash.digest(|name| known.ids.get(name).cloned());
        let digest =
            digest.ok_or_else(|| EngineError::new(ErrorKind::NotFound, "a container that its configuration refers to is not there"))?;
        all.insert(labels::CONFIG_HASH.to_owned(), digest);
    }
    if let Some(image) = &known.image {
        all.insert(labels::IMAGE.to_owned(), image.clone());
    }
    Ok(all)
}

/// Leaves an empty list out.
fn some_list(list: &[String]) -> Option<Vec<String>> {
    Some(list.to_vec()).filter(|list| !list.is_empty())
}

/// Leaves an empty map out.
fn some_map(map: &BTreeMap<String, String>) -> Option<HashMap<String, String>> {
    Some(map.clone().into_iter().collect()).filter(|_| !map.is_empty())
}

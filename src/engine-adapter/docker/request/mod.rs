//! A container's spec as the API takes it: every field reaches the request, or is refused by name.

mod health;
mod mounts;
mod network;
mod process;
mod resources;
mod security;

use std::collections::{BTreeMap, HashMap};

use bollard::models::{ContainerCreateBody, HostConfig};
use rcompose_engine_adapter::{
    ContainerName, ContainerSpec, EngineError, EngineInfo, ErrorKind, Feature, Namespaces, NetworkMode, Result, labels,
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

/// Writes the body of a create call.
pub(crate) fn container(spec: &ContainerSpec, info: &EngineInfo, version: ApiVersion, known: &Known) -> Result<CreateContainer> {
    // Destructured in full, so that a new field cannot be forgotten.
    let ContainerSpec {
        name: _,     // a parameter of the call
        platform: _, // a parameter of the call
        image,
        labels,
        annotations,
        process,
        hostname,
        domainname,
        mounts,
        volumes_from,
        files: _, // put in after the call
        network,
        mac_address,
        ports,
        expose,
        dns,
        dns_options,
        dns_search,
        extra_hosts,
        links,
        resources,
        device_requests,
        security,
        namespaces,
        healthcheck,
        restart,
        logging,
        stop_signal,
        stop_grace,
        init,
        runtime,
        isolation,
        storage_opt,
        sysctls,
        auto_remove,
        private_environment: _, // concerns display only
        config_hash: _,         // a label, below
    } = spec;
    if !annotations.is_empty() {
        refuse_unless(info, Feature::Annotations, "the container")?;
    }
    let mut host = HostConfig {
        annotations: some_map(annotations),
        volumes_from: some_list(volumes_from),
        dns: some_list(dns),
        dns_options: some_list(dns_options),
        dns_search: some_list(dns_search),
        extra_hosts: some_list(&extra_hosts.iter().map(|entry| format!("{}:{}", entry.host, entry.address)).collect::<Vec<_>>()),
        links: some_list(links),
        restart_policy: Some(process::restart(*restart)),
        log_config: logging.as_ref().map(process::logging),
        init: *init,
        runtime: runtime.clone(),
        isolation: isolation.as_deref().map(process::isolation).transpose()?,
        storage_opt: some_map(storage_opt),
        sysctls: some_map(sysctls),
        auto_remove: Some(*auto_remove),
        ..HostConfig::default()
    };
    resources::fill(&mut host, resources, device_requests, version)?;
    security::fill(&mut host, security, namespaces, info, known)?;
    mounts::fill(&mut host, mounts, info, version)?;
    let exposed = network::ports(&mut host, ports, expose);
    let wired = network::wire(&mut host, network, mac_address.as_deref(), version, known)?;
    let mut body = ContainerCreateBody {
        image: Some(image.as_str().to_owned()),
        labels: Some(with_ids(spec, labels, known)?),
        hostname: hostname.clone(),
        domainname: domainname.clone(),
        exposed_ports: some_list(&exposed),
        healthcheck: healthcheck.as_ref().map(|check| health::check(check, info)).transpose()?,
        stop_signal: stop_signal.clone(),
        stop_timeout: stop_grace.map(|grace| i64::try_from(seconds(grace)).unwrap_or(i64::MAX)),
        host_config: Some(host),
        networking_config: wired.networking,
        ..ContainerCreateBody::default()
    };
    process::fill(&mut body, process);
    Ok(CreateContainer { body, mac_address: wired.mac_address })
}

/// Adds the labels whose values hang on ids.
fn with_ids(spec: &ContainerSpec, given: &BTreeMap<String, String>, known: &Known) -> Result<HashMap<String, String>> {
    let mut all: HashMap<String, String> = given.clone().into_iter().collect();
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

//! Networks, and who is attached to them.

use std::collections::BTreeMap;

use bollard::models::{Ipam, IpamConfig, NetworkConnectRequest, NetworkDisconnectRequest, NetworkInspect};
use rcompose_engine_adapter::{
    Attachment, ContainerName, EngineError, ErrorKind, Feature, IpamPool, NetworkName, NetworkSpec, Result, labels,
};
use serde::Serialize;

use crate::containers;
use crate::docker::Docker;
use crate::error::while_trying;
use crate::request::{endpoint, refuse_unless};
use crate::transport::{Api, Call, path};
use crate::volume::{unhashed, with_hash};

/// The body of a create call, with `CheckDuplicate`, without which engines before 25 make a second network of the same name.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct CreateNetwork<'a> {
    name: &'a str,
    check_duplicate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<&'a str>,
    internal: bool,
    attachable: bool,
    #[serde(rename = "EnableIPv4", skip_serializing_if = "Option::is_none")]
    enable_ipv4: Option<bool>,
    #[serde(rename = "EnableIPv6", skip_serializing_if = "Option::is_none")]
    enable_ipv6: Option<bool>,
    #[serde(rename = "IPAM", skip_serializing_if = "Option::is_none")]
    ipam: Option<Ipam>,
    options: &'a BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
}

pub(crate) async fn create(docker: &Docker, spec: &NetworkSpec) -> Result<()> {
    // Destructured in full, so that a new field cannot be forgotten.
    let NetworkSpec {
        name,
        driver,
        driver_opts,
        ipam_driver,
        ipam_pools,
        ipam_options,
        internal,
        attachable,
        enable_ipv4,
        enable_ipv6,
        labels,
        config_hash,
    } = spec;
    let what = format!("network {name}");
    if *enable_ipv4 == Some(false) {
        refuse_unless(&docker.info, Feature::DisableIpv4, &what)?;
    }
    let body = CreateNetwork {
        name: name.as_str(),
        check_duplicate: true,
        driver: driver.as_deref(),
        internal: *internal,
        attachable: *attachable,
        // Older engines do not know the key, and IPv4 is on there.
        enable_ipv4: enable_ipv4.filter(|_| docker.info.has(Feature::DisableIpv4)),
        enable_ipv6: *enable_ipv6,
        ipam: ipam(ipam_driver.as_deref(), ipam_pools, ipam_options),
        options: driver_opts,
        labels: with_hash(labels, config_hash).ok_or_else(|| unhashed(&what))?,
    };
    match docker.api.unit(Call::post("/networks/create").json(&body)).await {
        Err(error) if error.kind == ErrorKind::Conflict => own_already(&docker.api, spec, error).await?,
        result => result.map_err(|error| while_trying(&format!("cannot create {what}"), error))?,
    }
    // A client that was killed may have left a create call under way, and engines before 25 then make two.
    settle(&docker.api, name).await
}

/// Leaves one network of a name, the oldest unless a newer one is in use; engines before 25 know no unique names.
pub(crate) async fn settle(api: &Api, name: &NetworkName) -> Result<()> {
    let mut twins = twins(api, name).await?;
    twins.sort_by(|a, b| (&b.created, &b.id).cmp(&(&a.created, &a.id)));
    let mut left = twins.len();
    for twin in twins {
        if left <= 1 {
            break;
        }
        match api.unit(Call::delete(path("networks", &twin.id.unwrap_or_default(), ""))).await {
            // In use: it is the other that goes.
            Err(error) if error.kind == ErrorKind::Conflict || error.kind == ErrorKind::Denied => {}
            Err(error) if !error.is_not_found() => return Err(error),
            _ => left -= 1,
        }
    }
    Ok(())
}

async fn twins(api: &Api, name: &NetworkName) -> Result<Vec<Twin>> {
    let filters = BTreeMap::from([("name", [name.as_str()])]);
    let listed: Vec<Twin> = api.json(Call::get("/networks").query_json("filters", &filters)).await?;
    // The filter takes any name that contains it.
    Ok(listed.into_iter().filter(|twin| twin.name.as_deref() == Some(name.as_str())).collect())
}

/// As much of a listed network as tells it from another of its name.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Twin {
    name: Option<String>,
    id: Option<String>,
    created: Option<String>,
}

/// Tells whether a call failed since several networks have the name.
pub(crate) fn is_ambiguous(error: &EngineError) -> bool {
    error.message.contains(" is ambiguous")
}

fn ipam(driver: Option<&str>, pools: &[IpamPool], options: &BTreeMap<String, String>) -> Option<Ipam> {
    if driver.is_none() && pools.is_empty() && options.is_empty() {
        return None;
    }
    let config = pools.iter().map(|pool| {
        let IpamPool { subnet, ip_range, gateway, aux_addresses } = pool;
        IpamConfig {
            subnet: subnet.clone(),
            ip_range: ip_range.clone(),
            gateway: gateway.clone(),
            auxiliary_addresses: Some(aux_addresses.clone().into_iter().collect()).filter(|_| !aux_addresses.is_empty()),
        }
    });
    Some(Ipam {
        driver: Some(driver.unwrap_or("default").to_owned()),
        config: Some(config.collect()),
        options: Some(options.clone().into_iter().collect()).filter(|_| !options.is_empty()),
    })
}

/// Takes a network of the same name as made, if it is the same project's: then this call is a repetition.
async fn own_already(api: &Api, spec: &NetworkSpec, error: EngineError) -> Result<()> {
    let found = inspect(api, &spec.name).await?;
    let project = found.labels.as_ref().and_then(|labels| labels.get(labels::PROJECT));
    match project {
        Some(project) if Some(project) == spec.labels.get(labels::PROJECT) => Ok(()),
        _ => Err(while_trying(&format!("cannot create network {}", spec.name), error)),
    }
}

pub(crate) async fn inspect(api: &Api, name: &NetworkName) -> Result<NetworkInspect> {
    match api.json(Call::get(path("networks", name.as_str(), ""))).await {
        Err(error) if is_ambiguous(&error) => {
            settle(api, name).await?;
            api.json(Call::get(path("networks", name.as_str(), ""))).await
        }
        result => result,
    }
}

pub(crate) async fn remove(api: &Api, name: &NetworkName) -> Result<()> {
    let trying = |error| while_trying(&format!("cannot remove network {name}"), error);
    let delete = || Call::delete(path("networks", name.as_str(), ""));
    let removed = match api.unit(delete()).await {
        Err(error) if is_ambiguous(&error) => {
            settle(api, name).await?;
            api.unit(delete()).await
        }
        result => result,
    };
    match removed {
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) if error.kind == ErrorKind::Conflict => match attached(api, name).await {
            Ok(names) if !names.is_empty() => {
                let message = format!("cannot remove network {name}: still attached: {}", names.join(", "));
                Err(EngineError::new(ErrorKind::Conflict, message).caused_by(error))
            }
            _ => Err(trying(error)),
        },
        result => result.map_err(trying),
    }
}

async fn attached(api: &Api, name: &NetworkName) -> Result<Vec<String>> {
    let containers = inspect(api, name).await?.containers.unwrap_or_default();
    let mut names: Vec<String> = containers.into_values().filter_map(|container| container.name).collect();
    names.sort();
    Ok(names)
}

pub(crate) async fn connect(api: &Api, container: &ContainerName, attachment: &Attachment) -> Result<()> {
    let network = &attachment.network;
    if let Some(mac) = &attachment.mac_address {
        return attached_with(api, container, network, mac).await;
    }
    let what = format!("cannot attach container {container} to network {network}");
    let body = NetworkConnectRequest {
        container: container.as_str().to_owned(),
        endpoint_config: Some(endpoint(attachment, api.version(), &what)?),
    };
    // Before API 1.44 the engine notes any name down for a container that does not run, and fails at its start only.
    inspect(api, network).await.map_err(|error| while_trying(&what, error))?;
    match api.unit(Call::post(path("networks", network.as_str(), "/connect")).json(&body).patient()).await {
        Err(error) if error.message.contains("already exists in network") || error.message.contains("already attached") => Ok(()),
        result => result.map_err(|error| while_trying(&what, error)),
    }
}

/// Refuses a MAC address for a container that is there: every engine up to API 1.51 takes it, and gives another. A container
/// that is attached already is as asked for.
async fn attached_with(api: &Api, container: &ContainerName, network: &NetworkName, mac: &str) -> Result<()> {
    let what = format!("cannot attach container {container} to network {network}");
    let found = containers::inspect(api, container).await.map_err(|error| while_trying(&what, error))?;
    let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    if networks.contains_key(network.as_str()) {
        return Ok(());
    }
    let message = format!("{what}: Docker gives the MAC address {mac} at create only; the container must be made anew");
    Err(EngineError::new(ErrorKind::Unsupported, message))
}

pub(crate) async fn disconnect(api: &Api, container: &ContainerName, network: &NetworkName) -> Result<()> {
    // Forced: a container that is gone may have left its end behind, which blocks the network.
    let body = NetworkDisconnectRequest { container: container.as_str().to_owned(), force: Some(true) };
    match api.unit(Call::post(path("networks", network.as_str(), "/disconnect")).json(&body).patient()).await {
        Err(error) if error.is_not_found() => Ok(()),
        result => result.map_err(|error| while_trying(&format!("cannot detach container {container} from network {network}"), error)),
    }
}

//! What is there: one list call per kind, details at the same time.

mod container;
mod endpoint;
mod health;
mod image;
mod mounts;
mod process;
mod resources;
mod spec;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use bollard::models::{ContainerSummary, ImageInspect, NetworkInspect, Volume, VolumeListResponse};
use futures::{StreamExt, future, stream};
use rcompose_engine_adapter::{
    ContainerName, ImageReference, NetworkName, Observed, ObservedContainer, ObservedImage, ObservedNetwork, ObservedVolume, PortHolder,
    Projects, Result, Scope, VolumeName, labels,
};

use crate::docker::Docker;
use crate::error::while_trying;
use crate::reference::image_path;
use crate::transport::{Api, Call, path};

pub(crate) use container::listed;

/// Detail calls under way at a time: enough to hide their latency, and few enough for any engine.
const AT_ONCE: usize = 16;

/// Filters of a list call.
type Filters = BTreeMap<&'static str, Vec<String>>;

pub(crate) async fn observe(docker: &Docker, scope: &Scope) -> Result<Observed> {
    let (containers, networks, volumes, images, ports) = future::try_join5(
        containers(docker, scope),
        networks(&docker.api, scope),
        volumes(&docker.api, scope),
        images(&docker.api, &scope.images),
        ports(&docker.api, scope.ports),
    )
    .await?;
    Ok(Observed { engine: docker.info.clone(), containers, networks, volumes, images, ports })
}

/// Returns the label filter of a scope; `None` is to list nothing by label.
fn project_label(projects: &Projects) -> Option<String> {
    match projects {
        Projects::None => None,
        Projects::One(name) => Some(format!("{}={name}", labels::PROJECT)),
        Projects::All => Some(labels::PROJECT.to_owned()),
    }
}

/// Returns the filters of the list calls needed: by label, by name, both or none. An engine joins filters with "and".
fn filters(scope: &Scope, names: Vec<String>) -> Vec<Filters> {
    let by_label = project_label(&scope.projects).map(|label| Filters::from([("label", vec![label])]));
    let by_name = Some(names).filter(|names| !names.is_empty()).map(|names| Filters::from([("name", names)]));
    by_label.into_iter().chain(by_name).collect()
}

/// Runs one call per item, so many at a time, and keeps what is there.
async fn gather<I, T, Fut>(items: impl IntoIterator<Item = I>, call: impl Fn(I) -> Fut) -> Result<Vec<T>>
where
    Fut: Future<Output = Result<T>>,
{
    let results: Vec<Result<T>> = stream::iter(items).map(call).buffered(AT_ONCE).collect().await;
    results
        .into_iter()
        .filter(|result| !result.as_ref().is_err_and(|error| error.is_not_found()))
        .collect()
}

async fn containers(docker: &Docker, scope: &Scope) -> Result<BTreeMap<ContainerName, ObservedContainer>> {
    // The engine takes each name as a regular expression, with and without the leading slash.
    let names = scope.containers.iter().map(|name| format!("^/?{}$", quote(name.as_str()))).collect();
    let lists = filters(scope, names).into_iter().map(|filters| {
        let call = Call::get("/containers/json").query("all", "1").query_json("filters", &filters);
        docker.api.json::<Vec<ContainerSummary>>(call)
    });
    let listed = future::try_join_all(lists).await.map_err(|error| while_trying("cannot list containers", error))?;
    let mut found: BTreeMap<ContainerName, ObservedContainer> = BTreeMap::new();
    for summary in listed.into_iter().flatten() {
        if let Some(container) = container::listed(summary) {
            found.insert(container.name.clone(), container);
        }
    }
    if scope.detail {
        return container::detailed(docker, found).await;
    }
    // One asked for by name is looked at exactly: its exit status, its health, its aliases.
    let named: Vec<ObservedContainer> = scope.containers.iter().filter_map(|name| found.remove(name)).collect();
    let named = container::exact(&docker.api, named).await?;
    found.extend(named.into_iter().map(|container| (container.name.clone(), container)));
    Ok(found)
}

/// Escapes what a regular expression would take for more than a character.
fn quote(text: &str) -> String {
    text.chars()
        .flat_map(|c| (!c.is_alphanumeric() && c != '_' && c != '-').then_some('\\').into_iter().chain([c]))
        .collect()
}

async fn networks(api: &Api, scope: &Scope) -> Result<BTreeMap<NetworkName, ObservedNetwork>> {
    let names: Vec<String> = scope.networks.iter().map(|name| name.as_str().to_owned()).collect();
    let lists = filters(scope, names).into_iter().map(|filters| {
        let by_name = filters.contains_key("name");
        async move {
            let call = Call::get("/networks").query_json("filters", &filters);
            let listed: Vec<NetworkInspect> = api.json(call).await?;
            // A name filter takes any name that contains it.
            let wanted = |network: &NetworkInspect| {
                !by_name || network.name.as_ref().is_some_and(|name| scope.networks.contains(&NetworkName::new(name.as_str())))
            };
            Ok::<_, rcompose_engine_adapter::EngineError>(listed.into_iter().filter(wanted).collect::<Vec<_>>())
        }
    });
    let listed = future::try_join_all(lists).await.map_err(|error| while_trying("cannot list networks", error))?;
    let listed: Vec<NetworkInspect> = listed.into_iter().flatten().collect();
    // A list does not tell who is attached; one asked for by name is looked at exactly.
    let is_exact = |network: &NetworkInspect| {
        scope.detail || network.name.as_ref().is_some_and(|name| scope.networks.contains(&NetworkName::new(name.as_str())))
    };
    let (exact, plain): (Vec<NetworkInspect>, Vec<NetworkInspect>) = listed.into_iter().partition(is_exact);
    Ok(attached(api, exact).await?.into_iter().chain(plain).filter_map(network).collect())
}

/// Inspects networks, for who is attached.
async fn attached(api: &Api, listed: Vec<NetworkInspect>) -> Result<Vec<NetworkInspect>> {
    let ids = listed.into_iter().filter_map(|network| network.id);
    gather(ids, |id| async move { api.json(Call::get(path("networks", &id, ""))).await }).await
}

fn network(found: NetworkInspect) -> Option<(NetworkName, ObservedNetwork)> {
    let attached = found.containers.unwrap_or_default().into_values();
    let network = ObservedNetwork {
        id: found.id.unwrap_or_default(),
        driver: found.driver.unwrap_or_default(),
        labels: found.labels.unwrap_or_default().into_iter().collect(),
        containers: attached.filter_map(|container| container.name).map(ContainerName::new).collect(),
    };
    Some((NetworkName::new(found.name?), network))
}

async fn volumes(api: &Api, scope: &Scope) -> Result<BTreeMap<VolumeName, ObservedVolume>> {
    let names: Vec<String> = scope.volumes.iter().map(|name| name.as_str().to_owned()).collect();
    let mut found = BTreeMap::new();
    for filters in filters(scope, names) {
        let call = Call::get("/volumes").query_json("filters", &filters);
        let listed: VolumeListResponse = api.json(call).await.map_err(|error| while_trying("cannot list volumes", error))?;
        let by_name = filters.contains_key("name");
        for Volume { name, driver, labels, .. } in listed.volumes.unwrap_or_default() {
            let name = VolumeName::new(name);
            if !by_name || scope.volumes.contains(&name) {
                found.insert(name, ObservedVolume { driver, labels: labels.into_iter().collect() });
            }
        }
    }
    Ok(found)
}

async fn images(api: &Api, wanted: &BTreeSet<ImageReference>) -> Result<BTreeMap<ImageReference, ObservedImage>> {
    let inspect = |image: ImageReference| async move {
        match api.json::<ImageInspect>(Call::get(image_path(&image, "/json"))).await {
            Ok(found) => Ok(image::image(found).map(|found| (image, found))),
            Err(error) if error.is_not_found() || error.kind == rcompose_engine_adapter::ErrorKind::ImageMissing => Ok(None),
            Err(error) => Err(while_trying(&format!("cannot inspect image {image}"), error)),
        }
    };
    Ok(gather(wanted.iter().cloned(), inspect).await?.into_iter().flatten().collect())
}

async fn ports(api: &Api, wanted: bool) -> Result<Vec<PortHolder>> {
    if !wanted {
        return Ok(Vec::new());
    }
    let listed: Vec<ContainerSummary> = api
        .json(Call::get("/containers/json"))
        .await
        .map_err(|error| while_trying("cannot list ports", error))?;
    let mut holders: Vec<PortHolder> = listed.into_iter().filter_map(container::listed).flat_map(holders).collect();
    holders.sort_by_key(|holder| (holder.port, holder.protocol, holder.host_ip));
    Ok(holders)
}

fn holders(container: ObservedContainer) -> Vec<PortHolder> {
    let published = container.ports.iter().filter_map(|port| port.host.map(|host| (port.protocol, host)));
    let holder = |(protocol, (host_ip, port))| PortHolder {
        host_ip,
        port,
        protocol,
        container: container.name.clone(),
        project: container.project().map(str::to_owned),
        service: container.service().map(str::to_owned),
    };
    published.map(holder).collect()
}

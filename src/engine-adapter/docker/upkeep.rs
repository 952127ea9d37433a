//! Everything on the engine, the room it takes, and taking it away.

use std::collections::BTreeMap;

use bollard::models::ContainerSummary;
use rcompose_engine_adapter::{
    Discard, EngineError, ErrorKind, Ground, NetworkName, Result, Stock, StockCache, StockContainer, StockImage, StockNetwork, StockVolume,
    VolumeName, is_made_up,
};
use serde::Deserialize;

use crate::error::while_trying;
use crate::observe::listed;
use crate::reference::image_path;
use crate::transport::{Api, Call, path};
use crate::{network, volume};

/// Networks that every engine has.
const OWN: [&str; 3] = ["bridge", "host", "none"];
/// The label of volumes that nobody named, from Docker Engine 23 on.
const ANONYMOUS: &str = "com.docker.volume.anonymous";
/// What an image without a name is called in lists.
const NONE: &str = "<none>";

/// The answer of `/system/df`. Source: Docker API 1.41 to 1.51.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Usage {
    layers_size: i64,
    images: Option<Vec<Image>>,
    containers: Option<Vec<ContainerSummary>>,
    volumes: Option<Vec<Volume>>,
    build_cache: Option<Vec<Cache>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Image {
    id: String,
    repo_tags: Option<Vec<String>>,
    repo_digests: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
    created: i64,
    size: i64,
    shared_size: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Volume {
    name: String,
    labels: Option<BTreeMap<String, String>>,
    usage_data: Option<Used>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Used {
    size: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Cache {
    #[serde(rename = "ID")]
    id: String,
    r#type: String,
    size: i64,
    in_use: bool,
    shared: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Volumes {
    volumes: Option<Vec<Volume>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Network {
    name: String,
    labels: Option<BTreeMap<String, String>>,
    created: String,
    ingress: bool,
}

/// The answer of `/info`, as far as it is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Info {
    docker_root_dir: String,
    kernel_version: String,
    operating_system: String,
    architecture: String,
    #[serde(rename = "NCPU")]
    cpus: u64,
    mem_total: u64,
    cgroup_version: String,
    driver: String,
    security_options: Option<Vec<String>>,
    plugins: Plugins,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Plugins {
    network: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Pruned {
    space_reclaimed: i64,
}

pub(crate) async fn ground(api: &Api) -> Result<Ground> {
    let info: Info = api
        .json(Call::get("/info"))
        .await
        .map_err(|error| while_trying("cannot ask what the engine is", error))?;
    // `name=seccomp,profile=default`
    let security = info.security_options.unwrap_or_default().into_iter().filter_map(|it| {
        let (_, rest) = it.split_once("name=")?;
        Some(rest.split(',').next().unwrap_or(rest).to_owned())
    });
    Ok(Ground {
        root: info.docker_root_dir,
        run: None,
        kernel: info.kernel_version,
        system: info.operating_system,
        architecture: info.architecture,
        cpus: info.cpus,
        memory: info.mem_total,
        cgroup: info.cgroup_version,
        controllers: Vec::new(),
        storage: info.driver,
        network: info.plugins.network.unwrap_or_default().join(", "),
        security: security.collect(),
    })
}

pub(crate) async fn stock(api: &Api, sizes: bool) -> Result<Stock> {
    let usage = if sizes {
        // Patient: an engine measures every volume for it.
        let usage = api.json(Call::get("/system/df").patient()).await;
        usage.map_err(|error| while_trying("cannot measure what the engine has", error))?
    } else {
        lists(api).await.map_err(|error| while_trying("cannot list what the engine has", error))?
    };
    let networks: Vec<Network> = api
        .json(Call::get("/networks"))
        .await
        .map_err(|error| while_trying("cannot list networks", error))?;
    Ok(Stock {
        layers: bytes(usage.layers_size),
        images: usage.images.unwrap_or_default().into_iter().map(image).collect(),
        containers: usage.containers.unwrap_or_default().into_iter().filter_map(container).collect(),
        networks: networks.into_iter().map(network_of).collect(),
        volumes: usage.volumes.unwrap_or_default().into_iter().map(volume_of).collect(),
        cache: usage.build_cache.unwrap_or_default().into_iter().map(cache).collect(),
        leftovers: Vec::new(),
    })
}

async fn lists(api: &Api) -> Result<Usage> {
    let volumes: Volumes = api.json(Call::get("/volumes")).await?;
    Ok(Usage {
        images: Some(api.json(Call::get("/images/json")).await?),
        containers: Some(api.json(Call::get("/containers/json").query("all", "1")).await?),
        volumes: volumes.volumes,
        ..Usage::default()
    })
}

/// An engine writes -1 for what it does not know.
fn bytes(size: i64) -> u64 {
    u64::try_from(size).unwrap_or(0)
}

fn image(found: Image) -> StockImage {
    let named = |list: Option<Vec<String>>| list.unwrap_or_default().into_iter().filter(|it| !it.contains(NONE)).collect::<Vec<_>>();
    let tags = named(found.repo_tags);
    StockImage {
        id: found.id,
        // One that was pulled by its digest has no other name.
        names: if tags.is_empty() { named(found.repo_digests) } else { tags },
        labels: found.labels.unwrap_or_default(),
        created: found.created,
        size: bytes(found.size),
        shared: bytes(found.shared_size),
    }
}

fn container(found: ContainerSummary) -> Option<StockContainer> {
    let it = listed(found)?;
    Some(StockContainer {
        name: it.name.to_string(),
        image: it.image.to_string(),
        image_id: it.image_id.map(|it| it.to_string()).unwrap_or_default(),
        mounted: Default::default(),
        state: it.state,
        status: it.status,
        command: it.command,
        labels: it.labels,
        created: it.created,
        size: it.size.unwrap_or(0),
        networks: it.networks.into_keys().collect(),
        volumes: it.mounts.into_iter().filter_map(|it| it.volume).collect(),
        id: it.id,
    })
}

fn network_of(found: Network) -> StockNetwork {
    let created: Option<jiff::Timestamp> = found.created.parse().ok();
    StockNetwork {
        own: found.ingress || OWN.contains(&found.name.as_str()),
        name: NetworkName::new(found.name),
        labels: found.labels.unwrap_or_default(),
        created: created.map_or(0, jiff::Timestamp::as_second),
    }
}

fn volume_of(found: Volume) -> StockVolume {
    let (name, labels) = (VolumeName::new(found.name), found.labels.unwrap_or_default());
    let size = found.usage_data.and_then(|it| u64::try_from(it.size).ok());
    StockVolume { anonymous: labels.contains_key(ANONYMOUS) || is_made_up(&name, &labels), name, labels, size }
}

fn cache(found: Cache) -> StockCache {
    StockCache {
        id: found.id,
        kind: found.r#type,
        size: bytes(found.size),
        in_use: found.in_use,
        shared: found.shared,
    }
}

pub(crate) async fn discard(api: &Api, what: &Discard) -> Result<Option<u64>> {
    match what {
        // Not by force: the engine refuses one that was started meanwhile.
        Discard::Container(id) => absent_is_fine(api.unit(Call::delete(path("containers", id, "")).patient()).await)
            .map_err(|error| while_trying(&format!("cannot remove container {id}"), error))
            .map(|()| None),
        Discard::Network(name) => network::remove(api, name).await.map(|()| None),
        Discard::Volume(name) => volume::remove(api, name).await.map(|()| None),
        Discard::Image { id, names } => images(api, id, names).await.map(|()| None),
        Discard::Cache { all, until } => prune_cache(api, *all, *until).await.map(Some),
        Discard::Leftovers => Ok(None),
    }
}

/// Takes away name by name, so that the engine refuses the last one while a container has the image.
async fn images(api: &Api, id: &str, names: &[String]) -> Result<()> {
    let id = [id.to_owned()];
    for name in if names.is_empty() { &id[..] } else { names } {
        let removed = api.unit(Call::delete(image_path(&name.as_str().into(), "")).patient()).await;
        absent_is_fine(removed).map_err(|error| while_trying(&format!("cannot remove image {name}"), error))?;
    }
    Ok(())
}

async fn prune_cache(api: &Api, all: bool, until: Option<i64>) -> Result<u64> {
    let mut call = Call::post("/build/prune").query("all", if all { "1" } else { "0" }).patient();
    if let Some(until) = until {
        // Older engines know a length of time only.
        let age = jiff::Timestamp::now().as_second().saturating_sub(until).max(0);
        call = call.query_json("filters", &BTreeMap::from([("until", [format!("{age}s")])]));
    }
    let pruned: Pruned = api.json(call).await.map_err(|error| while_trying("cannot remove the cache of builds", error))?;
    Ok(bytes(pruned.space_reclaimed))
}

fn absent_is_fine(result: Result<(), EngineError>) -> Result<()> {
    match result {
        Err(error) if error.is_not_found() || error.kind == ErrorKind::ImageMissing => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_sizes_are_those_that_mean_something() {
        let read = |text: &str| image(serde_json::from_str(text).expect("an image"));
        let dangling =
            read(r#"{"Id":"sha256:a","RepoTags":["<none>:<none>"],"RepoDigests":["<none>@<none>"],"SharedSize":-1,"Labels":null}"#);
        assert_eq!((dangling.names.len(), dangling.shared), (0, 0));
        assert_eq!(read(r#"{"RepoTags":null,"RepoDigests":["web@sha256:1"]}"#).names, ["web@sha256:1"]);
        assert_eq!(read(r#"{"RepoTags":["web:1"],"RepoDigests":["web@sha256:1"]}"#).names, ["web:1"]);
        let volume = |text: &str| volume_of(serde_json::from_str(text).expect("a volume"));
        let label = volume(r#"{"Name":"x","Labels":{"com.docker.volume.anonymous":""},"UsageData":{"Size":-1,"RefCount":-1}}"#);
        assert!(label.anonymous && label.size.is_none());
        assert!(!volume(r#"{"Name":"data","Labels":null}"#).anonymous);
        let own = |text: &str| network_of(serde_json::from_str(text).expect("a network")).own;
        assert!(own(r#"{"Name":"host"}"#) && !own(r#"{"Name":"shop_default","Created":"2026-01-31T08:30:00.5Z"}"#));
    }
}

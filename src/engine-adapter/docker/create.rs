//! Making a container: all of it or nothing.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use bollard::models::{ContainerCreateResponse, ContainerInspectResponse, ImageInspect};
use futures::{StreamExt, future, stream};
use rcompose_engine_adapter::{ConfigHash, ContainerName, ContainerSpec, EngineError, ErrorKind, NetworkMode, Remark, Result, labels};

use crate::containers;
use crate::docker::Docker;
use crate::error::while_trying;
use crate::files;
use crate::network;
use crate::reference::image_path;
use crate::request::{self, Known};
use crate::transport::{Api, Call};

pub(crate) async fn create(docker: &Docker, spec: &ContainerSpec) -> Result<()> {
    let what = format!("cannot create container {}", spec.name);
    make(docker, spec).await.map_err(|error| while_trying(&what, error))
}

async fn make(docker: &Docker, spec: &ContainerSpec) -> Result<()> {
    files::check(spec)?;
    let api = &docker.api;
    let (ids, image, ()) = future::try_join3(ids(api, spec), image_id(api, spec), networks(api, spec)).await?;
    let known = Known { ids, image };
    let body = request::container(spec, &docker.info, api.version(), &known)?;
    let until = Instant::now() + PATIENCE;
    let made: ContainerCreateResponse = loop {
        let error = match api.json(call(spec).json(&body).patient()).await {
            Err(error) if error.kind == ErrorKind::Conflict => error,
            result => break result?,
        };
        match holder(docker, spec, &body).await {
            Holder::HalfMade => containers::remove(api, &spec.name, false).await?,
            Holder::Coming if Instant::now() < until => tokio::time::sleep(LOOK).await,
            Holder::Coming | Holder::Other => return Err(error),
        }
    };
    let remarks = made.warnings.into_iter().map(|text| Remark { container: spec.name.clone(), text });
    docker.remarks.lock().unwrap_or_else(PoisonError::into_inner).extend(remarks);
    docker.made.lock().unwrap_or_else(PoisonError::into_inner).insert(made.id.clone());
    if let Err(error) = finish(docker, spec).await {
        // By id: by now the name may be somebody else's.
        let half = ContainerName::new(made.id);
        return match containers::remove(api, &half, true).await {
            Ok(()) => Err(error),
            Err(left) => {
                let message = format!("{}; what was made of it could not be removed: {left}", error.message);
                Err(EngineError { message, ..error })
            }
        };
    }
    Ok(())
}

fn call(spec: &ContainerSpec) -> Call {
    let call = Call::post("/containers/create").query("name", spec.name.as_str());
    match &spec.platform {
        Some(platform) => call.query("platform", platform),
        None => call,
    }
}

/// How long the engine may take with a call that a client which was killed had under way, and how often it is looked.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(100);

/// Who has the name of a container that is to be made.
enum Holder {
    /// The same container, never started: a client that was killed had this call under way.
    HalfMade,
    /// Nobody that can be looked at: the name is taken first, the container is there later.
    Coming,
    Other,
}

async fn holder(docker: &Docker, spec: &ContainerSpec, body: &impl serde::Serialize) -> Holder {
    match containers::inspect(&docker.api, &spec.name).await {
        Ok(found) if is_half_made(docker, &found, body) => Holder::HalfMade,
        Err(error) if error.is_not_found() => Holder::Coming,
        Ok(_) | Err(_) => Holder::Other,
    }
}

fn is_half_made(docker: &Docker, found: &ContainerInspectResponse, body: &impl serde::Serialize) -> bool {
    let own = found
        .id
        .as_ref()
        .is_none_or(|id| docker.made.lock().unwrap_or_else(PoisonError::into_inner).contains(id));
    if own {
        return false;
    }
    let created = found
        .state
        .as_ref()
        .and_then(|state| state.status)
        .is_some_and(|status| status.to_string() == "created");
    let theirs = found.config.as_ref().and_then(|config| config.labels.clone()).unwrap_or_default();
    let ours = serde_json::to_value(body).unwrap_or_default();
    let same = |key: &str| theirs.get(key).is_some_and(|label| ours["Labels"][key].as_str() == Some(label));
    created && [labels::PROJECT, labels::SERVICE, labels::CONFIG_HASH].into_iter().all(same)
}

/// What one create call cannot carry: further networks on older engines, and files.
async fn finish(docker: &Docker, spec: &ContainerSpec) -> Result<()> {
    if let NetworkMode::Networks { attachments } = &spec.network
        && !request::takes_all_networks(docker.api.version())
    {
        for attachment in attachments.iter().skip(1) {
            network::connect(&docker.api, &spec.name, attachment).await?;
        }
    }
    files::put(&docker.api, spec).await
}

/// Looks up the ids of the containers that the spec and its hash refer to.
async fn ids(api: &Api, spec: &ContainerSpec) -> Result<BTreeMap<ContainerName, String>> {
    let holes = spec
        .config_hash
        .iter()
        .flat_map(|hash: &ConfigHash| hash.holes.iter().map(|hole| hole.container.clone()));
    let mut names: Vec<ContainerName> = holes.chain(request::referred(spec)).collect();
    names.sort();
    names.dedup();
    stream::iter(names)
        .map(|name| async move {
            let found = containers::inspect(api, &name).await?;
            let id = found.id.ok_or_else(|| EngineError::new(ErrorKind::Other, format!("container {name} has no id")))?;
            Ok((name, id))
        })
        .buffer_unordered(16)
        .collect::<Vec<Result<_>>>()
        .await
        .into_iter()
        .collect()
}

/// Makes sure that the networks are there: the engine notes any name down, and fails at the start only.
async fn networks(api: &Api, spec: &ContainerSpec) -> Result<()> {
    let NetworkMode::Networks { attachments } = &spec.network else {
        return Ok(());
    };
    let checks = attachments.iter().map(|attachment| network::inspect(api, &attachment.network));
    future::try_join_all(checks).await.map(drop)
}

/// Looks up the image's id, which goes into a label.
async fn image_id(api: &Api, spec: &ContainerSpec) -> Result<Option<String>> {
    let found: ImageInspect = api.json(Call::get(image_path(&spec.image, "/json"))).await?;
    Ok(found.id)
}

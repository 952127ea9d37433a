//! What happens to a container after it was made. Every call may be repeated.

use std::time::Duration;

use bollard::models::{ContainerInspectResponse, ContainerWaitResponse};
use rcompose_engine_adapter::{ContainerName, EngineError, ErrorKind, Result, Stop};

use crate::error::while_trying;
use crate::network;
use crate::transport::{Api, Call, path};

/// Docker's own grace, where neither the call nor the container names one.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);

fn at(name: &ContainerName, action: &str) -> String {
    path("containers", name.as_str(), action)
}

fn trying(verb: &str, name: &ContainerName) -> impl Fn(EngineError) -> EngineError {
    let what = format!("cannot {verb} container {name}");
    move |error| while_trying(&what, error)
}

/// Takes a refusal of one kind as success: the container is as asked for already.
fn unless(kind: ErrorKind, text: &'static str) -> impl Fn(EngineError) -> Result<()> {
    move |error| {
        if error.kind == kind && error.message.contains(text) {
            Ok(())
        } else {
            Err(error)
        }
    }
}

pub(crate) async fn start(api: &Api, name: &ContainerName) -> Result<()> {
    // Patient: the engine answers once the process runs, and drivers of networks and volumes may take their time.
    let start = || api.unit(Call::post(at(name, "/start")).patient());
    let started = match start().await {
        Err(error) if network::is_ambiguous(&error) => {
            let networks = inspect(api, name).await?.network_settings.and_then(|it| it.networks).unwrap_or_default();
            for network in networks.into_keys() {
                network::settle(api, &network.into()).await?;
            }
            start().await
        }
        result => result,
    };
    started.map_err(trying("start", name))
}

pub(crate) async fn stop(api: &Api, name: &ContainerName, stop: &Stop) -> Result<()> {
    let mut call = Call::post(at(name, "/stop")).patient();
    if let Some(signal) = &stop.signal {
        if !api.version().has(42) {
            return stop_by_hand(api, name, signal, stop.grace).await;
        }
        call = call.query("signal", signal);
    }
    if let Some(grace) = stop.grace {
        call = call.query("t", &seconds(grace).to_string());
    }
    absent_is_fine(api.unit(call).await).map_err(trying("stop", name))
}

/// API 1.41 takes no signal at stop: send it, wait, and let the engine stop whatever is left.
async fn stop_by_hand(api: &Api, name: &ContainerName, signal: &str, grace: Option<Duration>) -> Result<()> {
    let grace = match grace {
        Some(grace) => grace,
        None => match inspect(api, name).await {
            Ok(found) => own_grace(&found),
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error),
        },
    };
    absent_is_fine(kill(api, name, signal).await)?;
    // Whether it ended in time or not, what follows is right for both.
    let _ended = tokio::time::timeout(grace, wait(api, name, "not-running")).await;
    let call = Call::post(at(name, "/stop")).query("t", "0").patient();
    absent_is_fine(api.unit(call).await).map_err(trying("stop", name))
}

fn own_grace(found: &ContainerInspectResponse) -> Duration {
    let seconds = found.config.as_ref().and_then(|config| config.stop_timeout);
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).map_or(DEFAULT_GRACE, Duration::from_secs)
}

/// Rounds up: the API counts in whole seconds, and a grace of less than asked for would kill too early.
pub(crate) fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

fn absent_is_fine(result: Result<()>) -> Result<()> {
    result.or_else(|error| if error.is_not_found() { Ok(()) } else { Err(error) })
}

pub(crate) async fn kill(api: &Api, name: &ContainerName, signal: &str) -> Result<()> {
    let sent = api.unit(Call::post(at(name, "/kill")).query("signal", signal)).await;
    sent.or_else(unless(ErrorKind::Conflict, "is not running")).map_err(trying("kill", name))
}

pub(crate) async fn rename(api: &Api, from: &ContainerName, to: &ContainerName) -> Result<()> {
    let call = Call::post(at(from, "/rename")).query("name", to.as_str());
    api.unit(call)
        .await
        .map_err(|error| while_trying(&format!("cannot rename container {from} to {to}"), error))
}

pub(crate) async fn pause(api: &Api, name: &ContainerName) -> Result<()> {
    let paused = api.unit(Call::post(at(name, "/pause"))).await;
    paused.or_else(unless(ErrorKind::Conflict, "is already paused")).map_err(trying("pause", name))
}

pub(crate) async fn unpause(api: &Api, name: &ContainerName) -> Result<()> {
    let thawed = api.unit(Call::post(at(name, "/unpause"))).await;
    thawed
        .or_else(|error| if error.message.contains("is not paused") { Ok(()) } else { Err(error) })
        .map_err(trying("unpause", name))
}

/// Waits for a condition of the API: `not-running`, `removed`.
pub(crate) async fn wait(api: &Api, name: &ContainerName, condition: &str) -> Result<i64> {
    let call = Call::post(at(name, "/wait")).query("condition", condition).patient();
    let ended: ContainerWaitResponse = api.json(call).await.map_err(trying("wait for", name))?;
    match ended.error.and_then(|error| error.message).filter(|message| !message.is_empty()) {
        Some(message) => Err(trying("wait for", name)(EngineError::new(ErrorKind::Other, message))),
        None => Ok(ended.status_code),
    }
}

pub(crate) async fn inspect(api: &Api, name: &ContainerName) -> Result<ContainerInspectResponse> {
    api.json(Call::get(at(name, "/json"))).await
}

pub(crate) async fn remove(api: &Api, name: &ContainerName, volumes: bool) -> Result<()> {
    let carried = if volumes { carried_volumes(api, name).await? } else { Vec::new() };
    let call = Call::delete(at(name, "")).query("force", "1").query("v", if volumes { "1" } else { "0" }).patient();
    match api.unit(call).await {
        Err(error) if error.is_not_found() => {}
        Err(error) if error.message.contains("is already in progress") => await_removal(api, name).await?,
        Err(error) => return Err(trying("remove", name)(error)),
        Ok(()) => {}
    }
    for volume in carried {
        let gone = api.unit(Call::delete(path("volumes", &volume, ""))).await;
        // Another container may have taken it over: then it is not this one's to remove.
        gone.or_else(|error| match error.kind {
            ErrorKind::NotFound | ErrorKind::Conflict => Ok(()),
            _ => Err(while_trying(&format!("cannot remove the anonymous volume {volume} of container {name}"), error)),
        })?;
    }
    Ok(())
}

async fn await_removal(api: &Api, name: &ContainerName) -> Result<()> {
    match wait(api, name, "removed").await {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Finds the anonymous volumes that the container took over from one before it. The engine takes them for named ones, since
/// they were named at create, and leaves them.
async fn carried_volumes(api: &Api, name: &ContainerName) -> Result<Vec<String>> {
    let found = match inspect(api, name).await {
        Ok(found) => found,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(trying("remove", name)(error)),
    };
    let mounts = found.mounts.into_iter().flatten();
    let volumes = mounts.filter(|mount| mount.typ.as_deref() == Some("volume")).filter_map(|mount| mount.name);
    Ok(volumes.filter(|name| is_anonymous(name)).collect())
}

/// Tells whether a volume's name is one that the engine made up: 64 hex digits.
pub(crate) fn is_anonymous(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grace_is_never_shortened() {
        assert_eq!(seconds(Duration::ZERO), 0);
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_secs(90)), 90);
    }

    #[test]
    fn made_up_volume_names_are_known() {
        assert!(is_anonymous(&"0a".repeat(32)));
        assert!(!is_anonymous(&"0A".repeat(32)) && !is_anonymous("data") && !is_anonymous(&"a".repeat(63)));
    }
}

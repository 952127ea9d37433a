//! What happens on the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use bollard::models::{EventMessage, EventMessageTypeEnum, NetworkInspect, Volume, VolumeListResponse};
use futures::TryStreamExt;
use futures::stream::BoxStream;
use rcompose_engine_adapter::{
    ContainerName, EngineEvent, EventAction, EventSubject, HealthStatus, NetworkName, Projects, Result, Scope, Span, VolumeName, labels,
};

use crate::docker::Docker;
use crate::error::while_trying;
use crate::produce::produce;
use crate::transport::{Api, Call, path};

/// Attributes of an event that are not labels. Source: Docker API, "Monitor events".
const OWN_ATTRIBUTES: [&str; 9] = ["name", "image", "exitCode", "signal", "oldName", "execID", "execDuration", "container", "type"];

pub(crate) fn events(docker: &Docker, scope: &Scope, span: Span) -> BoxStream<'static, Result<EngineEvent>> {
    let (api, scope) = (docker.api.clone(), scope.clone());
    // From the time of this call, although the request goes out when the stream is first polled.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = |(seconds, nanoseconds): (i64, u32)| format!("{seconds}.{nanoseconds:09}");
    let since = span.since.map_or_else(|| format!("{}.{:09}", now.as_secs(), now.subsec_nanos()), time);
    produce(move |mut out| async move {
        let filters = BTreeMap::from([("type", ["container", "network", "volume"])]);
        let mut call = Call::get("/events").query("since", &since).query_json("filters", &filters).patient();
        if let Some(until) = span.until {
            call = call.query("until", &time(until));
        }
        let mut messages = api.values::<EventMessage>(call);
        let mut members = Members::list(&api, &scope).await?;
        while let Some(message) = messages.try_next().await.map_err(|error| while_trying("cannot follow events", error))? {
            if let Some(event) = event(message)
                && members.contain(&api, &scope, &event).await?
            {
                out.send(event).await;
            }
        }
        Ok(())
    })
}

/// Networks and volumes of a scope: their events carry no labels, so who belongs is kept here.
#[derive(Debug, Default)]
struct Members {
    networks: BTreeMap<NetworkName, BTreeMap<String, String>>,
    volumes: BTreeSet<VolumeName>,
}

impl Members {
    async fn list(api: &Api, scope: &Scope) -> Result<Self> {
        let label = match &scope.projects {
            Projects::None => return Ok(Self::default()),
            Projects::One(name) => format!("{}={name}", labels::PROJECT),
            Projects::All => labels::PROJECT.to_owned(),
        };
        let filters = BTreeMap::from([("label", [label])]);
        let networks: Vec<NetworkInspect> = api.json(Call::get("/networks").query_json("filters", &filters)).await?;
        let volumes: VolumeListResponse = api.json(Call::get("/volumes").query_json("filters", &filters)).await?;
        let network = |found: NetworkInspect| Some((NetworkName::new(found.name?), found.labels.unwrap_or_default().into_iter().collect()));
        Ok(Self {
            networks: networks.into_iter().filter_map(network).collect(),
            volumes: volumes.volumes.unwrap_or_default().into_iter().map(|volume| VolumeName::new(volume.name)).collect(),
        })
    }

    async fn contain(&mut self, api: &Api, scope: &Scope, event: &EngineEvent) -> Result<bool> {
        match &event.subject {
            EventSubject::Container(name) => Ok(scope.containers.contains(name) || is_member(scope, &event.labels)),
            EventSubject::Network(name) => {
                if event.action == EventAction::Created {
                    let found = api.json::<NetworkInspect>(Call::get(path("networks", name.as_str(), ""))).await;
                    let found = found.ok().and_then(|network| network.labels).unwrap_or_default().into_iter().collect();
                    if is_member(scope, &found) {
                        self.networks.insert(name.clone(), found);
                    }
                }
                Ok(scope.networks.contains(name) || self.networks.contains_key(name))
            }
            EventSubject::Volume(name) => {
                if event.action == EventAction::Created {
                    let found = api.json::<Volume>(Call::get(path("volumes", name.as_str(), ""))).await;
                    let found = found.map(|volume| volume.labels).unwrap_or_default().into_iter().collect();
                    if is_member(scope, &found) {
                        self.volumes.insert(name.clone());
                    }
                }
                Ok(scope.volumes.contains(name) || self.volumes.contains(name))
            }
        }
    }
}

fn is_member(scope: &Scope, found: &BTreeMap<String, String>) -> bool {
    match &scope.projects {
        Projects::None => false,
        Projects::One(project) => found.get(labels::PROJECT) == Some(project),
        Projects::All => found.contains_key(labels::PROJECT),
    }
}

/// Reads a message; `None` is one about nothing that the seam knows.
fn event(message: EventMessage) -> Option<EngineEvent> {
    let actor = message.actor.unwrap_or_default();
    let attributes = actor.attributes.unwrap_or_default();
    let name = attributes.get("name").cloned();
    let subject = match message.typ? {
        EventMessageTypeEnum::CONTAINER => EventSubject::Container(ContainerName::new(name?)),
        EventMessageTypeEnum::NETWORK => EventSubject::Network(NetworkName::new(name?)),
        EventMessageTypeEnum::VOLUME => EventSubject::Volume(VolumeName::new(actor.id.clone()?)),
        _ => return None,
    };
    let code = attributes.get("exitCode").and_then(|code| code.parse().ok()).unwrap_or_default();
    let (details, labels) = attributes.into_iter().partition(|(key, _)| OWN_ATTRIBUTES.contains(&key.as_str()));
    Some(EngineEvent {
        subject,
        action: action(&message.action?, code),
        id: actor.id.unwrap_or_default(),
        labels,
        details,
        time: message.time_nano.unwrap_or_else(|| message.time.unwrap_or_default().saturating_mul(1_000_000_000)),
    })
}

fn action(word: &str, code: i64) -> EventAction {
    match word {
        "create" => EventAction::Created,
        "start" => EventAction::Started,
        "die" => EventAction::Died { code },
        "stop" => EventAction::Stopped,
        "kill" => EventAction::Killed,
        "destroy" | "remove" => EventAction::Removed,
        "rename" => EventAction::Renamed,
        "pause" => EventAction::Paused,
        "unpause" => EventAction::Unpaused,
        "oom" => EventAction::OutOfMemory,
        "health_status: starting" => EventAction::Health(HealthStatus::Starting),
        "health_status: healthy" => EventAction::Health(HealthStatus::Healthy),
        "health_status: unhealthy" => EventAction::Health(HealthStatus::Unhealthy),
        other => EventAction::Other(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read() {
        let message = serde_json::json!({
            "Type": "container", "Action": "die", "timeNano": 5, "scope": "local",
            "Actor": { "ID": "1", "Attributes": { "name": "p-web-1", "exitCode": "137", "image": "x", "com.docker.compose.project": "p" } }
        });
        let event = event(serde_json::from_value(message).expect("a message")).expect("an event");
        assert_eq!(event.subject, EventSubject::Container("p-web-1".into()));
        assert_eq!(event.action, EventAction::Died { code: 137 });
        assert_eq!((event.id.as_str(), event.details["image"].as_str(), event.details["exitCode"].as_str()), ("1", "x", "137"));
        assert_eq!(event.labels, BTreeMap::from([("com.docker.compose.project".to_owned(), "p".to_owned())]));
        assert!(is_member(&Scope::project("p"), &event.labels) && !is_member(&Scope::project("q"), &event.labels));
    }
}

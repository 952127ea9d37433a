//! `events`.

use std::collections::BTreeMap;

use futures::StreamExt;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rcompose_engine_adapter::{EngineEvent, EventSubject, ObservedContainer, Projects, Scope, Span, labels};
use serde_json::json;

use crate::args::EventsArgs;
use crate::failure::Failure;
use crate::logs::point_in_time;
use crate::output;
use crate::session::{Session, known_services};
use crate::template::go_json;

/// Labels that start so are docker compose's own, and shown by no event.
const OWN: &str = "com.docker.compose.";

/// Runs `events`.
pub(crate) async fn run(session: &Session, args: &EventsArgs) -> Result<u8, Failure> {
    let span = span(args, Timestamp::now())?;
    let named = session.named()?;
    let live = session.engine(Some(named.name())).await?;
    let scope = Scope { projects: Projects::One(named.name().to_owned()), ..Scope::default() };
    let mut events = live.engines.engine.events_within(&scope, span);
    if !args.services.is_empty() {
        let observed = live.observe(&scope).await?;
        known_services(&named, &args.services, observed.containers.values().filter_map(ObservedContainer::service))?;
    }
    while let Some(event) = events.next().await {
        let event = event?;
        if is_wanted(&event, &args.services) {
            output::out(&written(&event, args.json, &TimeZone::system()))?;
        }
    }
    Ok(0)
}

/// Reads the points in time. With an end only, all that the engine still knows is meant, as docker compose has it.
fn span(args: &EventsArgs, now: Timestamp) -> Result<Span, Failure> {
    let point = |flag: &str, text: &Option<String>| text.as_ref().map(|text| point_in_time(flag, text, now)).transpose();
    let until = point("--until", &args.until)?;
    let since = point("--since", &args.since)?.or_else(|| until.map(|_| (0, 0)));
    if let (Some(since), Some(until)) = (since, until)
        && until < since
    {
        return Err(Failure::usage("--until is earlier than --since", "let --until be the later one"));
    }
    Ok(Span { since, until })
}

/// Tells whether an event is of a container of these services, or of any; those of `run` are not shown.
fn is_wanted(event: &EngineEvent, services: &[String]) -> bool {
    let oneoff = event.labels.get(labels::ONEOFF).is_some_and(|it| it.eq_ignore_ascii_case("true"));
    let service = event.labels.get(labels::SERVICE);
    matches!(event.subject, EventSubject::Container(_))
        && !oneoff
        && (services.is_empty() || service.is_some_and(|service| services.contains(service)))
}

/// Writes an event as docker compose does: an object, or a line with an empty one behind it.
fn written(event: &EngineEvent, as_json: bool, zone: &TimeZone) -> String {
    let own = event.labels.iter().filter(|(key, _)| !key.starts_with(OWN));
    let attributes: BTreeMap<&str, &str> = own.chain(&event.details).map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let time = Timestamp::from_nanosecond(i128::from(event.time)).unwrap_or_default().to_zoned(zone.clone());
    let action = event.action.word();
    if as_json {
        // Go writes UTC as `Z`, and a fraction without zeros at its end.
        let offset = if time.offset().is_zero() {
            "Z".to_owned()
        } else {
            time.strftime("%:z").to_string()
        };
        let object = json!({
            "action": action,
            "attributes": attributes,
            "id": event.id,
            "service": event.labels.get(labels::SERVICE).map_or("", String::as_str),
            "time": format!("{}{offset}", time.strftime("%Y-%m-%dT%H:%M:%S%.f")),
            "type": "container",
        });
        return format!("{}\n", go_json(&object));
    }
    let pairs: Vec<String> = attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{} container {action} {} ({})\n\n", time.strftime("%Y-%m-%d %H:%M:%S%.6f"), event.id, pairs.join(", "))
}

#[cfg(test)]
mod tests {
    use rcompose_engine_adapter::EventAction;

    use super::*;

    fn event(time: i64) -> EngineEvent {
        let pairs = |all: &[(&str, &str)]| all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        EngineEvent {
            subject: EventSubject::Container("shop-web-1".into()),
            action: EventAction::Died { code: 137 },
            id: "abc".into(),
            labels: pairs(&[(labels::SERVICE, "web"), (labels::PROJECT, "shop"), ("tier", "a&b")]),
            details: pairs(&[("name", "shop-web-1"), ("image", "web:1"), ("exitCode", "137")]),
            time,
        }
    }

    #[test]
    fn an_event_is_written_as_docker_compose_does() {
        let berlin = TimeZone::fixed(jiff::tz::offset(1));
        let time = 1_767_323_045_120_000_000;
        assert_eq!(
            written(&event(time), false, &TimeZone::UTC),
            "2026-01-02 03:04:05.120000 container die abc (exitCode=137, image=web:1, name=shop-web-1, tier=a&b)\n\n"
        );
        let attributes = r#""attributes":{"exitCode":"137","image":"web:1","name":"shop-web-1","tier":"a\u0026b"}"#;
        let rest =
            |time: &str| format!(r#"{{"action":"die",{attributes},"id":"abc","service":"web","time":"{time}","type":"container"}}"#) + "\n";
        assert_eq!(written(&event(time), true, &TimeZone::UTC), rest("2026-01-02T03:04:05.12Z"));
        assert_eq!(written(&event(1_767_323_045_000_000_000), true, &berlin), rest("2026-01-02T04:04:05+01:00"));
    }

    #[test]
    fn only_containers_of_the_services_count() {
        let all = [String::from("web")];
        assert!(is_wanted(&event(1), &[]) && is_wanted(&event(1), &all) && !is_wanted(&event(1), &["db".into()]));
        let mut oneoff = event(1);
        oneoff.labels.insert(labels::ONEOFF.into(), "True".into());
        assert!(!is_wanted(&oneoff, &all));
        let network = EngineEvent { subject: EventSubject::Network("shop_default".into()), ..event(1) };
        assert!(!is_wanted(&network, &[]));
    }

    #[test]
    fn an_end_alone_asks_for_all_that_was() {
        let now = Timestamp::from_second(1000).unwrap();
        let read = |since: Option<&str>, until: Option<&str>| {
            let args = EventsArgs { since: since.map(str::to_owned), until: until.map(str::to_owned), ..EventsArgs::default() };
            span(&args, now)
        };
        assert_eq!(read(None, None).unwrap(), Span::default());
        assert_eq!(read(None, Some("10s")).unwrap(), Span { since: Some((0, 0)), until: Some((990, 0)) });
        assert_eq!(read(Some("1m"), None).unwrap(), Span { since: Some((940, 0)), until: None });
        assert!(read(Some("10s"), Some("1m")).is_err() && read(Some("soon"), None).is_err());
    }
}

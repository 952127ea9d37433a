//! A plan that was not done to its end: what failed, what was left out, what stays.

use rcompose_engine_adapter::ErrorKind;
use rcompose_executor::SkipCause;
use rcompose_planner::{Action, Step};

use super::{Entry, engine, place};
use crate::failure::RunFailure;
use crate::style::{Paint, Tone};

/// One message for each step that failed.
pub(crate) fn entries(failure: &RunFailure) -> Vec<Entry> {
    failure
        .errors()
        .map(|(step, error)| {
            let subject = step.action.subject();
            let named = format!("{} {}", subject.kind.to_lowercase(), subject.name);
            let mut entry = engine::entry(error, (!error.message.contains(&subject.name)).then_some(named.as_str()));
            entry.place = service_of(&step.action).and_then(|service| place(&failure.origins, &path_of(&step.action, service), ""));
            if let Action::PullImage(spec) = &step.action {
                entry.place = image_place(failure, spec.image.as_str());
                let hint = "check the image's name and tag, and that its registry can be reached; a private one needs `docker login`";
                entry.hint.get_or_insert_with(|| hint.to_owned());
            }
            match error.kind {
                ErrorKind::PortTaken { port } => {
                    entry.place = port_place(failure, step, port).or(entry.place);
                    engine::add_holder(entry, &named, port, &failure.holders)
                }
                ErrorKind::NotFound
                | ErrorKind::Conflict
                | ErrorKind::Denied
                | ErrorKind::Unsupported
                | ErrorKind::Unreachable
                | ErrorKind::ImageMissing
                | ErrorKind::Invalid
                | ErrorKind::Other => entry,
            }
        })
        .collect()
}

/// The last line: how far it got, and that running again goes on from there.
pub(crate) fn summary(failure: &RunFailure, paint: Paint) -> String {
    let outcome = &failure.outcome;
    let dropped = outcome.skipped.iter().filter(|(_, cause)| *cause == SkipCause::Dropped).count();
    let mut parts = vec![format!("{} of {} steps done", outcome.done.len(), failure.plan.steps.len())];
    if !outcome.failed.is_empty() {
        parts.push(format!("{} failed", outcome.failed.len()));
    }
    if outcome.skipped.len() > dropped {
        parts.push(format!("{} not started", outcome.skipped.len() - dropped));
    }
    if dropped > 0 {
        parts.push(format!("{dropped} interrupted"));
    }
    let head = if outcome.cancelled { "stopped on request" } else { "not everything was done" };
    let text = format!("{head}: {}; what is done stays, running it again goes on from there", parts.join(", "));
    format!("{}\n", paint.paint(Tone::Dim, &text))
}

/// The service whose lines in the file a step comes from, where the action knows it.
fn service_of(action: &Action) -> Option<&str> {
    if let Action::BuildImage(spec) = action {
        return Some(&spec.name);
    }
    let Action::CreateContainer(spec) = action else { return None };
    spec.labels.get(rcompose_engine_adapter::labels::SERVICE).map(String::as_str)
}

fn path_of(action: &Action, service: &str) -> String {
    let part = if matches!(action, Action::BuildImage(_)) { ".build" } else { "" };
    format!("services.{service}{part}")
}

/// The line that names an image, where it stands there as it is.
fn image_place(failure: &RunFailure, image: &str) -> Option<super::Place> {
    let written = |span: &rcompose_spec::Span| span.text().contains(image);
    let found = failure
        .origins
        .below("services")
        .into_iter()
        .find(|(path, span)| path.ends_with(".image") && written(span));
    found.map(|(_, span)| super::Place { span, label: String::new() })
}

/// The line that publishes the port, in the service whose container could not start.
fn port_place(failure: &RunFailure, step: &Step, port: u16) -> Option<super::Place> {
    let name = step.action.subject().name;
    let service = service_of_container(failure, &name)?;
    let ports = format!("services.{service}.ports");
    let wanted = port.to_string();
    let span = failure
        .origins
        .below(&ports)
        .into_iter()
        .filter(|(path, _)| path.len() > ports.len())
        .find(|(_, span)| span.text().contains(&wanted))
        .map(|(_, span)| span)
        .or_else(|| failure.origins.get(&ports).cloned())?;
    Some(super::Place { span, label: String::from("published here") })
}

/// The service of a container: from the plan that makes it, else from its name `project-service-number`.
fn service_of_container(failure: &RunFailure, name: &str) -> Option<String> {
    let made = |step: &&Step| matches!(step.action, Action::CreateContainer(_)) && step.action.subject().name == name;
    if let Some(service) = failure.plan.steps.iter().find(made).and_then(|step| service_of(&step.action)) {
        return Some(service.to_owned());
    }
    let rest = name.strip_prefix(&failure.plan.project)?.strip_prefix(['-', '_'])?;
    let (service, _) = rest.rsplit_once(['-', '_'])?;
    Some(service.to_owned())
}

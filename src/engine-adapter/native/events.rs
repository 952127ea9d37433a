//! What happens, as events: the shims' and our own lie in one file for each project.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::stream::BoxStream;
use rcompose_engine_adapter::{ContainerName, EngineEvent, EventAction, EventSubject, Projects, Result, Scope, Span, labels};
use rcompose_supervise::{Event, Events, What};

use crate::clock;
use crate::document::Container;
use crate::engine::Native;
use crate::error;
use crate::file;
use crate::observe::in_scope;
use crate::stand;
use crate::thread::{self, Out};

/// How long nothing may come before it is looked whether somebody listens, and whether there is another project.
const LOOK: Duration = Duration::from_millis(200);
/// What is told of a container is of this kind.
const CONTAINER: &str = "container";

impl Native {
    /// Tells of something done to a container, a network or a volume. That it cannot be told is no reason to undo it.
    pub(crate) fn tell(&self, kind: &str, id: &str, name: &str, action: &str, all: &BTreeMap<String, String>) {
        let project = self.places.project(all.get(labels::PROJECT).map(String::as_str));
        let what = What::Told { kind: kind.into(), name: name.into(), action: action.into(), labels: all.clone() };
        let client = rcompose_supervise::Client::new(project, self.program.clone());
        let _untold = client.tell(&Event { at: clock::now(), container: id.to_owned(), what });
    }

    /// As [`Self::tell`], of a container.
    pub(crate) fn tell_of(&self, container: &Container, action: &str) {
        self.tell(CONTAINER, &container.id, container.name.as_str(), action, &container.labels);
    }
}

/// Follows what happens to objects in scope. What is known of before now is what stands in the files of projects that are there.
pub(crate) fn events(native: &Native, scope: &Scope, span: Span) -> BoxStream<'static, Result<EngineEvent>> {
    let (native, scope) = (native.clone(), scope.clone());
    let mut follower = Follower { native, scope, span, known: BTreeMap::new(), files: BTreeMap::new() };
    // Opened before this returns: what happens from here on is not missed.
    let opened = follower.open(span.since.is_some());
    thread::stream(move |out| {
        opened?;
        follower.follow(out)
    })
}

/// What events say of a container beside what happened.
struct Known {
    name: ContainerName,
    image: Option<String>,
    labels: BTreeMap<String, String>,
}

impl From<Container> for Known {
    fn from(container: Container) -> Self {
        Self { name: container.name, image: Some(container.spec.image.to_string()), labels: container.labels }
    }
}

struct Follower {
    native: Native,
    scope: Scope,
    span: Span,
    /// Containers by id, as they were when they were last seen: an event may be the last that is left of one.
    known: BTreeMap<String, Known>,
    files: BTreeMap<String, Events>,
}

impl Follower {
    fn follow(&mut self, out: &Out<EngineEvent>) -> Result<()> {
        while !out.is_closed() {
            // Looked at first: what came until then is still told.
            let left = self.span.until.map(|until| Duration::from_nanos(nanoseconds(until).saturating_sub(clock::now())));
            let mut waited = false;
            let folders: Vec<String> = self.files.keys().cloned().collect();
            for folder in &folders {
                // With one project it is waited for it, with several it is gone round.
                let limit = if folders.len() == 1 {
                    LOOK
                } else {
                    LOOK / u32::try_from(folders.len() * 2).unwrap_or(u32::MAX)
                };
                while let Some(event) = self.next(folder, left.map_or(limit, |it| it.min(limit)))? {
                    if let Some(event) = self.read(event)
                        && !out.send(event)
                    {
                        return Ok(());
                    }
                }
                waited = true;
            }
            if left.is_some_and(|it| it.is_zero()) {
                return Ok(());
            }
            if !waited {
                std::thread::sleep(left.map_or(LOOK, |it| it.min(LOOK)));
            }
            self.open(true)?;
        }
        Ok(())
    }

    fn next(&mut self, folder: &str, limit: Duration) -> Result<Option<Event>> {
        let Some(events) = self.files.get_mut(folder) else {
            return Ok(None);
        };
        events.next_event(Some(limit)).map_err(error::supervise("read the events"))
    }

    /// Opens the files of the projects in scope; one that came later is read from its start.
    fn open(&mut self, later: bool) -> Result<()> {
        let places = &self.native.places;
        let folders = match &self.scope.projects {
            Projects::One(project) => vec![project.clone()],
            Projects::All | Projects::None => file::names(&places.projects())?,
        };
        let mut opened = false;
        for folder in folders {
            if !self.files.contains_key(&folder) {
                let project = rcompose_supervise::Project::new(places.project(Some(&folder)).folder().to_owned());
                let client = rcompose_supervise::Client::new(project, self.native.program.clone());
                let events = client.events(later).map_err(error::supervise("follow the events"))?;
                self.files.insert(folder, events);
                opened = true;
            }
        }
        if opened {
            self.known.extend(places.all()?.into_iter().map(|it| (it.id.clone(), it.into())));
        }
        Ok(())
    }

    /// Reads an event; nothing where it is out of scope.
    fn read(&mut self, event: Event) -> Option<EngineEvent> {
        let time = i64::try_from(event.at).unwrap_or(i64::MAX);
        let mut details = details(&event.what);
        if let Ok(Some(now)) = self.native.places.read(&event.container) {
            self.known.insert(event.container.clone(), now.into());
        }
        let (subject, action, labels) = if let What::Told { kind, name, action, labels } = event.what {
            let subject = match kind.as_str() {
                "network" => EventSubject::Network(name.into()),
                "volume" => EventSubject::Volume(name.into()),
                _ => {
                    let name = ContainerName::from(name);
                    // One that is gone by now: what follows of it in the file has no name.
                    let unseen = || Known { name: name.clone(), image: None, labels: labels.clone() };
                    self.known.entry(event.container.clone()).or_insert_with(unseen);
                    EventSubject::Container(name)
                }
            };
            let action = match action.as_str() {
                "create" => EventAction::Created,
                "destroy" => EventAction::Removed,
                "rename" => EventAction::Renamed,
                _ => EventAction::Other(action),
            };
            (subject, action, labels)
        } else {
            let known = self.known.get(&event.container)?;
            (EventSubject::Container(known.name.clone()), action(event.what), known.labels.clone())
        };
        if let EventSubject::Container(name) = &subject {
            let image = self.known.get(&event.container).and_then(|it| it.image.clone());
            details.extend(image.map(|it| ("image".to_owned(), it)));
            details.insert("name".to_owned(), name.to_string());
        }
        self.wanted(EngineEvent { subject, action, id: event.container, labels, details, time })
    }

    fn wanted(&self, event: EngineEvent) -> Option<EngineEvent> {
        let time = u64::try_from(event.time).unwrap_or(0);
        if self.span.since.is_some_and(|it| time < nanoseconds(it)) || self.span.until.is_some_and(|it| time > nanoseconds(it)) {
            return None;
        }
        let named = match &event.subject {
            EventSubject::Container(name) => self.scope.containers.contains(name),
            EventSubject::Network(name) => self.scope.networks.contains(name),
            EventSubject::Volume(name) => self.scope.volumes.contains(name),
        };
        (named || in_scope(&self.scope.projects, &event.labels)).then_some(event)
    }
}

/// What the Docker API says beside the words of an action.
fn details(what: &What) -> BTreeMap<String, String> {
    let detail = match what {
        What::Die { exit, .. } => ("exitCode", stand::exit_code(exit).to_string()),
        What::Kill { signal } => ("signal", signal.to_string()),
        What::ExecDie { exit, .. } => ("exitCode", stand::exit_code(exit).to_string()),
        _ => return BTreeMap::new(),
    };
    BTreeMap::from([(detail.0.to_owned(), detail.1)])
}

/// A point in time as a clock counts it; before 1970 there is none.
fn nanoseconds((seconds, nanoseconds): (i64, u32)) -> u64 {
    u64::try_from(seconds).map_or(0, |it| it.saturating_mul(1_000_000_000).saturating_add(u64::from(nanoseconds)))
}

fn action(what: What) -> EventAction {
    match what {
        What::Start { .. } => EventAction::Started,
        What::Die { exit, .. } => EventAction::Died { code: stand::exit_code(&exit) },
        What::Restart { .. } => EventAction::Other("restart".into()),
        What::Stop => EventAction::Stopped,
        What::Kill { .. } => EventAction::Killed,
        What::Oom => EventAction::OutOfMemory,
        What::Pause => EventAction::Paused,
        What::Unpause => EventAction::Unpaused,
        What::Update => EventAction::Other("update".into()),
        What::HealthStatus { status } => EventAction::Health(status),
        What::ExecStart { args, .. } => EventAction::Other(format!("exec_start: {}", args.join(" "))),
        What::ExecDie { .. } => EventAction::Other("exec_die".into()),
        What::Told { action, .. } => EventAction::Other(action),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_nobody_saw_is_no_success() {
        let unknown = What::Die { exit: rcompose_supervise::Exit::Unknown, oom: false };
        assert_eq!(action(unknown), EventAction::Died { code: 255 });
    }
}

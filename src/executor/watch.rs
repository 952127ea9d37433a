//! One subscription to the engine's events for all steps that wait.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use futures::stream::BoxStream;
use rcompose_engine_adapter::{ContainerName, Engine, EngineEvent, EventSubject, Projects, Result, Scope};
use rcompose_planner::{Action, Plan};
use tokio::sync::Notify;

/// A bell for each step that waits, by container.
///
/// Events only make a step look sooner: what it concludes comes from `observe`, and it looks now and then without any event,
/// so that a lost event or an engine without events costs time and nothing else.
#[derive(Debug, Default)]
pub(crate) struct Bells(Mutex<HashMap<ContainerName, Vec<Arc<Notify>>>>);

impl Bells {
    /// Hangs up a bell for one step that waits for this container; it is taken down when the step lets go of it.
    pub(crate) fn hang(&self, name: &ContainerName) -> Arc<Notify> {
        let bell = Arc::new(Notify::new());
        self.lock().entry(name.clone()).or_default().push(Arc::clone(&bell));
        bell
    }

    fn ring(&self, name: &ContainerName) {
        if let Some(waiting) = self.lock().get_mut(name) {
            // A step that ended has dropped its own handle.
            waiting.retain(|bell| Arc::strong_count(bell) > 1);
            // One step listens to each bell, and a bell rung before it listens is kept for it.
            waiting.iter().for_each(|bell| bell.notify_one());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ContainerName, Vec<Arc<Notify>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the container whose events a step wants to hear of.
pub(crate) fn waited_for(action: &Action) -> Option<&ContainerName> {
    match action {
        Action::Await { name, .. } | Action::RunJob { name } => Some(name),
        _ => None,
    }
}

/// The subscription.
pub(crate) struct Watch {
    scope: Scope,
    stream: Option<BoxStream<'static, Result<EngineEvent>>>,
    opened: bool,
}

impl Watch {
    /// Prepares to watch what the plan waits for.
    pub(crate) fn new(plan: &Plan) -> Self {
        let containers: BTreeSet<ContainerName> = plan.steps.iter().filter_map(|step| waited_for(&step.action).cloned()).collect();
        let projects = if plan.project.is_empty() {
            Projects::None
        } else {
            Projects::One(plan.project.clone())
        };
        Self { scope: Scope { projects, containers, ..Scope::default() }, stream: None, opened: false }
    }

    /// Subscribes, the first time; a subscription that ended is not renewed.
    pub(crate) fn open(&mut self, engine: &dyn Engine) {
        if !self.opened {
            self.opened = true;
            self.stream = Some(engine.events(&self.scope));
        }
    }

    /// Rings for the next event; for ever without events. Safe to drop.
    pub(crate) async fn ring_next(&mut self, bells: &Bells) {
        let Some(stream) = &mut self.stream else {
            return std::future::pending().await;
        };
        match stream.next().await {
            Some(Ok(EngineEvent { subject: EventSubject::Container(name), .. })) => bells.ring(&name),
            Some(Ok(EngineEvent { subject: EventSubject::Network(_) | EventSubject::Volume(_), .. })) => {}
            Some(Err(error)) => {
                tracing::debug!(%error, "no more events, waits look on their own");
                self.stream = None;
            }
            None => self.stream = None,
        }
    }
}

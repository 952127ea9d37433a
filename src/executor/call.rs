//! From an action to its engine call.

use std::sync::atomic::AtomicUsize;

use futures::StreamExt;
use futures::stream::BoxStream;
use rcompose_engine_adapter::{EngineError, ErrorKind, ImageProgress, Result};
use rcompose_planner::{Action, Step};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::event::Emitter;
use crate::wait::Wait;
use crate::watch::Bells;
use crate::{Engines, EventKind, Progress, hook, job};

/// What all steps of a run share.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) engines: &'a Engines,
    pub(crate) emitter: &'a Emitter,
    /// Permits of the looks that waiting steps take.
    pub(crate) looks: Semaphore,
    /// Rung when something happens to a container that is waited for.
    pub(crate) bells: Bells,
    /// How many steps wait.
    pub(crate) waits: AtomicUsize,
}

/// Makes the call of a step; the permit is held around it. A step that waits has none.
pub(crate) async fn call(step: &Step, context: &Context<'_>, permit: Option<OwnedSemaphorePermit>) -> Result<()> {
    let engine = &context.engines.engine;
    let images = &context.engines.images;
    match &step.action {
        Action::PullImage(spec) => follow(step, context, images.pull(spec)).await,
        Action::BuildImage(spec) => follow(step, context, images.build(spec)).await,
        Action::RemoveImage { image } => images.remove_image(image).await,
        Action::CreateNetwork(spec) => engine.create_network(spec).await,
        Action::RemoveNetwork { name } => engine.remove_network(name).await,
        Action::Connect { container, attachment } => engine.connect(container, attachment).await,
        Action::Disconnect { container, network } => engine.disconnect(container, network).await,
        Action::CreateVolume(spec) => engine.create_volume(spec).await,
        Action::RemoveVolume { name } => engine.remove_volume(name).await,
        Action::CreateContainer(spec) => engine.create_container(spec).await,
        Action::StartContainer { name } => engine.start_container(name).await,
        Action::StopContainer { name, stop } => engine.stop_container(name, stop).await,
        Action::KillContainer { name, signal } => engine.kill_container(name, signal).await,
        Action::RemoveContainer { name, volumes } => engine.remove_container(name, *volumes).await,
        Action::RenameContainer { from, to } => engine.rename_container(from, to).await,
        Action::PauseContainer { name } => engine.pause_container(name).await,
        Action::UnpauseContainer { name } => engine.unpause_container(name).await,
        Action::RunHook { name, exec } => hook::run(step.id, name, exec, context, permit).await,
        Action::RunJob { name } => job::run(step.id, name, context, permit).await,
        Action::Await { name, until, limit } => {
            let bell = context.bells.hang(name);
            Wait { step: step.id, name, until: *until, limit: *limit, bell }.run(context).await
        }
    }
}

/// Tells whether a step only waits, so that it needs no permit and loses nothing when it is given up.
pub(crate) fn is_wait(step: &Step) -> bool {
    matches!(step.action, Action::Await { .. })
}

/// Passes an image's progress on until the engine says that the image is there.
async fn follow(step: &Step, context: &Context<'_>, mut progress: BoxStream<'static, Result<ImageProgress>>) -> Result<()> {
    while let Some(item) = progress.next().await {
        match item? {
            ImageProgress::Done(_) => return Ok(()),
            moved @ (ImageProgress::Layer { .. } | ImageProgress::Status(_) | ImageProgress::Output(_)) => {
                context.emitter.emit(step.id, EventKind::Progress(Progress::Image(moved)));
            }
        }
    }
    Err(unfinished(step))
}

fn unfinished(step: &Step) -> EngineError {
    let subject = step.action.subject();
    EngineError::new(ErrorKind::Other, format!("the engine ended its report on image {} before it was there", subject.name))
}

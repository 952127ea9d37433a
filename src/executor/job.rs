//! Runs a container that does a job, to its end.

use futures::StreamExt;
use rcompose_engine_adapter::{ContainerName, LogOptions, Result};
use rcompose_planner::{Condition, StepId};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::call::Context;
use crate::output::text;
use crate::wait::{LOGS_LIMIT, Wait};
use crate::{EventKind, Progress};

/// Starts the container, passes its output on, and fails when its status is not 0.
///
/// The permit is given back once it runs: a job may wait for what another step does.
pub(crate) async fn run(step: StepId, name: &ContainerName, context: &Context<'_>, permit: Option<OwnedSemaphorePermit>) -> Result<()> {
    let bell = context.bells.hang(name);
    context.engines.engine.start_container(name).await?;
    drop(permit);
    let wait = Wait { step, name, until: Condition::CompletedSuccessfully, limit: None, bell };
    let output = tell(step, name, context);
    futures::pin_mut!(output);
    let ending = wait.run(context);
    futures::pin_mut!(ending);
    tokio::select! {
        result = &mut ending => {
            // What it said last may still be on its way; without it the end is told all the same.
            let _ = timeout(LOGS_LIMIT, output).await;
            result
        }
        () = &mut output => ending.await,
    }
}

/// Passes lines on until the engine has no more of them. An engine that keeps no log of this container has none.
async fn tell(step: StepId, name: &ContainerName, context: &Context<'_>) {
    let mut lines = context.engines.streams.logs(name, &LogOptions { follow: true, ..LogOptions::default() });
    while let Some(Ok(line)) = lines.next().await {
        let output = Progress::Output { stderr: line.stderr, line: text(&line.line) };
        context.emitter.emit(step, EventKind::Progress(output));
    }
}

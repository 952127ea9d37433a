//! Runs a hook in a container and waits for its end.

use std::time::Duration;

use futures::StreamExt;
use rcompose_engine_adapter::{ContainerName, EngineError, ErrorKind, Exec, ExecId, Output, Result, Session};
use rcompose_planner::StepId;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::sleep;

use crate::call::Context;
use crate::output::{Lines, Tail};
use crate::{EventKind, Progress};

/// An engine may tell the status a moment after the output has ended.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The pause doubles up to this one.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Starts the hook, passes its output on, and fails when its status is not 0.
///
/// The permit is given back once the hook runs: a hook may wait for what another step does.
pub(crate) async fn run(
    step: StepId,
    name: &ContainerName,
    exec: &Exec,
    context: &Context<'_>,
    permit: Option<OwnedSemaphorePermit>,
) -> Result<()> {
    let started = context.engines.streams.exec(name, exec).await?;
    drop(permit);
    let mut tail = Tail::default();
    if let Some(session) = started.session {
        follow(step, session, context, &mut tail).await?;
    }
    let status = status(&started.id, context).await?;
    if status == 0 {
        return Ok(());
    }
    let program = exec.command.first().map_or("", String::as_str);
    let error = EngineError::new(ErrorKind::Other, format!("hook `{program}` in container {name} failed with status {status}"));
    Err(match tail.finish() {
        Some(output) => error.caused_by(output),
        None => error,
    })
}

async fn follow(step: StepId, session: Session, context: &Context<'_>, tail: &mut Tail) -> Result<()> {
    let Session { input, mut output } = session;
    // A hook reads nothing: end of file at once.
    drop(input);
    let (mut stdout, mut stderr) = (Lines::default(), Lines::default());
    let mut tell = |stderr: bool, line: String| {
        tail.push(line.clone());
        context.emitter.emit(step, EventKind::Progress(Progress::Output { stderr, line }));
    };
    while let Some(piece) = output.next().await {
        match piece? {
            Output::Stdout(bytes) => stdout.push(&bytes, |line| tell(false, line)),
            Output::Stderr(bytes) => stderr.push(&bytes, |line| tell(true, line)),
        }
    }
    if let Some(line) = stdout.finish() {
        tell(false, line);
    }
    if let Some(line) = stderr.finish() {
        tell(true, line);
    }
    Ok(())
}

async fn status(id: &ExecId, context: &Context<'_>) -> Result<i64> {
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(status) = context.engines.streams.exec_status(id).await? {
            return Ok(status);
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

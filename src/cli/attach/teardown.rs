//! The end of an `up` in the foreground: the stop plan, or the kill plan, of this project only.

use std::time::Duration;

use rcompose_executor::{Cancel, Options};
use rcompose_planner::{self as planner, Kill, Plan, PlanError, Select};
use rcompose_spec::Loaded;
use tokio::sync::mpsc::unbounded_channel;

use crate::args::Progress;
use crate::failure::{Failure, RunFailure};
use crate::holder::Holders;
use crate::render::{Display, Look};
use crate::session::{Live, Session};

/// Stops all containers, dependents first.
pub(crate) async fn stop(session: &Session, live: &Live, loaded: &Loaded, grace: Option<Duration>) -> Result<(), Failure> {
    let lock = session.lock(live, &loaded.project.name).await?;
    let select = Select { services: services(loaded), timeout: grace, ..Select::default() };
    let done = carry_out(session, live, loaded, |observed| {
        planner::stop(&loaded.project.name, Some(&loaded.project), observed, &select)
    })
    .await;
    drop(lock);
    done
}

/// Kills all containers. It waits for no lock: somebody asked twice.
pub(crate) async fn kill(session: &Session, live: &Live, loaded: &Loaded) -> Result<(), Failure> {
    let kill = Kill { services: services(loaded), signal: "SIGKILL".into(), remove_orphans: false };
    carry_out(session, live, loaded, |observed| planner::kill(&loaded.project.name, Some(&loaded.project), observed, &kill)).await
}

fn services(loaded: &Loaded) -> Vec<String> {
    loaded.project.services.keys().cloned().collect()
}

async fn carry_out(
    session: &Session,
    live: &Live,
    loaded: &Loaded,
    plan: impl FnOnce(&rcompose_engine_adapter::Observed) -> Result<Plan, PlanError>,
) -> Result<(), Failure> {
    let observed = live.observe(&planner::scope(&loaded.project, &session.world(loaded, Some(live))?)).await?;
    let plan = plan(&observed).map_err(|error| Failure::plan(error, &loaded.origins))?;
    // Lines, not a tree: output of containers goes on beside it.
    let progress = match session.progress()? {
        Progress::Auto | Progress::Tty | Progress::Plain => Progress::Plain,
        Progress::Json => Progress::Json,
        Progress::Quiet => Progress::Quiet,
    };
    let mut display = Display::new(progress, false, session.verb, Look { paint: session.err, ..Look::default() });
    let (sender, mut events) = unbounded_channel();
    let options = Options { parallel: session.parallel()? };
    let cancel = Cancel::new();
    display.begin(&plan);
    let outcome = {
        let run = rcompose_executor::run(&plan, &live.engines, &options, &cancel, sender);
        tokio::pin!(run);
        loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => display.event(&event),
                outcome = &mut run => break outcome,
            }
        }
    };
    while let Ok(event) = events.try_recv() {
        display.event(&event);
    }
    display.finish(&outcome);
    if outcome.is_success() {
        return Ok(());
    }
    let failure = RunFailure { plan, outcome, holders: Holders::default(), origins: Box::new(loaded.origins.clone()) };
    Err(Failure::Run(Box::new(failure)))
}

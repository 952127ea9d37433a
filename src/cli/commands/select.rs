//! `start`, `stop`, `restart`, `kill`, `pause`, `unpause`: verbs on containers that are there.

use std::time::Duration;

use rcompose_engine_adapter::Observed;
use rcompose_planner::{self as planner, Kill, Plan, PlanError, Select, Wait};
use rcompose_spec::model::Project;

use crate::args::{KillArgs, NamedArgs, RestartArgs, StartArgs, StopArgs, grace};
use crate::failure::Failure;
use crate::rounds::Rounds;
use crate::session::{Live, Named, Session};

/// Runs `start`.
pub(crate) async fn start(session: &Session, args: StartArgs) -> Result<u8, Failure> {
    if args.wait_timeout.is_some() && !args.wait {
        return Err(Failure::usage("--wait-timeout has an effect with --wait only", "add --wait"));
    }
    let limit = args.wait_timeout.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
    let wait = args.wait.then(|| Wait { limit: limit.map(Duration::from_secs) });
    let select = Select { services: args.services, wait, ..Select::default() };
    once(session, |name, project, observed| planner::start(name, project, observed, &select)).await
}

/// Runs `stop`.
pub(crate) async fn stop(session: &Session, args: StopArgs) -> Result<u8, Failure> {
    let select = Select { services: args.services, timeout: grace(args.timeout), ..Select::default() };
    once(session, |name, project, observed| planner::stop(name, project, observed, &select)).await
}

/// Runs `restart`.
pub(crate) async fn restart(session: &Session, args: RestartArgs) -> Result<u8, Failure> {
    let select = Select { services: args.services, no_deps: args.no_deps, timeout: grace(args.timeout), ..Select::default() };
    once(session, |name, project, observed| planner::restart(name, project, observed, &select)).await
}

/// Runs `pause`.
pub(crate) async fn pause(session: &Session, args: NamedArgs) -> Result<u8, Failure> {
    let select = Select { services: args.services, ..Select::default() };
    once(session, |name, project, observed| planner::pause(name, project, observed, &select)).await
}

/// Runs `unpause`.
pub(crate) async fn unpause(session: &Session, args: NamedArgs) -> Result<u8, Failure> {
    let select = Select { services: args.services, ..Select::default() };
    once(session, |name, project, observed| planner::unpause(name, project, observed, &select)).await
}

/// Runs `kill`.
pub(crate) async fn kill(session: &Session, args: KillArgs) -> Result<u8, Failure> {
    let remove_orphans = args.remove_orphans || session.says(None, "COMPOSE_REMOVE_ORPHANS");
    let kill = Kill { services: args.services, signal: args.signal, remove_orphans };
    once(session, |name, project, observed| planner::kill(name, project, observed, &kill)).await
}

/// Locks, looks, plans and does, once.
pub(crate) async fn once(
    session: &Session,
    plan: impl FnOnce(&str, Option<&Project>, &Observed) -> Result<Plan, PlanError>,
) -> Result<u8, Failure> {
    let named = session.named()?;
    let live = session.engine(Some(named.name())).await?;
    carry_out(session, &named, &live, plan).await
}

/// As [`once`], for a project and an engine that are known.
pub(crate) async fn carry_out(
    session: &Session,
    named: &Named,
    live: &Live,
    plan: impl FnOnce(&str, Option<&Project>, &Observed) -> Result<Plan, PlanError>,
) -> Result<u8, Failure> {
    let lock = session.lock(live, named.name()).await?;
    let mut rounds = Rounds::new(session, live, &named.origins(), session.display(false, false)?);
    let observed = observe(session, live, named).await?;
    let plan = plan(named.name(), named.project(), &observed).map_err(|error| Failure::plan(error, &named.origins()))?;
    if session.globals.dry_run {
        rounds.print(&[(session.verb, &plan)])?;
        return Ok(0);
    }
    rounds.execute(&plan).await?;
    drop(lock);
    Ok(0)
}

/// Looks at all of a project.
pub(crate) async fn observe(session: &Session, live: &Live, named: &Named) -> Result<Observed, Failure> {
    let scope = match named {
        Named::Files(loaded) => planner::scope(&loaded.project, &session.world(loaded, Some(live))?),
        Named::Name(name) => rcompose_engine_adapter::Scope::project(name.clone()),
    };
    live.observe(&scope).await
}

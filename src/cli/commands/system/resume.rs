//! `system start` and `stop`: what the unit of a project calls as the machine comes up and goes down.

use std::collections::{BTreeMap, BTreeSet};

use rcompose_engine_adapter::{ContainerName, Observed};
use rcompose_native::{Ahead, Native};
use rcompose_planner::{self as planner, Recreate, Select, Up};

use crate::commands::select::observe;
use crate::failure::Failure;
use crate::rounds::Rounds;
use crate::session::{Chosen, Named, Session, Want, native};
use crate::{output, report};

/// Runs `system start`.
pub(super) async fn start(session: &Session) -> Result<u8, Failure> {
    let named = named(session)?;
    let (chosen, engine) = open(session, named.name()).await?;
    let lock = session.lock(&chosen.live, named.name()).await?;
    let mut rounds = Rounds::new(session, &chosen.live, &named.origins(), session.display(false, false)?);
    let remake = engine.resumption(named.name()).await?.remake;
    if !remake.is_empty() {
        make_anew(session, &chosen, &named, &engine, &remake, &mut rounds).await?;
        if session.globals.dry_run {
            return Ok(0);
        }
    }
    let observed = observe(session, &chosen.live, &named).await?;
    let resumption = engine.resumption(named.name()).await?;
    let whole: BTreeSet<ContainerName> = resumption.start.difference(&resumption.remake).cloned().collect();
    let plan = planner::resume(named.name(), named.project(), &observed, &whole);
    if session.globals.dry_run {
        rounds.print(&[("start", &plan)])?;
        return Ok(0);
    }
    rounds.execute(&plan).await?;
    engine.resumed(named.name()).await?;
    drop(lock);
    Ok(0)
}

/// Runs `system stop`.
pub(super) async fn stop(session: &Session) -> Result<u8, Failure> {
    let named = named(session)?;
    let (chosen, engine) = open(session, named.name()).await?;
    let lock = session.lock(&chosen.live, named.name()).await?;
    let mut rounds = Rounds::new(session, &chosen.live, &named.origins(), session.display(false, false)?);
    let observed = observe(session, &chosen.live, &named).await?;
    // All that are there, those too that no file has any more.
    let services = observed.containers.values().filter_map(|it| it.service().map(str::to_owned));
    let select = Select { services: services.collect::<BTreeSet<_>>().into_iter().collect(), ..Select::default() };
    let plan = planner::stop(named.name(), named.project(), &observed, &select);
    let plan = plan.map_err(|error| Failure::plan(error, &named.origins()))?;
    if session.globals.dry_run {
        rounds.print(&[("stop", &plan)])?;
        return Ok(0);
    }
    engine.suspend(named.name()).await?;
    rounds.execute(&plan).await?;
    drop(lock);
    Ok(0)
}

/// Finds the project. Files that are gone or wrong since are told of, and hold nobody up: containers know what is needed.
fn named(session: &Session) -> Result<Named, Failure> {
    match (session.named(), session.given_name()) {
        (Err(error), Some(name)) => {
            output::err(&report::explain(&error, &session.caller, session.err).text);
            session.say(&format!("project {name}: its files cannot be used, so its containers are taken as they are"));
            Ok(Named::Name(name))
        }
        (named, _) => named,
    }
}

async fn open(session: &Session, project: &str) -> Result<(Chosen, Native), Failure> {
    let chosen = session.choose(Some(project)).await?;
    if chosen.live.engines.engine.name() != "native" {
        return Err(Failure::refused_with(
            format!("project {project} is on docker, which brings containers up with the machine itself"),
            "`rcompose start` and `stop` are for both engines",
        ));
    }
    let engine = native::open(&session.caller, &session.globals.insecure_registry, Ahead::default())?;
    Ok((chosen, engine))
}

/// Makes containers anew whose secrets were in memory, or whose replacement was cut off: only the files know what they are. Whoever is up with them comes up in the same plan, for
/// the order of the graph.
async fn make_anew(
    session: &Session,
    chosen: &Chosen,
    named: &Named,
    engine: &Native,
    remake: &BTreeSet<ContainerName>,
    rounds: &mut Rounds<'_>,
) -> Result<(), Failure> {
    let list = || remake.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let Named::Files(_) = named else {
        session.say(&format!("these have to be made anew, and stay down: {}; `rcompose up` makes them", list()));
        return Ok(());
    };
    let before = observe(session, &chosen.live, named).await?;
    let start = engine.resumption(named.name()).await?.start;
    let scale = replicas(&before, &start);
    let services: Vec<String> = scale.keys().cloned().collect();
    let loaded = session.load(&Want::services(&services, false))?;
    let world = session.world(&loaded, Some(&chosen.live))?;
    let observed = chosen.live.observe(&planner::scope(&loaded.project, &world)).await?;
    let options = Up {
        services,
        recreate: Recreate::Never,
        recreate_dependencies: Recreate::Never,
        no_deps: true,
        ignore_orphans: true,
        scale,
        start: true,
        ..Up::default()
    };
    let plan = planner::up(&loaded.project, &observed, &world, &options).map_err(|error| Failure::plan(error, &loaded.origins))?;
    if session.globals.dry_run {
        return rounds.print(&[("start", &plan)]);
    }
    rounds.execute(&plan).await
}

/// Counts the replicas that services of these containers have, so that none is added. One that is being replaced is there twice.
fn replicas(observed: &Observed, containers: &BTreeSet<ContainerName>) -> BTreeMap<String, u32> {
    let services: BTreeSet<&str> = containers.iter().filter_map(|it| observed.containers.get(it)?.service()).collect();
    let mut numbers: BTreeMap<String, BTreeSet<Option<u32>>> = BTreeMap::new();
    for container in observed.containers.values().filter(|it| it.is_listed() && !it.is_oneoff()) {
        if let Some(service) = container.service().filter(|it| services.contains(it)) {
            numbers.entry(service.to_owned()).or_default().insert(container.number());
        }
    }
    let count = |all: BTreeSet<Option<u32>>| u32::try_from(all.len()).unwrap_or(u32::MAX);
    numbers.into_iter().map(|(service, all)| (service, count(all))).collect()
}

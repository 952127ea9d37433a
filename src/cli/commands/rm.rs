//! `rm`.

use rcompose_planner::{self as planner, Action, Remove};

use super::select::observe;
use crate::args::RmArgs;
use crate::ask;
use crate::failure::Failure;
use crate::render;
use crate::rounds::Rounds;
use crate::session::Session;

/// Runs `rm`: what is removed is named, and asked for unless `-f`.
pub(crate) async fn run(session: &Session, args: RmArgs) -> Result<u8, Failure> {
    let named = session.named()?;
    let live = session.engine(Some(named.name())).await?;
    let lock = session.lock(&live, named.name()).await?;
    let mut rounds = Rounds::new(session, &live, &named.origins(), session.display(false, false)?);
    let observed = observe(session, &live, &named).await?;
    let remove = Remove { services: args.services, stop: args.stop, volumes: args.volumes };
    let plan = planner::rm(named.name(), named.project(), &observed, &remove).map_err(|error| Failure::plan(error, &named.origins()))?;
    if session.globals.dry_run {
        rounds.print(&[(session.verb, &plan)])?;
        return Ok(0);
    }
    let gone = plan
        .steps
        .iter()
        .filter(|step| matches!(step.action, Action::RemoveContainer { .. }))
        .map(|step| step.action.subject().name);
    let gone = render::list(gone);
    if gone.is_empty() {
        rounds.show_notices(&plan);
        session.say("No stopped containers");
        return Ok(0);
    }
    session.say(&format!("Going to remove {gone}"));
    if !args.force && !ask::confirm(session, &mut rounds.interrupts, "Are you sure?").await? {
        if !session.can_ask() {
            session.say("Nothing is removed: nobody can be asked here (-f asks nothing)");
        }
        return Ok(0);
    }
    rounds.execute(&plan).await?;
    drop(lock);
    Ok(0)
}

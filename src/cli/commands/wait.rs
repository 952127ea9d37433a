//! `wait`.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rcompose_engine_adapter::{ObservedContainer, Projects, Scope};
use rcompose_planner::{self as planner, Down};

use super::select::carry_out;
use crate::args::WaitArgs;
use crate::failure::Failure;
use crate::output;
use crate::session::{Session, known_services};

/// Runs `wait` and returns the status of the container that ended last.
pub(crate) async fn run(session: &Session, args: &WaitArgs) -> Result<u8, Failure> {
    let named = session.named()?;
    let live = session.engine(Some(named.name())).await?;
    let scope = Scope { projects: Projects::One(named.name().to_owned()), ..Scope::default() };
    let observed = live.observe(&scope).await?;
    known_services(&named, &args.services, observed.containers.values().filter_map(ObservedContainer::service))?;
    let is_asked = |it: &&ObservedContainer| it.service().is_some_and(|service| args.services.iter().any(|asked| asked == service));
    let running: Vec<&ObservedContainer> = observed
        .containers
        .values()
        .filter(|it| it.is_listed() && it.state.is_up())
        .filter(is_asked)
        .collect();
    if running.is_empty() {
        return Err(Failure::refused_with(
            format!("no container of {} is running: there is nothing to wait for", args.services.join(", ")),
            "`rcompose ps -a` shows how each has ended",
        ));
    }
    let mut last = 0;
    if session.globals.dry_run {
        for container in running {
            output::line(&format!("wait for the end of container {}", container.name))?;
        }
    } else {
        let engine = &live.engines.engine;
        let wait = |it: &ObservedContainer| {
            let (id, name) = (it.id.clone(), it.name.clone());
            async move { (id, engine.wait_container(&name).await) }
        };
        let mut ends: FuturesUnordered<_> = running.into_iter().map(wait).collect();
        while let Some((id, ended)) = ends.next().await {
            last = ended?;
            output::line(&format!("container \"{id}\" exited with status code {last}"))?;
        }
    }
    if args.down_project {
        let down = Down { remove_orphans: true, ..Down::default() };
        carry_out(session, &named, &live, |name, project, observed| planner::down(name, project, observed, &down)).await?;
    }
    Ok(u8::try_from(last).unwrap_or(1))
}

//! `pull`.

use rcompose_engine_adapter::PullPolicy;
use rcompose_planner::{self as planner, Build, ImageOptions};

use crate::args::{PullArgs, PullVerbPolicy};
use crate::failure::Failure;
use crate::render::Display;
use crate::rounds::{IMAGES, Rounds};
use crate::session::{Session, Want};

/// Runs `pull`.
pub(crate) async fn run(session: &Session, args: &PullArgs) -> Result<u8, Failure> {
    let loaded = session.load(&Want::services(&args.services, args.include_deps))?;
    let live = session.engine(Some(&loaded.project.name)).await?;
    let lock = session.lock(&live, &loaded.project.name).await?;
    let mut rounds = Rounds::new(session, &live, &loaded.origins, if args.quiet { Display::Quiet } else { session.display(false, false)? });
    let world = session.world(&loaded, Some(&live))?;
    let observed = live.observe(&planner::scope(&loaded.project, &world)).await?;
    let options = ImageOptions {
        pull: Some(match args.policy {
            Some(PullVerbPolicy::Missing) => PullPolicy::Missing,
            Some(PullVerbPolicy::Always) | None => PullPolicy::Always,
        }),
        build: Build::Never,
        ignore_buildable: args.ignore_buildable,
        ignore_pull_failures: args.ignore_pull_failures,
        ..ImageOptions::default()
    };
    let plan = planner::images(&loaded.project, &observed, &world, &options).map_err(|error| Failure::plan(error, &loaded.origins))?;
    if session.globals.dry_run {
        rounds.print(&[(IMAGES, &plan)])?;
        return Ok(0);
    }
    rounds.one_at_a_time(args.no_parallel || !args.parallel);
    rounds.execute(&plan).await?;
    drop(lock);
    Ok(0)
}

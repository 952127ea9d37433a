//! `down`.

use rcompose_planner::{self as planner, Down, RemoveImages};

use super::select::once;
use crate::args::{DownArgs, Rmi, grace};
use crate::failure::Failure;
use crate::session::Session;

/// Runs `down`.
pub(crate) async fn run(session: &Session, args: DownArgs) -> Result<u8, Failure> {
    once(session, |name, project, observed| {
        let down = Down {
            services: args.services,
            remove_orphans: args.remove_orphans || session.says(project, "COMPOSE_REMOVE_ORPHANS"),
            ignore_orphans: session.says(project, "COMPOSE_IGNORE_ORPHANS"),
            images: args.rmi.map(|which| match which {
                Rmi::Local => RemoveImages::Local,
                Rmi::All => RemoveImages::All,
            }),
            volumes: args.volumes,
            timeout: grace(args.timeout),
            adopt: args.adopt,
        };
        planner::down(name, project, observed, &down)
    })
    .await
}

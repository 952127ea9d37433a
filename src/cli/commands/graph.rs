//! `graph`.

use rcompose_planner as planner;

use crate::args::{GraphArgs, GraphFormat};
use crate::failure::Failure;
use crate::graph;
use crate::output;
use crate::session::{Session, Want};

/// Runs `graph`.
pub(crate) fn run(session: &Session, args: &GraphArgs) -> Result<u8, Failure> {
    let loaded = session.load(&Want::services(&args.services, true))?;
    let graph = planner::graph(&loaded.project).map_err(|error| Failure::plan(error, &loaded.origins))?;
    let picture = graph::Picture::of(&loaded.project, &graph);
    output::out(&match args.format {
        GraphFormat::Tree => graph::tree(&picture, session.out),
        GraphFormat::Mermaid => graph::mermaid(&picture),
        GraphFormat::Dot => graph::dot(&picture),
        GraphFormat::Svg => graph::svg(&picture),
        GraphFormat::Json => graph::json(&picture),
    })?;
    Ok(0)
}

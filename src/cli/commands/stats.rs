//! `stats`.

mod row;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use rcompose_engine_adapter::{ErrorKind, ObservedContainer, Projects, Scope, Usage};

use crate::args::StatsArgs;
use crate::failure::Failure;
use crate::output;
use crate::session::{Live, Named, Session, known_services};
use crate::template::formatted;

use row::Row;

/// Time between two looks, over which the use of processors is measured.
const TURN: Duration = Duration::from_secs(1);
/// The columns of the table.
const TABLE: &str = "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";
/// Control sequences: clear the screen; to its first column; clear the rest of a line; clear what is below.
const CLEAR: &str = "\x1b[2J";
const HOME: &str = "\x1b[H";
const REST_OF_LINE: &str = "\x1b[K\n";
const REST_OF_SCREEN: &str = "\x1b[J";

/// Figures by id.
type Figures = BTreeMap<String, Usage>;

/// Runs `stats`.
pub(crate) async fn run(session: &Session, args: &StatsArgs) -> Result<u8, Failure> {
    let form = args.format.as_deref().filter(|it| !it.is_empty()).unwrap_or("table");
    // A form that cannot be read is said before anything is measured.
    formatted(&[Row::default().object(true)], form, TABLE)?;
    let named = session.named()?;
    let live = session.engine(Some(named.name())).await?;
    let mut before = measure(&live, &look(&live, &named, args).await?).await?;
    let moves = session.caller.stdout_tty && !args.no_stream && form != "json";
    if moves {
        output::out(CLEAR)?;
    }
    loop {
        tokio::time::sleep(TURN).await;
        let containers = look(&live, &named, args).await?;
        let now = measure(&live, &containers).await?;
        let shown = containers.iter().filter(|it| args.all || now.contains_key(&it.id));
        let objects: Vec<_> = shown
            .map(|it| Row::of(&it.id, it.name.as_str(), before.get(&it.id), now.get(&it.id)).object(!args.no_trunc))
            .collect();
        let text = formatted(&objects, form, TABLE)?;
        output::out(&if moves {
            format!("{HOME}{}{REST_OF_SCREEN}", text.replace('\n', REST_OF_LINE))
        } else {
            text
        })?;
        if args.no_stream {
            return Ok(0);
        }
        before = now;
    }
}

/// Returns the containers that are asked for, by name.
async fn look(live: &Live, named: &Named, args: &StatsArgs) -> Result<Vec<ObservedContainer>, Failure> {
    let observed = live
        .observe(&Scope { projects: Projects::One(named.name().to_owned()), ..Scope::default() })
        .await?;
    known_services(named, args.service.as_slice(), observed.containers.values().filter_map(ObservedContainer::service))?;
    let is_asked = |it: &ObservedContainer| args.service.as_deref().is_none_or(|service| it.service() == Some(service));
    Ok(observed
        .containers
        .into_values()
        .filter(|it| (args.all || it.state.is_up()) && is_asked(it))
        .collect())
}

/// Measures those that run; one that ended meanwhile has no figures.
async fn measure(live: &Live, containers: &[ObservedContainer]) -> Result<Figures, Failure> {
    let up = containers.iter().filter(|it| it.state.is_up());
    let all = join_all(up.map(|it| async { (it.id.clone(), live.engines.streams.usage(&it.name).await) })).await;
    let mut figures = Figures::new();
    for (id, usage) in all {
        match usage {
            Ok(usage) => drop(figures.insert(id, usage)),
            Err(error) if matches!(error.kind, ErrorKind::Conflict | ErrorKind::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(figures)
}

//! `system prune`: says what goes, asks, does it, and says what that freed.

use rcompose_engine_adapter::{Discard, EngineError, ErrorKind, Stock};
use rcompose_planner::{self as planner, Discarding, LabelFilter, Prune};

use crate::args::SystemPruneArgs;
use crate::ask::confirm;
use crate::failure::Failure;
use crate::logs::point_in_time;
use crate::output;
use crate::session::{Chosen, Session};
use crate::signals::Interrupts;
use crate::table::size;

/// Runs `system prune`.
pub(super) async fn run(session: &Session, args: &SystemPruneArgs) -> Result<u8, Failure> {
    let options = options(args)?;
    if !args.force && !session.can_ask() && !session.globals.dry_run {
        return Err(Failure::usage("nobody is there to answer", "`--dry-run` shows what would go; write `--force` to remove it"));
    }
    let chosen = session.choose(session.given_name().as_deref()).await?;
    let stock = chosen.upkeep.stock(true).await?;
    let list = planner::prune(&stock, &options);
    output::out(&shown(&list, &chosen, session.globals.dry_run))?;
    if list.is_empty() || session.globals.dry_run {
        return Ok(0);
    }
    let mut interrupts = Interrupts::listen();
    if !args.force && !confirm(session, &mut interrupts, "Remove all of this?").await? {
        return Ok(0);
    }
    let freed = remove(session, &chosen, &options, &list, &mut interrupts).await?;
    told(&chosen, &stock, freed).await
}

/// What removing came to.
struct Freed {
    /// Bytes, those of images left out.
    bytes: u64,
    /// Images went, of which only the store as a whole knows what they shared.
    has_images: bool,
    /// What went wrong first.
    error: Option<EngineError>,
}

/// Removes what was shown. Whoever waited with the answer may have started some of it since: so it is looked at anew, and of what is new
/// nothing goes.
async fn remove(
    session: &Session,
    chosen: &Chosen,
    options: &Prune,
    shown: &[Discarding],
    interrupts: &mut Interrupts,
) -> Result<Freed, Failure> {
    let now = planner::prune(&chosen.upkeep.stock(false).await?, options);
    let mut freed = Freed { bytes: 0, has_images: false, error: None };
    for item in shown.iter().filter(|it| still_goes(it, &now)) {
        let done = tokio::select! {
            done = chosen.upkeep.discard(&item.what) => done,
            _ = interrupts.next() => return Err(Failure::Interrupted),
        };
        match (done, &item.what) {
            (Ok(_), Discard::Image { .. }) => freed.has_images = true,
            (Ok(bytes), Discard::Leftovers | Discard::Cache { .. }) => freed.bytes += bytes.unwrap_or(0),
            (Ok(bytes), _) => freed.bytes += bytes.unwrap_or(item.size),
            (Err(error), _) if error.kind == ErrorKind::Conflict => session.say(&format!("stays: {}", error.message)),
            (Err(error), _) => drop(freed.error.get_or_insert(error)),
        }
    }
    Ok(freed)
}

/// Says how much room there is now that was not before.
async fn told(chosen: &Chosen, before: &Stock, freed: Freed) -> Result<u8, Failure> {
    let images = if freed.has_images {
        before.layers.saturating_sub(chosen.upkeep.stock(true).await?.layers)
    } else {
        0
    };
    output::line(&format!("Total reclaimed space: {}", size(freed.bytes + images)))?;
    freed.error.map_or(Ok(0), |error| Err(error.into()))
}

fn still_goes(item: &Discarding, now: &[Discarding]) -> bool {
    match item.what {
        // A cache is listed with sizes only, and nothing of either is anybody's.
        Discard::Cache { .. } | Discard::Leftovers => true,
        Discard::Container(_) | Discard::Network(_) | Discard::Volume(_) | Discard::Image { .. } => {
            now.iter().any(|it| it.what == item.what)
        }
    }
}

/// Lists what goes, by kind.
fn shown(list: &[Discarding], chosen: &Chosen, only: bool) -> String {
    if list.is_empty() {
        return "Nothing to remove.\n".into();
    }
    let engine = chosen.live.engines.engine.name();
    let will = if only { "would" } else { "will" };
    let mut text = format!("This {will} be removed from the {engine} engine:\n");
    let mut last = "";
    for item in list {
        let kind = match item.what {
            Discard::Container(_) => "containers",
            Discard::Network(_) => "networks",
            Discard::Volume(_) => "volumes, with all they hold",
            Discard::Image { .. } => "images",
            Discard::Cache { .. } => "build cache",
            Discard::Leftovers => "leftovers",
        };
        if kind != last {
            text.push_str(&format!("  {kind}\n"));
            last = kind;
        }
        let bytes = if item.size > 0 { format!("  {}", size(item.size)) } else { String::new() };
        text.push_str(&format!("    {}{bytes}\n", item.name));
    }
    text
}

fn options(args: &SystemPruneArgs) -> Result<Prune, Failure> {
    let mut options = Prune { all: args.all, volumes: args.volumes, ..Prune::default() };
    for filter in &args.filter {
        match filter.split_once('=') {
            Some(("until", when)) => {
                options.until = Some(point_in_time("--filter until", when, jiff::Timestamp::now())?.0);
            }
            Some((key @ ("label" | "label!"), label)) if !label.is_empty() => {
                let (name, value) = label.split_once('=').map_or((label, None), |(name, value)| (name, Some(value.to_owned())));
                options.labels.push(LabelFilter { key: name.to_owned(), value, not: key == "label!" });
            }
            _ => {
                return Err(Failure::usage(
                    format!("`{filter}` is no filter of `system prune`"),
                    "write until=WHEN such as until=24h, label=KEY[=VALUE] or label!=KEY[=VALUE]",
                ));
            }
        }
    }
    if options.volumes && options.until.is_some() {
        return Err(Failure::usage(
            "--volumes and the filter `until` contradict each other: nobody knows when a volume was used last",
            "leave one of them out",
        ));
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(filters: &[&str]) -> Result<Prune, Failure> {
        let filter = filters.iter().map(|it| (*it).to_owned()).collect();
        options(&SystemPruneArgs { all: false, volumes: false, filter, force: true })
    }

    #[test]
    fn filters_are_dockers() {
        let read_one = |text| read(&[text]).unwrap().labels;
        let label = |key: &str, value: Option<&str>, not| LabelFilter { key: key.into(), value: value.map(str::to_owned), not };
        assert_eq!(read_one("label=a"), [label("a", None, false)]);
        assert_eq!(read_one("label=a=b=c"), [label("a", Some("b=c"), false)]);
        assert_eq!(read_one("label!=a=b"), [label("a", Some("b"), true)]);
        assert_eq!(read(&["until=1700000000"]).unwrap().until, Some(1_700_000_000));
        for wrong in ["", "label", "label=", "until=soon", "x=y"] {
            assert!(read(&[wrong]).is_err(), "{wrong}");
        }
    }
}

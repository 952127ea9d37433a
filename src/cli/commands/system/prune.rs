//! `system prune`: says what goes, asks, does it, and says what that freed.

use rcompose_engine_adapter::{Discard, ErrorKind};
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
    let list = planner::prune(&chosen.upkeep.stock(true).await?, &options);
    output::out(&shown(&list, &chosen, session.globals.dry_run))?;
    if list.is_empty() || session.globals.dry_run {
        return Ok(0);
    }
    let mut interrupts = Interrupts::listen();
    if !args.force && !confirm(session, &mut interrupts, "Remove all of this?").await? {
        return Ok(0);
    }
    remove(session, &chosen, &options, &list, &mut interrupts).await
}

/// Removes what was shown. Whoever waited with the answer may have started some of it since: so it is looked at anew, and of what is new
/// nothing goes.
async fn remove(
    session: &Session,
    chosen: &Chosen,
    options: &Prune,
    shown: &[Discarding],
    interrupts: &mut Interrupts,
) -> Result<u8, Failure> {
    let before = chosen.upkeep.stock(true).await?;
    let now = planner::prune(&before, options);
    let (mut freed, mut first, mut has_images) = (0, None, false);
    for item in now.iter().filter(|it| is_among(it, shown)) {
        let done = tokio::select! {
            done = chosen.upkeep.discard(&item.what) => done,
            _ = interrupts.next() => return Err(Failure::Interrupted),
        };
        match done {
            Ok(bytes) if matches!(item.what, Discard::Image { .. }) => has_images |= bytes.is_none(),
            Ok(bytes) => freed += bytes.unwrap_or(if matches!(item.what, Discard::Leftovers) { 0 } else { item.size }),
            Err(error) if error.kind == ErrorKind::Conflict => session.say(&format!("stays: {}", error.message)),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    if has_images {
        // Only the store as a whole knows what several images shared.
        freed += before.layers.saturating_sub(chosen.upkeep.stock(true).await?.layers);
    }
    output::line(&format!("Total reclaimed space: {}", size(freed)))?;
    first.map_or(Ok(0), |error| Err(error.into()))
}

fn is_among(item: &Discarding, shown: &[Discarding]) -> bool {
    shown.iter().any(|it| match (&it.what, &item.what) {
        // How many those are may have changed; nothing of them is anybody's.
        (Discard::Cache { .. }, Discard::Cache { .. }) | (Discard::Leftovers, Discard::Leftovers) => true,
        (one, other) => one == other,
    })
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

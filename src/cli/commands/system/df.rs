//! `system df`, in docker's table.

mod details;

use rcompose_engine_adapter::{Stock, StockContainer};
use serde_json::{Value, json};

use crate::args::SystemDfArgs;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;
use crate::table::{size, table};
use crate::template::{Template, go_json};

/// Least width of a column, and the gap. Source: docker, `system df`.
const COLUMN: usize = 10;
const GAP: usize = 3;

/// Runs `system df`.
pub(super) async fn run(session: &Session, args: &SystemDfArgs) -> Result<u8, Failure> {
    let chosen = session.choose(session.given_name().as_deref()).await?;
    let stock = chosen.upkeep.stock(true).await?;
    let has_builder = chosen.live.engines.engine.name() == "docker";
    let text = match (args.verbose, args.format.as_deref()) {
        (true, None | Some("table")) => details::text(&stock, has_builder),
        (true, Some("json")) => format!("{}\n", go_json(&details::object(&stock))),
        (true, Some(_)) => {
            return Err(Failure::usage("--verbose takes no template", "write `--format json`, or leave one of them out"));
        }
        (false, format) => summary(&stock, has_builder, format)?,
    };
    output::out(&text)?;
    Ok(0)
}

/// One line of the table.
struct Row {
    kind: &'static str,
    count: usize,
    active: usize,
    size: u64,
    reclaimable: u64,
}

fn rows(stock: &Stock, has_builder: bool) -> Vec<Row> {
    let (used, idle): (Vec<_>, Vec<_>) = stock.images.iter().partition(|it| stock.of_image(&it.id).next().is_some());
    // What a used image shares is needed by it, too: counted from the whole, as docker does.
    let needed: u64 = used.iter().map(|it| it.size.saturating_sub(it.shared)).sum();
    let up = |it: &&StockContainer| it.state.is_up();
    let ended = stock.containers.iter().filter(|it| !it.state.is_up());
    let unused = stock.volumes.iter().filter(|it| stock.of_volume(&it.name).next().is_none());
    let mut rows = vec![
        Row {
            kind: "Images",
            count: stock.images.len(),
            active: used.len(),
            size: stock.layers,
            reclaimable: if idle.is_empty() { 0 } else { stock.layers.saturating_sub(needed) },
        },
        Row {
            kind: "Containers",
            count: stock.containers.len(),
            active: stock.containers.iter().filter(up).count(),
            size: stock.containers.iter().map(|it| it.size).sum(),
            reclaimable: ended.map(|it| it.size).sum(),
        },
        Row {
            kind: "Local Volumes",
            count: stock.volumes.len(),
            active: stock.volumes.len() - unused.clone().count(),
            size: stock.volumes.iter().filter_map(|it| it.size).sum(),
            reclaimable: unused.filter_map(|it| it.size).sum(),
        },
    ];
    if has_builder {
        let own = stock.cache.iter().filter(|it| !it.shared);
        rows.push(Row {
            kind: "Build Cache",
            count: stock.cache.len(),
            active: stock.cache.iter().filter(|it| it.in_use).count(),
            size: own.clone().map(|it| it.size).sum(),
            reclaimable: own.filter(|it| !it.in_use).map(|it| it.size).sum(),
        });
    } else if !stock.leftovers.is_empty() {
        let left: u64 = stock.leftovers.iter().map(|(_, size)| size).sum();
        rows.push(Row { kind: "Leftovers", count: stock.leftovers.len(), active: 0, size: left, reclaimable: left });
    }
    rows
}

impl Row {
    fn cells(&self) -> [String; 5] {
        [
            self.kind.to_owned(),
            self.count.to_string(),
            self.active.to_string(),
            size(self.size),
            self.reclaimable(),
        ]
    }

    /// As docker has it, a share in percent beside what is above nothing.
    fn reclaimable(&self) -> String {
        match (self.reclaimable * 100).checked_div(self.size) {
            Some(percent) => format!("{} ({percent}%)", size(self.reclaimable)),
            None => size(self.reclaimable),
        }
    }

    fn object(&self) -> Value {
        json!({
            "Active": self.active.to_string(), "Reclaimable": self.reclaimable(), "Size": size(self.size),
            "TotalCount": self.count.to_string(), "Type": self.kind,
        })
    }
}

fn summary(stock: &Stock, has_builder: bool, format: Option<&str>) -> Result<String, Failure> {
    let rows = rows(stock, has_builder);
    match format {
        None | Some("table") => {
            let mut lines = vec![["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"].map(str::to_owned).to_vec()];
            lines.extend(rows.iter().map(|it| it.cells().to_vec()));
            Ok(table(&lines, COLUMN, GAP))
        }
        Some("json") => Ok(rows.iter().map(|it| format!("{}\n", go_json(&it.object()))).collect()),
        Some(format) => {
            let template = Template::parse(format.strip_prefix("table ").unwrap_or(format))?;
            rows.iter().map(|it| Ok(format!("{}\n", template.fill(&it.object())?))).collect()
        }
    }
}

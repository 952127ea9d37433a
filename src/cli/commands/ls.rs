//! `ls`.

use std::collections::BTreeMap;

use rcompose_engine_adapter::{ObservedContainer, Projects, Scope, labels};
use serde::Serialize;

use crate::args::LsArgs;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;
use crate::table::table;

/// Least width of a column. Source: `docker compose ls`.
const COLUMN: usize = 20;

/// A project, in the form of `docker compose ls --format json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    name: String,
    status: String,
    config_files: String,
}

/// Runs `ls`.
pub(crate) async fn run(session: &Session, args: &LsArgs) -> Result<u8, Failure> {
    let patterns = args.filter.iter().map(|filter| Pattern::of(filter)).collect::<Result<Vec<_>, _>>()?;
    if !matches!(args.format.as_str(), "table" | "json") {
        return Err(Failure::usage(format!("`{}` is no form of `ls`", args.format), "write `table` or `json`"));
    }
    let live = session.engine(None).await?;
    let observed = live.observe(&Scope { projects: Projects::All, ..Scope::default() }).await?;
    let mut projects: BTreeMap<&str, Vec<&ObservedContainer>> = BTreeMap::new();
    for container in observed.containers.values() {
        let counts = container.is_listed() && container.label(labels::CONFIG_FILES).is_some() && (args.all || container.state.is_up());
        if let Some(project) = container.project().filter(|_| counts) {
            projects.entry(project).or_default().push(container);
        }
    }
    let rows: Vec<Row> = projects
        .into_iter()
        .filter(|(name, _)| patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(name)))
        .map(|(name, containers)| Row { name: name.to_owned(), status: status(&containers), config_files: files(&containers) })
        .collect();
    output::out(&rendered(&rows, args))?;
    Ok(0)
}

fn rendered(rows: &[Row], args: &LsArgs) -> String {
    if args.quiet {
        return rows.iter().map(|row| format!("{}\n", row.name)).collect();
    }
    if args.format == "json" {
        return format!("{}\n", serde_json::to_string(rows).unwrap_or_default());
    }
    let mut lines = vec![vec!["NAME".to_owned(), "STATUS".to_owned(), "CONFIG FILES".to_owned()]];
    lines.extend(rows.iter().map(|row| vec![row.name.clone(), row.status.clone(), row.config_files.clone()]));
    table(&lines, COLUMN, 3)
}

/// Counts containers by what they do: `exited(1), running(2)`.
fn status(containers: &[&ObservedContainer]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for container in containers {
        *counts.entry(container.state.as_str()).or_default() += 1;
    }
    counts.into_iter().map(|(state, count)| format!("{state}({count})")).collect::<Vec<_>>().join(", ")
}

/// Returns every file that a container of the project was made from.
fn files(containers: &[&ObservedContainer]) -> String {
    let mut files: Vec<&str> = Vec::new();
    for file in containers.iter().filter_map(|it| it.label(labels::CONFIG_FILES)).flat_map(|list| list.split(',')) {
        if !files.contains(&file) {
            files.push(file);
        }
    }
    files.join(",")
}

/// `name=PATTERN`: text that the name holds, or begins (`^`) or ends (`$`) with.
#[derive(Debug)]
struct Pattern {
    text: String,
    at_start: bool,
    at_end: bool,
}

impl Pattern {
    fn of(filter: &str) -> Result<Self, Failure> {
        let Some(pattern) = filter.strip_prefix("name=") else {
            return Err(Failure::usage(format!("`{filter}` is no filter of `ls`"), "write `name=TEXT`"));
        };
        let text = pattern.strip_prefix('^').unwrap_or(pattern);
        let (text, at_end) = text.strip_suffix('$').map_or((text, false), |text| (text, true));
        if text.contains(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))) {
            let message = format!("`{pattern}` holds what no project's name does");
            return Err(Failure::usage(message, "of patterns only `^` at the start and `$` at the end are understood"));
        }
        Ok(Self { text: text.to_owned(), at_start: pattern.starts_with('^'), at_end })
    }

    fn matches(&self, name: &str) -> bool {
        match (self.at_start, self.at_end) {
            (true, true) => name == self.text,
            (true, false) => name.starts_with(&self.text),
            (false, true) => name.ends_with(&self.text),
            (false, false) => name.contains(&self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_may_be_anchored() {
        let matches = |filter: &str, name| Pattern::of(filter).unwrap().matches(name);
        assert!(matches("name=ho", "shop") && !matches("name=^ho", "shop"));
        assert!(matches("name=^shop$", "shop") && !matches("name=^shop$", "shops"));
        assert!(Pattern::of("status=x").is_err() && Pattern::of("name=a.*").is_err());
    }
}

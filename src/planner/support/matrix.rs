//! The table as a page of the documentation.

use std::fmt::Write as _;

use rcompose_engine_adapter::Feature;

use super::{Row, Support, When, build, deploy, rows, service, top};

const HEAD: &str = "\
# What is honoured

Every attribute of a compose file, and who honours it. This page is written from the table by which `rcompose` checks a file before
it plans (`src/planner/support`), so it cannot say anything else than what happens; `BLESS=1 cargo test -p rcompose-planner --test support`
writes it anew.

- **yes**: by every engine, or by rcompose itself.
- **needs …**: by engines from that version on; with an older one it is refused by name, before any step.
- **no effect**: accepted with a warning, which is an error with `--strict`.
- **refused**: by name, before any step.
";

/// Returns the support matrix as Markdown.
pub fn matrix() -> String {
    let mut page = HEAD.to_owned();
    section(&mut page, "Top level, networks, volumes, secrets, configs, models", "", top::ROWS);
    section(&mut page, "Services", "services.*.", service::ROWS);
    section(&mut page, "Services: `build`", "services.*.", build::ROWS);
    section(&mut page, "Services: `deploy`", "services.*.", deploy::ROWS);
    page.push_str("\n## Combinations\n\n| together | honoured |\n|---|---|\n");
    for feature in Feature::ALL.iter().filter(|feature| !has_row(**feature)) {
        let _ = writeln!(page, "| {} | needs {} |", feature.attribute(), feature.needs());
    }
    page
}

/// Whether a feature is asked for by one attribute alone.
fn has_row(feature: Feature) -> bool {
    rows().any(|row| row.support == Support::Needs(feature))
}

fn section(page: &mut String, title: &str, prefix: &str, rows: &[Row]) {
    let _ = write!(page, "\n## {title}\n\n| attribute | honoured |\n|---|---|\n");
    for row in rows {
        let name = row.attribute.strip_prefix(prefix).unwrap_or(row.attribute);
        let values = match row.when {
            When::Set | When::Never => String::new(),
            When::Is(value) => format!(": {value}"),
            When::Not(value) => format!(", other than {value}"),
            When::Several => ", two or more".to_owned(),
        };
        let name = match row.when {
            When::Is(_) => format!("`{name}{values}`"),
            _ => format!("`{name}`{values}"),
        };
        let _ = writeln!(page, "| {name} | {} |", words(row));
    }
}

fn words(row: &Row) -> String {
    match row.support {
        Support::Honoured("") => "yes".to_owned(),
        Support::Honoured(note) => format!("yes: {note}"),
        Support::Part => "as the whole".to_owned(),
        Support::Needs(feature) => format!("needs {}", feature.needs()),
        Support::NoEffect(why) => format!("no effect: {why}"),
        Support::WindowsOnly(why) => format!("no effect but on Windows: {why}"),
        Support::Refused(why) => format!("refused: {}", bare(why)),
        Support::Later(why) => format!("not yet: {}", bare(why)),
    }
}

/// A reason less the verb with which it begins in a message.
fn bare(why: &str) -> &str {
    why.strip_prefix("is ").unwrap_or(why)
}

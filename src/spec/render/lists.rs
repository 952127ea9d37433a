//! `config --services` and its siblings: one item on each line.

use std::collections::{BTreeMap, BTreeSet};

use crate::Loaded;
use crate::template::{self, Use};
use crate::tree::{Node, Value};

fn lines<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let mut text = String::new();
    for item in items {
        text.push_str(item.as_ref());
        text.push('\n');
    }
    text
}

/// Enabled services.
#[must_use]
pub fn services(loaded: &Loaded) -> String {
    lines(loaded.project.services.keys())
}

/// Volumes in use.
#[must_use]
pub fn volumes(loaded: &Loaded) -> String {
    lines(loaded.project.volumes.keys())
}

/// Networks in use.
#[must_use]
pub fn networks(loaded: &Loaded) -> String {
    lines(loaded.project.networks.keys())
}

/// AI models in use.
#[must_use]
pub fn models(loaded: &Loaded) -> String {
    lines(loaded.project.models.values().map(|model| &model.model))
}

/// Images of the enabled services; a built one without a name is called after project and service.
#[must_use]
pub fn images(loaded: &Loaded) -> String {
    let project = &loaded.project;
    lines(project.services.iter().map(|(name, service)| {
        if service.image.is_empty() {
            format!("{}-{name}", project.name)
        } else {
            service.image.clone()
        }
    }))
}

/// Profiles of all services, enabled or not.
#[must_use]
pub fn profiles(loaded: &Loaded) -> String {
    let project = &loaded.project;
    let services = project.services.values().chain(project.disabled.values());
    let all: BTreeSet<&String> = services.flat_map(|service| &service.profiles).collect();
    lines(all)
}

/// The variables that files were resolved with, as `NAME=VALUE`.
#[must_use]
pub fn environment(loaded: &Loaded) -> String {
    let variables = &loaded.project.environment;
    lines(variables.iter().map(|(name, value)| format!("{name}={value}")))
}

/// The variables that the files name, as a table; load with `no_interpolate`.
#[must_use]
pub fn variables(loaded: &Loaded) -> String {
    let mut found = BTreeMap::new();
    if let Some(root) = loaded.origins.root() {
        collect(root, &mut found);
    }
    let mut rows = vec![["NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE"].map(str::to_owned)];
    rows.extend(found.into_values().map(|variable: Use| {
        let required = variable.required.to_string();
        [variable.name, required, variable.default, variable.alternate]
    }));
    table(&rows)
}

fn collect(node: &Node, found: &mut BTreeMap<String, Use>) {
    match &node.value {
        Value::Str(text) => {
            for variable in template::uses(text) {
                found.insert(variable.name.clone(), variable);
            }
        }
        Value::List(list) => list.iter().for_each(|item| collect(item, found)),
        Value::Map(map) => map.values().for_each(|entry| collect(&entry.node, found)),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Large(_) | Value::Float(_) | Value::Time(_) => {}
    }
}

/// Columns at least 20 wide with 3 blanks between them, as docker prints its tables.
fn table(rows: &[[String; 4]]) -> String {
    const NARROWEST: usize = 20;
    const GAP: usize = 3;
    let width = |column: usize| {
        let longest = rows.iter().map(|row| row[column].chars().count()).max();
        (longest.unwrap_or(0) + GAP).max(NARROWEST)
    };
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for [name, required, default, alternate] in rows {
        let [first, second, third] = widths;
        text.push_str(&format!("{name:first$}{required:second$}{default:third$}{alternate}\n"));
    }
    text
}

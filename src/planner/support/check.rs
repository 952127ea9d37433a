//! What a project asks for, held against the table.

use rcompose_engine_adapter::{EngineInfo, Feature};
use rcompose_spec::model::{Project, Service};
use serde::Serialize;
use serde_json::Value;

use super::{Row, Support, When, build, deploy, service, top};
use crate::lower::Lowering;
use crate::{Notice, Problem, ProblemKind};

const SERVICE: &str = "services.*.";

/// Checks a service, less its `build`: that matters only where something is built.
pub(crate) fn check_service(lowering: &mut Lowering<'_>, service: &Service) {
    for (row, path) in used_by(service, &[service::ROWS, deploy::ROWS], is_checked) {
        judge(lowering, row, path);
    }
}

/// Checks the `build` of a service.
pub(crate) fn check_builds(lowering: &mut Lowering<'_>, service: &Service) {
    for (row, path) in used_by(service, &[build::ROWS], is_checked) {
        judge(lowering, row, path);
    }
}

/// Checks networks, volumes, secrets and configs.
pub(crate) fn check_project(lowering: &mut Lowering<'_>) {
    for (row, path) in used_at_top(lowering.project, is_checked) {
        judge(lowering, row, path);
    }
}

/// Returns what of a project has no effect, whatever the engine is.
pub fn without_effect(project: &Project) -> Vec<Notice> {
    let services = project.services.values();
    let used = services.flat_map(|service| used_by(service, &[service::ROWS, build::ROWS, deploy::ROWS], is_never_honoured));
    used.chain(used_at_top(project, is_never_honoured))
        .filter_map(|(row, path)| match row.support {
            Support::NoEffect(why) => Some(Notice { message: no_effect(&path, why), path, hint: None }),
            Support::Refused(why) => Some(Notice { message: format!("`{}{}` {why}", shown(&path), value_of(row)), path, hint: None }),
            Support::Honoured(_) | Support::Part | Support::Needs(_) | Support::WindowsOnly(_) | Support::Later(_) => None,
        })
        .collect()
}

fn judge(lowering: &mut Lowering<'_>, row: &Row, path: String) {
    let engine = &lowering.observed.engine;
    match row.support {
        Support::Honoured(_) | Support::Part | Support::Later(_) => {}
        Support::Needs(feature) if engine.has(feature) => {}
        Support::Needs(feature) => {
            let message = format!("{} cannot honour `{}{}`", whose(engine, feature), shown(&path), value_of(row));
            let problem = Problem::new(ProblemKind::Unsupported, path, message);
            lowering.problem(problem.hint(format!("it needs {}", feature.needs())));
        }
        Support::WindowsOnly(_) if engine.has(Feature::Windows) => {}
        Support::NoEffect(why) | Support::WindowsOnly(why) => {
            let message = no_effect(&path, why);
            lowering.unheeded(path, message);
        }
        Support::Refused(why) => {
            let problem = Problem::new(ProblemKind::Unsupported, path.clone(), format!("`{}{}` {why}", shown(&path), value_of(row)));
            lowering.problem(problem.hint(way_out(&path)));
        }
    }
}

fn way_out(path: &str) -> &'static str {
    if path.starts_with("services.") {
        "take it out, or put the service behind a profile"
    } else if path.ends_with(".external") {
        "give it by `file:` or `environment:`"
    } else {
        "take it out"
    }
}

fn no_effect(path: &str, why: &str) -> String {
    format!("`{}` has no effect here: {why}", shown(path))
}

/// The value that a row is about, where it is about one.
fn value_of(row: &Row) -> String {
    match row.when {
        When::Is(value) => format!(": {value}"),
        When::Set | When::Not(_) | When::Several | When::Never => String::new(),
    }
}

fn whose(engine: &EngineInfo, feature: Feature) -> String {
    if feature == Feature::BuildKit {
        "the engine's own builder".to_owned()
    } else {
        format!("{} {}", engine.name, engine.version)
    }
}

/// The path as the author of a service sees it.
fn shown(path: &str) -> &str {
    let inside = path.strip_prefix("services.").and_then(|rest| rest.split_once('.'));
    inside.map_or(path, |(_, rest)| rest)
}

fn used_by(service: &Service, tables: &[&'static [Row]], wanted: fn(&Row) -> bool) -> Vec<(&'static Row, String)> {
    let mut value = json(service);
    // The one attribute that the JSON leaves out, as docker compose's does.
    if !service.pull_refresh_after.is_empty() {
        value["pull_refresh_after"] = Value::from(service.pull_refresh_after.as_str());
    }
    let mut at = format!("services.{}", service.name);
    let mut found = Vec::new();
    for row in tables.iter().copied().flatten().filter(|row| wanted(row)) {
        let steps = row.attribute.strip_prefix(SERVICE).unwrap_or(row.attribute);
        find(row, &value, steps, &mut at, &mut found);
    }
    found
}

fn used_at_top(project: &Project, wanted: fn(&Row) -> bool) -> Vec<(&'static Row, String)> {
    let value = Value::Object(
        [
            ("networks", json(&project.networks)),
            ("volumes", json(&project.volumes)),
            ("secrets", json(&project.secrets)),
            ("configs", json(&project.configs)),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into_iter()
        .collect(),
    );
    let mut found = Vec::new();
    for row in top::ROWS.iter().filter(|row| wanted(row)) {
        find(row, &value, row.attribute, &mut String::new(), &mut found);
    }
    found
}

/// The model leaves out what is not set, so whatever is in its JSON was asked for.
fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn is_checked(row: &Row) -> bool {
    match row.support {
        Support::Honoured(_) | Support::Part | Support::Later(_) => false,
        Support::Needs(_) | Support::NoEffect(_) | Support::WindowsOnly(_) | Support::Refused(_) => row.when != When::Never,
    }
}

fn is_never_honoured(row: &Row) -> bool {
    is_checked(row) && matches!(row.support, Support::NoEffect(_) | Support::Refused(_))
}

/// Finds the places that a row is about, below `at`, which is as before afterwards.
fn find(row: &'static Row, value: &Value, steps: &str, at: &mut String, found: &mut Vec<(&'static Row, String)>) {
    if steps.is_empty() {
        found.extend(fits(row.when, value).then(|| (row, at.clone())));
        return;
    }
    let here = at.len();
    if let Some(rest) = steps.strip_prefix("[]") {
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            at.push_str(&format!("[{index}]"));
            find(row, item, rest, at, found);
            at.truncate(here);
        }
        return;
    }
    let steps = steps.strip_prefix('.').unwrap_or(steps);
    let end = steps.find(['.', '[']).unwrap_or(steps.len());
    let (step, rest) = steps.split_at(end);
    let mut below = |key: &str, value: &Value| {
        if here > 0 {
            at.push('.');
        }
        at.push_str(key);
        find(row, value, rest, at, found);
        at.truncate(here);
    };
    match value.as_object() {
        None => {}
        Some(entries) if step == "*" => entries.iter().for_each(|(key, value)| below(key, value)),
        Some(entries) => {
            if let Some(value) = entries.get(step) {
                below(step, value);
            }
        }
    }
}

fn fits(when: When, value: &Value) -> bool {
    let text = || match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match when {
        When::Set => !value.is_null(),
        When::Is(word) => text() == word,
        When::Not(word) => text() != word,
        When::Several => value.as_array().is_some_and(|list| list.len() > 1),
        When::Never => false,
    }
}

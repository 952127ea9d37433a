//! Variables: those of the process and `.env`, and those that services are given.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dotenv;
use crate::error::{Code, Finding};
use crate::findings::Findings;
use crate::interpolate::Variables;
use crate::load::Loader;
use crate::model::{EnvFile, Service};
use crate::span::{Origins, Source, Span};
use crate::template::{Effects, Lookup};
use crate::trace::{Owner, Setting};
use crate::tree::{Node, Value};

/// Gives list entries without a value the one of the variables, where there is one.
pub(crate) fn inherit(model: &mut Node, variables: &Variables) {
    let Some(services) = model.get_mut("services").and_then(Node::as_map_mut) else {
        return;
    };
    for entry in services.values_mut() {
        let Some(Value::List(list)) = entry.node.get_mut("environment").map(|node| &mut node.value) else {
            continue;
        };
        for item in list {
            if let Value::Str(text) = &mut item.value
                && let Some(value) = variables.get(text.as_str())
            {
                *text = format!("{text}={value}");
            }
        }
    }
}

/// Reads files of variables over each other; `outer` wins where values name variables. `owner` says whose they are, for the trace.
pub(crate) fn env_files(loader: &mut Loader<'_>, files: &[(PathBuf, Option<Span>)], outer: &Variables, owner: Option<&Owner>) -> Variables {
    let mut known = Variables::new();
    for (path, from) in files {
        let Some(source) = loader.read(path, from.as_ref()) else {
            continue;
        };
        let mut effects = Effects::default();
        let parsed = dotenv::parse(&source.text, &Over(outer, &known), &mut effects);
        warn_unset(effects.unset, loader.findings);
        match parsed {
            Ok(lines) => take(lines, &source, owner, &mut known, loader.findings),
            Err(fault) => loader.findings.error(fault_at(&source, fault)),
        }
    }
    known
}

/// Takes in the lines of a file, later ones over earlier ones.
fn take(lines: Vec<dotenv::Line>, source: &Arc<Source>, owner: Option<&Owner>, known: &mut Variables, findings: &mut Findings) {
    if let (Some(trace), Some(owner)) = (&mut findings.trace, owner) {
        trace.settings.extend(lines.iter().map(|line| Setting {
            name: line.name.clone(),
            value: line.value.clone(),
            span: Span::new(source, line.at..line.at + line.name.len()),
            owner: owner.clone(),
        }));
    }
    known.extend(lines.into_iter().map(|line| (line.name, line.value)));
}

fn warn_unset(unset: Vec<String>, findings: &mut Findings) {
    for name in unset {
        findings.unset(&name, None);
    }
}

/// The first layer over the second.
struct Over<'a>(&'a Variables, &'a Variables);

impl Lookup for Over<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let below = || self.1.get(name).map(String::as_str);
        self.0.get(name).map(String::as_str).or_else(below)
    }
}

/// A mistake in a file of variables, with its place.
fn fault_at(source: &Arc<Source>, fault: dotenv::Fault) -> Finding {
    let at = fault.at.min(source.text.len());
    let rest = &source.text[at..];
    let span = Span::new(source, at..at + rest.find('\n').unwrap_or(rest.len()));
    Finding::new(Code::Dotenv, format!("failed to read {}: {}", source.path.display(), fault.message))
        .at(&span)
        .hint(fault.hint)
}

/// Puts the content of `env_file` under `environment`, and that of `label_file` under `labels`.
pub(crate) fn resolve(loader: &mut Loader<'_>, service: &mut Service, variables: &Variables, origins: &Origins) {
    let path = format!("services.{}", service.name);
    let owner = Owner::Service(service.name.clone());
    let mut known = Variables::new();
    for (index, file) in std::mem::take(&mut service.env_file).into_iter().enumerate() {
        let span = origins.get(&format!("{path}.env_file[{index}].path"));
        env_file(loader, &file, span, variables, &mut known, &owner);
    }
    for (name, value) in known {
        service.environment.entry(name).or_insert(Some(value));
    }
    let mut labels = Variables::new();
    for (index, file) in std::mem::take(&mut service.label_file).into_iter().enumerate() {
        let span = origins.get(&format!("{path}.label_file[{index}]"));
        if loader.files.kind(Path::new(&file)).is_none() {
            missing(loader, "label file", &file, span);
            continue;
        }
        let more = env_files(loader, &[(PathBuf::from(&file), span.cloned())], &Variables::new(), None);
        labels.extend(more);
    }
    for (name, value) in labels {
        service.labels.entry(name).or_insert(value);
    }
}

fn env_file(loader: &mut Loader<'_>, file: &EnvFile, span: Option<&Span>, variables: &Variables, known: &mut Variables, owner: &Owner) {
    let path = Path::new(&file.path);
    if loader.files.kind(path).is_none() {
        if file.required {
            missing(loader, "env file", &file.path, span);
        }
        return;
    }
    let Some(source) = loader.read(path, span) else {
        return;
    };
    let mut effects = Effects::default();
    let layers = Over(variables, known);
    let parsed = match file.format.as_str() {
        "" => dotenv::parse(&source.text, &layers, &mut effects),
        "raw" => dotenv::parse_raw(&source.text, &layers),
        other => {
            let error =
                Finding::new(Code::InvalidValue, format!("unsupported env_file format `{other}`")).hint("leave `format` out, or use `raw`");
            return loader.report(error, span);
        }
    };
    warn_unset(effects.unset, loader.findings);
    match parsed {
        Ok(lines) => take(lines, &source, Some(owner), known, loader.findings),
        Err(fault) => loader.findings.error(fault_at(&source, fault)),
    }
}

fn missing(loader: &mut Loader<'_>, what: &str, path: &str, span: Option<&Span>) {
    let mut error = Finding::new(Code::File, format!("{what} {path} not found"));
    error = if what == "env file" {
        error.hint("make the file, or write `required: false` beside its path")
    } else {
        error.hint("make the file, or remove the line")
    };
    loader.report(error, span);
}

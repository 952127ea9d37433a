//! Answers about origins: who set a variable, and which lines a part of the project is made of.

use std::collections::BTreeMap;

use crate::Loaded;
use crate::discover::Discovered;
use crate::schema;
use crate::span::Span;
use crate::trace::{Overridden, Owner, Setting, VariableUse};
use crate::tree::{Node, Value};

/// Everything about one variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// Name of the variable.
    pub name: String,
    /// Its value in the project's files; `None` if it is not set.
    pub value: Option<String>,
    /// Who gives it a value, the strongest first.
    pub claims: Vec<Claim>,
    /// Where it is named.
    pub uses: Vec<VariableUse>,
    /// Containers that are given a variable of this name.
    pub services: Vec<ServiceWhy>,
    /// The known name that is most alike, if this one is neither set nor used.
    pub similar: Option<String>,
}

/// A variable of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceWhy {
    /// Name of the service.
    pub service: String,
    /// The value; `None` if it is passed on from the process, where it is not set.
    pub value: Option<String>,
    /// Who gives it a value, the strongest first.
    pub claims: Vec<Claim>,
}

/// One who gives a variable a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The value.
    pub value: String,
    /// Who it is.
    pub by: By,
}

/// Who gives a variable a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// The process that called.
    Process,
    /// Nobody: it is the name of the project.
    ProjectName,
    /// A file of variables.
    File(Span),
    /// A file of variables that counts in an included file only; the place of the `include`.
    IncludedFile(Span, Span),
    /// `environment` of the service, or what stood there before a later file replaced it.
    Environment(Span),
}

/// Says who set the variable `name`. Load with [`LoadOptions::trace`](crate::LoadOptions); `process` is what the process was given.
#[must_use]
pub fn why(name: &str, process: &BTreeMap<String, String>, discovered: &Discovered, loaded: &Loaded) -> Why {
    let value = loaded.project.environment.get(name).cloned();
    let mut claims = Vec::new();
    if let Some(value) = process.get(name) {
        claims.push(Claim { value: value.clone(), by: By::Process });
    }
    let named = |setting: &&Setting| setting.name == name;
    claims.extend(
        discovered
            .settings
            .iter()
            .filter(named)
            .map(|setting| Claim { value: setting.value.clone(), by: By::File(setting.span.clone()) }),
    );
    if let Some(value) = value.as_ref().filter(|value| claims.first().is_none_or(|first| first.value != **value)) {
        let by = if name == "COMPOSE_PROJECT_NAME" { By::ProjectName } else { By::Process };
        claims.insert(0, Claim { value: value.clone(), by });
    }
    claims.extend(
        loaded
            .trace
            .settings
            .iter()
            .rev()
            .filter(|it| it.name == name)
            .filter_map(|setting| match &setting.owner {
                Owner::Include(include) => {
                    Some(Claim { value: setting.value.clone(), by: By::IncludedFile(setting.span.clone(), include.clone()) })
                }
                Owner::Project | Owner::Service(_) => None,
            }),
    );
    let uses: Vec<VariableUse> = loaded.trace.uses.iter().filter(|used| used.name == name).cloned().collect();
    let services: Vec<ServiceWhy> = loaded.project.services.keys().filter_map(|service| in_service(name, service, loaded)).collect();
    let unknown = claims.is_empty() && uses.is_empty() && services.is_empty();
    let similar = if unknown { similar(name, loaded) } else { None };
    Why { name: name.to_owned(), value, claims, uses, services, similar }
}

fn similar(name: &str, loaded: &Loaded) -> Option<String> {
    let project = &loaded.project;
    let given = project.services.values().flat_map(|service| service.environment.keys());
    let names = loaded.trace.uses.iter().map(|used| &used.name).chain(given).chain(project.environment.keys());
    schema::closest(name, names.map(String::as_str)).map(str::to_owned)
}

fn in_service(name: &str, service: &str, loaded: &Loaded) -> Option<ServiceWhy> {
    let value = loaded.project.services.get(service)?.environment.get(name)?.clone();
    let path = format!("services.{service}.environment.{name}");
    let mut claims = Vec::new();
    let written = loaded.origins.below(&path).into_iter().next();
    if let Some((_, span)) = written {
        claims.push(Claim { value: value.clone().unwrap_or_default(), by: By::Environment(span) });
    }
    claims.extend(
        loaded
            .trace
            .overridden
            .iter()
            .rev()
            .filter(|it| it.path == path)
            .map(|old| Claim { value: old.value.clone(), by: By::Environment(old.span.clone()) }),
    );
    let own = Owner::Service(service.to_owned());
    let files = loaded.trace.settings.iter().rev().filter(|setting| setting.owner == own && setting.name == name);
    claims.extend(files.map(|setting| Claim { value: setting.value.clone(), by: By::File(setting.span.clone()) }));
    Some(ServiceWhy { service: service.to_owned(), value, claims })
}

/// One value of the project, and the line it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Path of the value.
    pub path: String,
    /// The value; what one short form became, or an empty mapping or list, as JSON.
    pub value: String,
    /// Where it is written.
    pub span: Span,
    /// What is written there, where that is a short form or names variables.
    pub written: Option<String>,
    /// Nobody wrote it: it follows from what stands around it.
    pub implied: bool,
    /// The values it replaced, the latest first.
    pub overridden: Vec<Overridden>,
}

/// What a part of the project is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elements {
    /// The values, in the order of the project.
    pub elements: Vec<Element>,
    /// Values below the path that were taken away, and nothing has their place.
    pub gone: Vec<Overridden>,
}

/// Says which lines the value at `path`, such as `services.web.ports`, is made of. Load with
/// [`LoadOptions::trace`](crate::LoadOptions).
///
/// # Errors
/// The longest part of the path that is there, with the keys below it, if the whole is not.
pub fn elements(loaded: &Loaded, path: &str) -> Result<Elements, Unknown> {
    let mut elements = Vec::new();
    let found = loaded.origins.find(path);
    if let Some((node, span)) = found {
        collect(node, span, path, None, &mut elements);
    }
    add_env_files(loaded, path, &mut elements);
    let below = |it: &&Overridden| is_within(&it.path, path);
    let mut gone: Vec<Overridden> = loaded.trace.overridden.iter().filter(below).cloned().collect();
    for element in &mut elements {
        let (own, other): (Vec<_>, Vec<_>) = gone.into_iter().partition(|it| it.path == element.path);
        element.overridden.splice(0..0, own.into_iter().rev());
        gone = other;
        if let Some(used) = loaded.trace.uses.iter().find(|used| used.span == element.span) {
            element.written = Some(used.written.clone());
        }
    }
    if elements.is_empty() && gone.is_empty() {
        return Err(unknown(loaded, path));
    }
    Ok(Elements { elements, gone })
}

/// A path that leads to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The part of the path that is there; empty for none of it.
    pub known: String,
    /// The keys there.
    pub keys: Vec<String>,
    /// The key that is most alike.
    pub similar: Option<String>,
}

fn unknown(loaded: &Loaded, path: &str) -> Unknown {
    let mut known = path;
    let node = loop {
        match loaded.origins.find(known) {
            Some((node, _)) => break Some(node),
            None => match known.rfind(['.', '[']) {
                Some(at) => known = &known[..at],
                None => {
                    known = "";
                    break loaded.origins.root();
                }
            },
        }
    };
    let keys: Vec<String> = node.and_then(Node::as_map).into_iter().flat_map(|map| map.keys().map(str::to_owned)).collect();
    let wanted = path[known.len()..].trim_start_matches('.');
    let wanted = &wanted[..wanted.find(['.', '[']).unwrap_or(wanted.len())];
    let similar = schema::closest(wanted, keys.iter().map(String::as_str)).map(str::to_owned);
    Unknown { known: known.to_owned(), keys, similar }
}

/// Variables that containers get from files are no part of the document.
fn add_env_files(loaded: &Loaded, path: &str, elements: &mut Vec<Element>) {
    for setting in &loaded.trace.settings {
        let Owner::Service(service) = &setting.owner else { continue };
        let own = format!("services.{service}.environment.{}", setting.name);
        if !is_within(&own, path) {
            continue;
        }
        let old = |value: &str, span: &Span, by: &Span| Overridden {
            path: own.clone(),
            value: value.to_owned(),
            span: span.clone(),
            by: Some(by.clone()),
        };
        match elements.iter_mut().find(|element| element.path == own) {
            // A later file wins, and `environment` wins over all of them.
            Some(element) if is_file_of_variables(loaded, &element.span) => {
                let replaced = old(&element.value, &element.span, &setting.span);
                element.overridden.insert(0, replaced);
                (element.value, element.span) = (setting.value.clone(), setting.span.clone());
            }
            Some(element) => {
                let by = element.span.clone();
                element.overridden.insert(0, old(&setting.value, &setting.span, &by));
            }
            None => elements.push(Element {
                path: own,
                value: setting.value.clone(),
                span: setting.span.clone(),
                written: None,
                implied: false,
                overridden: Vec::new(),
            }),
        }
    }
}

fn is_file_of_variables(loaded: &Loaded, span: &Span) -> bool {
    loaded.trace.settings.iter().any(|setting| setting.span == *span)
}

/// Whether `path` is `around`, or lies below it.
fn is_within(path: &str, around: &str) -> bool {
    path.strip_prefix(around)
        .is_some_and(|rest| rest.is_empty() || around.is_empty() || rest.starts_with(['.', '[']))
}

fn collect(node: &Node, span: &Span, path: &str, around: Option<[&Span; 2]>, found: &mut Vec<Element>) {
    let mut element = |span: &Span, written: Option<String>| {
        let implied = around.is_some_and(|around| around.contains(&span));
        found.push(Element {
            path: path.to_owned(),
            value: node.shown(),
            span: span.clone(),
            written: written.filter(|_| !implied),
            implied,
            overridden: Vec::new(),
        });
    };
    match &node.value {
        Value::Map(map) if !map.is_empty() => match one_place(node) {
            Some(span) => element(span, Some(scalar_at(span))),
            None => {
                for (key, entry) in map {
                    let dot = if path.is_empty() { "" } else { "." };
                    let path = format!("{path}{dot}{key}");
                    collect(&entry.node, crate::span::place(entry), &path, Some([span, &node.span]), found);
                }
            }
        },
        Value::List(list) if !list.is_empty() => {
            for (index, item) in list.iter().enumerate() {
                collect(item, &item.span, &format!("{path}[{index}]"), Some([span, &node.span]), found);
            }
        }
        _ => element(span, None),
    }
}

/// The text of a scalar, without its quotes.
fn scalar_at(span: &Span) -> String {
    let text = span.text().trim();
    let bare = ['"', '\''].iter().find_map(|&quote| text.strip_prefix(quote)?.strip_suffix(quote));
    bare.unwrap_or(text).to_owned()
}

/// The place of a mapping that was made of one short form: all its keys and values stand there.
fn one_place(node: &Node) -> Option<&Span> {
    is_all_at(node, &node.span).then_some(&node.span)
}

fn is_all_at(node: &Node, place: &Span) -> bool {
    node.span == *place
        && match &node.value {
            Value::Map(map) => map.values().all(|entry| entry.key == *place && is_all_at(&entry.node, place)),
            Value::List(list) => list.iter().all(|item| is_all_at(item, place)),
            _ => true,
        }
}

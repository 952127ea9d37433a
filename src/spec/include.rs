//! `include`: the resources of other compose files.

use std::path::{Path, PathBuf};

use crate::environment::env_files;
use crate::error::{Code, Finding};
use crate::interpolate::Variables;
use crate::load::{Loader, MAX_CHAIN, Scope};
use crate::paths;
use crate::sources::Kind;
use crate::span::Span;
use crate::trace::Owner;
use crate::tree::{Map, Node, Value};

/// Adds what a document includes to it.
pub(crate) fn apply(loader: &mut Loader<'_>, document: &mut Node, path: &Path, scope: &Scope<'_>) {
    let Some(entry) = document.as_map_mut().and_then(|map| map.shift_remove("include")) else {
        return;
    };
    let list = match entry.node.value {
        Value::List(list) => list,
        Value::Null => return,
        _ => {
            loader.findings.error(
                Finding::new(Code::WrongType, "`include` must be a list")
                    .at(&entry.node.span)
                    .path("include")
                    .label(format!("this is {}", entry.node.kind()))
                    .hint("write `include: [other.yaml]`"),
            );
            return;
        }
    };
    for (index, item) in list.iter().enumerate() {
        let Some(wanted) = Wanted::read(item, &format!("include[{index}]"), loader) else {
            continue;
        };
        if let Some(model) = load(loader, &wanted, path, scope) {
            import(loader, model, document, &wanted.span);
        }
    }
}

/// One entry of `include`.
struct Wanted {
    paths: Vec<(String, Span)>,
    project_directory: String,
    env_files: Vec<(String, Span)>,
    span: Span,
}

impl Wanted {
    fn read(item: &Node, path: &str, loader: &mut Loader<'_>) -> Option<Self> {
        let texts = |node: Option<&Node>| -> Vec<(String, Span)> {
            match node.map(|node| &node.value) {
                Some(Value::List(list)) => list.iter().filter_map(|item| Some((item.text()?, item.span.clone()))).collect(),
                Some(_) => node.and_then(|node| Some((node.text()?, node.span.clone()))).into_iter().collect(),
                None => Vec::new(),
            }
        };
        let files = if item.as_str().is_some() {
            texts(Some(item))
        } else {
            texts(item.get("path"))
        };
        // An empty list includes nothing, as in docker compose; an entry without a path is a slip.
        if files.is_empty() && item.get("path").and_then(Node::as_list).is_some() {
            return None;
        }
        if files.is_empty() {
            loader.findings.error(
                Finding::new(Code::MissingKey, "an entry of `include` needs a path")
                    .at(&item.span)
                    .path(path)
                    .hint("write `- other.yaml`, or `- path: other.yaml`"),
            );
            return None;
        }
        for (file, span) in &files {
            if is_remote(file) {
                loader.findings.error(
                    Finding::new(Code::Reference, format!("cannot include {file}: remote files are not read in this version"))
                        .at(span)
                        .path(path)
                        .hint("fetch it and include the local copy"),
                );
                return None;
            }
        }
        Some(Self {
            paths: files,
            project_directory: item.get("project_directory").and_then(Node::text).unwrap_or_default(),
            env_files: texts(item.get("env_file")),
            span: item.span.clone(),
        })
    }
}

fn is_remote(path: &str) -> bool {
    path.contains("://") || path.starts_with("git@") || path.starts_with("github.com/")
}

fn load(loader: &mut Loader<'_>, wanted: &Wanted, path: &Path, scope: &Scope<'_>) -> Option<Node> {
    let place = |(file, span): &(String, Span)| (paths::join(&scope.lookup, Path::new(file)), Some(span.clone()));
    let files: Vec<(PathBuf, Option<Span>)> = wanted.paths.iter().map(place).collect();
    let (first, _) = files.first()?;
    let mut including = scope.including.clone();
    including.push(path.to_owned());
    if including.contains(first) || including.len() > MAX_CHAIN {
        return cycle(loader, &including, first, &wanted.span);
    }
    let directory = match wanted.project_directory.as_str() {
        "" => first.parent().unwrap_or(Path::new("/")).to_owned(),
        given => paths::join(&scope.lookup, Path::new(given)),
    };
    // As in docker compose, relative paths start in the parent of a folder that does not exist.
    let folder = match loader.files.kind(&directory) {
        Some(Kind::Folder) => directory.clone(),
        _ if Path::new(&wanted.project_directory).is_absolute() => directory.clone(),
        _ => directory.parent().unwrap_or(&directory).to_owned(),
    };
    let folder = if wanted.project_directory.is_empty() { directory.clone() } else { folder };
    let variables = variables(loader, wanted, &directory, scope)?;
    let inner = Scope { folder, lookup: directory, variables: &variables, including };
    loader.model(&files, &inner)
}

/// The variables of the included files: those of this file, over those of the entry's own `.env`.
fn variables(loader: &mut Loader<'_>, wanted: &Wanted, directory: &Path, scope: &Scope<'_>) -> Option<Variables> {
    let mut own = Vec::new();
    if wanted.env_files.is_empty() {
        let default = directory.join(".env");
        if loader.files.kind(&default) == Some(Kind::File) {
            own.push((default, None));
        }
    }
    for (file, span) in &wanted.env_files {
        let path = paths::join(&scope.lookup, Path::new(file));
        if loader.files.kind(&path) == Some(Kind::Folder) {
            let error = Finding::new(Code::File, format!("{} is not a file", path.display()));
            loader.report(error, Some(span));
            return None;
        }
        own.push((path, Some(span.clone())));
    }
    let owner = Owner::Include(wanted.span.clone());
    let mut variables = env_files(loader, &own, scope.variables, Some(&owner));
    for (name, value) in scope.variables {
        variables.insert(name.clone(), value.clone());
    }
    Some(variables)
}

fn cycle(loader: &mut Loader<'_>, including: &[PathBuf], again: &Path, span: &Span) -> Option<Node> {
    let mut text = String::from("include cycle detected: ");
    for file in including {
        text.push_str(&format!("{} includes ", file.display()));
    }
    text.push_str(&again.display().to_string());
    loader.findings.error(
        Finding::new(Code::Reference, text)
            .at(span)
            .path("include")
            .hint("remove one `include` of the circle"),
    );
    None
}

/// Adds resources; one that is there already must be the same.
fn import(loader: &mut Loader<'_>, model: Node, document: &mut Node, span: &Span) {
    let Value::Map(sections) = model.value else {
        return;
    };
    for (section, entry) in sections {
        let known = ["services", "volumes", "networks", "secrets", "configs", "models"];
        let Value::Map(resources) = entry.node.value else {
            continue;
        };
        if !known.contains(&&*section) {
            continue;
        }
        if document.get(&section).is_none() {
            let node = Node::new(&entry.node.span, Value::Map(Map::new()));
            document.set(&section, node);
        }
        let Some(own) = document.get_mut(&section).and_then(Node::as_map_mut) else {
            continue;
        };
        for (name, resource) in resources {
            match own.get(&name) {
                None => {
                    own.insert(name, resource);
                }
                Some(there) if there.node.same(&resource.node) => {}
                Some(there) => loader.findings.error(
                    Finding::new(Code::Conflict, format!("{section}.{name} conflicts with imported resource"))
                        .at(&there.key)
                        .path(format!("{section}.{name}"))
                        .label("defined here")
                        .note(&resource.key, "and differently here")
                        .note(span, "included here")
                        .hint("rename one of them, or change it in an override file"),
                ),
            }
        }
    }
}

//! Short forms of devices, files of variables, contexts, keys, and of resources made elsewhere.

use super::{Fault, to_list, wrap};
use crate::error::{Code, Finding};
use crate::findings::Findings;
use crate::tree::{Map, Node, Value};

/// `SOURCE[:TARGET[:PERMISSIONS]]`
pub(super) fn device(node: &Node) -> Result<Option<Node>, Fault> {
    let Some(text) = node.as_str() else {
        if node.as_map().is_some() && node.get("target").is_none() {
            return Err(Fault::new(
                Code::MissingKey,
                "a service device is missing its mount target",
                "`target` is the path inside the container",
            ));
        }
        return Ok(None);
    };
    let fields: Vec<&str> = text.split(':').collect();
    let (source, target, permissions) = match fields.as_slice() {
        [source] => (*source, *source, "rwm"),
        [source, target] => (*source, *target, "rwm"),
        [source, target, permissions] => (*source, *target, *permissions),
        _ => {
            return Err(Fault::new(
                Code::InvalidValue,
                format!("confusing device mapping, please use long syntax: {text}"),
                "write SOURCE[:TARGET[:PERMISSIONS]]",
            ));
        }
    };
    if source.is_empty() || target.is_empty() {
        let message = format!("invalid device `{text}`: a path is empty");
        return Err(Fault::new(Code::InvalidValue, message, "write SOURCE[:TARGET[:PERMISSIONS]]"));
    }
    let mut long = Node::new(&node.span, Value::Map(Map::new()));
    for (key, value) in [("source", source), ("target", target), ("permissions", permissions)] {
        long.set(key, Node::str(&node.span, value));
    }
    Ok(Some(long))
}

/// A dependency is required unless it says otherwise.
pub(super) fn dependencies(node: &mut Node) {
    let Some(map) = node.as_map_mut() else { return };
    for entry in map.values_mut() {
        let span = entry.node.span.clone();
        if entry.node.get("required").is_none() {
            entry.node.set("required", Node::new(&span, Value::Bool(true)));
        }
    }
}

/// A path, or a list of paths and mappings.
pub(super) fn env_files(node: &mut Node) {
    to_list(node);
    let Value::List(list) = &mut node.value else {
        return;
    };
    for item in list {
        wrap(item, "path");
        if item.get("required").is_none() {
            item.set("required", Node::new(&item.span.clone(), Value::Bool(true)));
        }
    }
}

/// A list of `KEY=VALUE` becomes a mapping.
pub(super) fn key_values(node: &mut Node) -> Result<(), Fault> {
    let Value::List(list) = &node.value else {
        return Ok(());
    };
    let mut map = Node::new(&node.span, Value::Map(Map::new()));
    for item in list {
        let text = item.text().unwrap_or_default();
        let Some((key, value)) = text.split_once('=') else {
            return Err(Fault::new(Code::InvalidValue, format!("invalid value `{text}`, expected key=value"), "write NAME=PATH"));
        };
        map.set(key, Node::str(&item.span, value));
    }
    *node = map;
    Ok(())
}

/// A list of `ID` and `ID=PATH` becomes a mapping of id to path or nothing.
pub(super) fn ssh(node: &mut Node) -> Result<(), Fault> {
    let Value::List(list) = &node.value else {
        return Ok(());
    };
    let mut map = Node::new(&node.span, Value::Map(Map::new()));
    for item in list {
        let text = item.text().unwrap_or_default();
        // The second form is what docker compose writes.
        match text.split_once('=').or_else(|| text.split_once(": ")) {
            Some((id, path)) => map.set(id, Node::str(&item.span, path)),
            // The agent of the environment under that name: BuildKit takes any, and so does the mapping form.
            None if !text.is_empty() && !text.contains(|it: char| it.is_whitespace() || it == ':') => {
                map.set(&text, Node::new(&item.span, Value::Null));
            }
            None => {
                return Err(Fault::new(Code::InvalidValue, format!("invalid ssh key `{text}`"), "write ID or ID=PATH"));
            }
        }
    }
    *node = map;
    Ok(())
}

/// Patterns of `develop.watch` may be a single text.
pub(super) fn watches(node: &mut Node) {
    let Some(Value::List(list)) = node.get_mut("watch").map(|node| &mut node.value) else {
        return;
    };
    for watch in list {
        for key in ["ignore", "include"] {
            if let Some(node) = watch.get_mut(key) {
                to_list(node);
            }
        }
    }
}

/// `external: {name: X}` becomes `external: true` and `name: X`.
pub(super) fn external(node: &mut Node, path: &str, findings: &mut Findings) {
    let Some(external) = node.get("external") else {
        return;
    };
    let Some(map) = external.as_map() else {
        return;
    };
    let span = external.span.clone();
    let old = map.get("name").map(|entry| entry.node.clone());
    findings.warn(
        Code::Obsolete,
        format!("{path}: external.name is deprecated. Please set name and external: true"),
        Some(&span),
    );
    node.set("external", Node::new(&span, Value::Bool(true)));
    let Some(old) = old else { return };
    match node.get("name") {
        Some(name) if !name.same(&old) => findings.error(
            Finding::new(Code::Conflict, "name and external.name conflict; only use name")
                .at(&old.span)
                .path(path)
                .note(&name.span, "the other name"),
        ),
        Some(_) => {}
        None => node.set("name", old),
    }
}

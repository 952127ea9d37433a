//! Removes what a later file said again: of two list entries with the same key, the later one takes the earlier one's place.

use std::collections::HashMap;

use crate::canonical::volume_target;
use crate::findings::Findings;
use crate::path::Step;
use crate::tree::{Node, Value};

/// Applies the rule to every list that has one.
pub(crate) fn enforce(node: &mut Node, findings: &mut Findings) {
    walk(node, &mut Vec::new(), findings);
}

fn walk<'a>(node: &'a mut Node, path: &mut Vec<Step<'a>>, findings: &mut Findings) {
    match &mut node.value {
        Value::Map(map) => {
            for (key, entry) in map {
                if path.is_empty() && key.starts_with("x-") {
                    continue;
                }
                path.push(Step::Key(key));
                walk(&mut entry.node, path, findings);
                path.pop();
            }
        }
        Value::List(list) => {
            if let Some(index) = indexer(path) {
                if list.len() < 2 {
                    return;
                }
                let mut kept: Vec<Node> = Vec::with_capacity(list.len());
                let mut places: HashMap<String, usize> = HashMap::new();
                for item in list.drain(..) {
                    match index(&item) {
                        Some(key) => match places.get(&key) {
                            Some(&place) => {
                                replaced(path, &key, &kept[place], &item, findings);
                                kept[place] = item;
                            }
                            None => {
                                places.insert(key, kept.len());
                                kept.push(item);
                            }
                        },
                        None => kept.push(item),
                    }
                }
                *list = kept;
                return;
            }
            for (index, item) in list.iter_mut().enumerate() {
                path.push(Step::Item(index));
                walk(item, path, findings);
                path.pop();
            }
        }
        _ => {}
    }
}

/// Records an entry that a later one replaced; variables and labels go by their names.
fn replaced(path: &[Step<'_>], key: &str, old: &Node, new: &Node, findings: &mut Findings) {
    match old.as_str().and_then(|text| text.strip_prefix(key)?.strip_prefix('=')) {
        Some(value) => {
            let mut path = path.to_vec();
            path.push(Step::Key(key));
            findings.overridden(&path, &Node::str(&old.span, value), Some(&new.span));
        }
        None => findings.overridden(path, old, Some(&new.span)),
    }
}

type Indexer = fn(&Node) -> Option<String>;

fn indexer(path: &[Step<'_>]) -> Option<Indexer> {
    use Step::Key;
    let indexer: Indexer = match path {
        [Key("services"), Key(_), rest @ ..] => match rest {
            [
                Key(
                    "annotations" | "cap_add" | "cap_drop" | "dns" | "dns_opt" | "dns_search" | "environment" | "labels" | "links"
                    | "profiles" | "sysctls" | "tmpfs",
                ),
            ]
            | [Key("build"), Key("args" | "additional_contexts" | "platforms" | "tags" | "labels")]
            | [Key("deploy"), Key("labels")]
            | [Key("networks"), Key(_), Key("aliases" | "link_local_ips")] => pair,
            [Key("expose")] => Node::text,
            [Key("volumes")] => volume,
            [Key("devices")] => device,
            [Key("secrets")] => secret,
            [Key("configs")] => config,
            [Key("env_file")] => env_file,
            [Key("ports")] => port,
            _ => return None,
        },
        [Key("networks"), Key(_), Key("labels")] => pair,
        _ => return None,
    };
    Some(indexer)
}

/// The part before `=`.
fn pair(node: &Node) -> Option<String> {
    let text = node.text()?;
    Some(text.split_once('=').map_or(text.as_str(), |(key, _)| key).to_owned())
}

fn volume(node: &Node) -> Option<String> {
    match node.as_str() {
        Some(text) => volume_target(text),
        None => node.get("target")?.text(),
    }
}

fn device(node: &Node) -> Option<String> {
    match node.as_str() {
        Some(text) => text.split(':').nth(usize::from(text.contains(':'))).map(str::to_owned),
        None => node.get("target").or_else(|| node.get("source"))?.text(),
    }
}

fn secret(node: &Node) -> Option<String> {
    mount(node, "/run/secrets")
}

fn config(node: &Node) -> Option<String> {
    mount(node, "")
}

fn mount(node: &Node, folder: &str) -> Option<String> {
    if let Some(target) = node.get("target") {
        return target.text();
    }
    let source = node.text().or_else(|| node.get("source")?.text())?;
    Some(format!("{folder}/{source}"))
}

fn env_file(node: &Node) -> Option<String> {
    node.text().or_else(|| node.get("path")?.text())
}

fn port(node: &Node) -> Option<String> {
    if node.as_map().is_none() {
        return node.text();
    }
    let part = |key: &str, otherwise: &str| {
        let text = node.get(key).and_then(Node::text).unwrap_or_default();
        if text.is_empty() { otherwise.to_owned() } else { text }
    };
    // The reference tells a published number from a published text, so both entries stay.
    let number = matches!(node.get("published").map(|node| &node.value), Some(Value::Int(_)));
    let kind = if number { "#" } else { "" };
    Some(format!(
        "{}:{kind}{}:{}/{}",
        part("host_ip", "0.0.0.0"),
        part("published", ""),
        node.get("target")?.text()?,
        part("protocol", "tcp"),
    ))
}

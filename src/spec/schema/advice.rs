//! What was most likely meant by a value of the wrong type, or by a name that is unknown.

use super::check::{closest, fits};
use super::shape::{Form, Object, Shape};
use crate::path::Step;
use crate::tree::{Node, Value};

/// Names at the top level whose content some write below `services`.
const SECTIONS: [&str; 4] = ["volumes", "networks", "secrets", "configs"];

/// Returns what to write instead of a value that has the wrong type.
pub(super) fn for_type(node: &Node, shape: &Shape, path: &[Step<'_>]) -> Option<String> {
    if let Some(hint) = by_name(node, path) {
        return Some(hint);
    }
    let takes = |value: Value| fits(&Node::new(&node.span, value), shape);
    let takes_text = takes(Value::Str(String::new()));
    match &node.value {
        Value::Null => Some("give it a value, or remove the line".to_owned()),
        Value::Int(_) | Value::Large(_) | Value::Float(_) | Value::Bool(_) | Value::Time(_) if takes_text => for_scalar(node, shape),
        Value::Str(text) if text.starts_with('-') && takes(Value::List(Vec::new())) => {
            Some("write a blank behind each `-`: `- item`".to_owned())
        }
        Value::Str(text) if takes(Value::Map(crate::tree::Map::new())) && text.contains(" = ") => {
            Some("write a colon in place of `=`: `key: value`".to_owned())
        }
        Value::Str(text) if glued(text) => Some("write a blank behind each colon: `key: value`".to_owned()),
        Value::Str(text) if takes(Value::List(Vec::new())) => Some(format!("write a list: [\"{text}\"]")),
        Value::Map(map) if takes_text && map.len() == 1 => pair(map.iter().next()?, path),
        Value::List(list) if takes_text && list.len() == 1 && list[0].as_str().is_some() => {
            Some(format!("write it without {}: {}", marks(node), list[0].as_str()?))
        }
        Value::List(list) if takes(Value::Map(crate::tree::Map::new())) => {
            let name = list.first().and_then(Node::as_map).and_then(|map| map.keys().next())?;
            Some(format!("write its entries without {}: `{name}:`", marks(node)))
        }
        _ => None,
    }
}

/// A number or a truth value where a text is taken too: in quotes, unless the text would be refused as well.
fn for_scalar(node: &Node, shape: &Shape) -> Option<String> {
    let takes = |value: Value| fits(&Node::new(&node.span, value), shape);
    let text = node.text().unwrap_or_default();
    match &node.value {
        Value::Int(_) | Value::Float(_) if matches!(shape, Shape::Form(Form::Duration, _)) => {
            Some(format!("a duration needs a unit: {text}s"))
        }
        Value::Int(_) | Value::Float(_) if takes(Value::Bool(true)) => Some("write true or false".to_owned()),
        Value::Float(_) if takes(Value::Int(0)) => Some("write a whole number".to_owned()),
        Value::Bool(_) if takes(Value::Int(0)) => Some("write a number".to_owned()),
        _ => Some(format!("write it in quotes: \"{text}\"")),
    }
}

/// What a list is written with.
fn marks(list: &Node) -> &'static str {
    let text = list.span.source.text.get(list.span.range()).unwrap_or_default();
    if text.starts_with('[') { "the brackets" } else { "the `-`" }
}

/// What is so often written at these attributes that it can be named.
fn by_name(node: &Node, path: &[Step<'_>]) -> Option<String> {
    match (path, &node.value) {
        ([Step::Key("services")], Value::Null) => Some("indent the services below it, by two blanks".to_owned()),
        ([Step::Key("services"), Step::Key(_)], Value::Null) => Some("give it an `image` or a `build`, indented below it".to_owned()),
        ([Step::Key("services")], Value::Str(name)) => {
            Some(format!("begin a line of its own for the service, indented: `{}:`", name.trim_end_matches(':')))
        }
        ([.., Step::Key("restart")], Value::Bool(on)) => {
            let word = if *on { "always" } else { "\"no\"" };
            Some(format!("write {word}; the policies are \"no\", always, on-failure and unless-stopped"))
        }
        ([.., Step::Key("healthcheck")], Value::List(_) | Value::Str(_)) => {
            Some("the command belongs to `test`: healthcheck: {test: \"…\"}".to_owned())
        }
        ([Step::Key("networks" | "volumes"), Step::Key(name)], Value::Str(driver)) => Some(format!("write `{name}: {{driver: {driver}}}`")),
        _ => None,
    }
}

/// `- KEY: value` in a list of texts.
fn pair((key, entry): (&str, &crate::tree::Entry), path: &[Step<'_>]) -> Option<String> {
    let value = entry.node.text().unwrap_or_default();
    let pairs = matches!(
        path,
        [
            ..,
            Step::Key("environment" | "labels" | "args" | "annotations" | "sysctls" | "extra_hosts"),
            Step::Item(_)
        ]
    );
    Some(if pairs {
        format!("write `- {key}={value}`, or leave out the `-` of every entry")
    } else {
        format!("put it in quotes: \"{key}: {value}\"")
    })
}

/// `image:nginx`: keys and values without a blank between them.
fn glued(text: &str) -> bool {
    let word = text.split_whitespace().next().unwrap_or_default();
    word.split_once(':').is_some_and(|(key, value)| {
        !value.is_empty() && !value.starts_with('/') && !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    })
}

/// Returns what to do about an attribute that nobody knows.
pub(super) fn for_name(key: &str, value: &Node, object: &Object, path: &[Step<'_>], root: bool) -> String {
    if let Some(name) = closest(key, object.keys.iter().map(|(name, _)| *name)) {
        return format!("did you mean `{name}`?");
    }
    match path {
        [] if root && is_service(value) => format!("`{key}` looks like a service: indent it below `services:`"),
        [] if is_service(value) => format!("`{key}` looks like a service: put it below `services:`, indented"),
        [] => "at the top level stand services, networks, volumes, secrets, configs, models, include, name and x-*".to_owned(),
        [Step::Key("services"), Step::Key(section)] if SECTIONS.contains(section) => {
            format!("`{section}` stands below `services` and is read as a service: begin it at the first column")
        }
        _ => "check the indentation, or begin the name with `x-` for an attribute of your own".to_owned(),
    }
}

fn is_service(value: &Node) -> bool {
    ["image", "build", "command", "ports", "container_name"].iter().any(|key| value.get(key).is_some())
}

//! What a model says without being told: networks, names, dependencies, values taken from variables.

use crate::interpolate::Variables;
use crate::span::Span;
use crate::tree::{Map, Node, Value};

/// Adds what is implied; `name` is the project's.
pub(crate) fn normalize(model: &mut Node, name: &str, variables: &Variables) {
    let mut default_network = None;
    if let Some(services) = model.get_mut("services").and_then(Node::as_map_mut) {
        for entry in services.values_mut() {
            let span = entry.key.clone();
            let service = &mut entry.node;
            if service.as_map().is_none() {
                continue;
            }
            attach(service, &span);
            if service.get("networks").is_some_and(|networks| networks.get("default").is_some()) {
                default_network.get_or_insert(span.clone());
            }
            if service.get("pull_policy").and_then(Node::as_str) == Some("if_not_present") {
                set_text(service, "pull_policy", "missing");
            }
            build(service, variables);
            if let Some(environment) = service.get_mut("environment") {
                resolve(environment, variables, true);
            }
            dependencies(service);
        }
    }
    if let Some(span) = default_network {
        section(model, "networks", &span);
        if let Some(networks) = model.get_mut("networks")
            && networks.get("default").is_none()
        {
            networks.set("default", Node::new(&span, Value::Map(Map::new())));
        }
    }
    for section in ["networks", "volumes", "configs", "secrets"] {
        if let Some(map) = model.get_mut(section).and_then(Node::as_map_mut) {
            for (key, entry) in map {
                name_resource(&mut entry.node, key, name, &entry.key);
            }
        }
    }
}

fn section(model: &mut Node, key: &str, span: &Span) {
    if model.get(key).is_none() {
        model.set(key, Node::new(span, Value::Map(Map::new())));
    }
}

fn set_text(node: &mut Node, key: &str, text: &str) {
    if let Some(node) = node.get_mut(key) {
        node.value = Value::Str(text.to_owned());
    }
}

/// A service joins the default network unless it says otherwise.
fn attach(service: &mut Node, span: &Span) {
    let joins = service.get("networks").and_then(Node::as_map).is_some_and(|map| !map.is_empty());
    if joins || service.get("network_mode").is_some() || service.get("provider").is_some() {
        return;
    }
    let mut networks = Node::new(span, Value::Map(Map::new()));
    networks.set("default", Node::new(span, Value::Null));
    service.set("networks", networks);
}

fn build(service: &mut Node, variables: &Variables) {
    let Some(build) = service.get_mut("build") else {
        return;
    };
    let span = build.span.clone();
    let blank = |node: Option<&Node>| node.and_then(Node::as_str).is_none_or(str::is_empty);
    if blank(build.get("dockerfile")) && blank(build.get("dockerfile_inline")) {
        build.set("dockerfile", Node::str(&span, "Dockerfile"));
    }
    if let Some(args) = build.get_mut("args") {
        resolve(args, variables, false);
    }
}

/// Gives keys without a value the one of the variables; keys unknown there stay or go.
fn resolve(node: &mut Node, variables: &Variables, keep: bool) {
    match &mut node.value {
        Value::Map(map) => map.retain(|key, entry| {
            if !entry.node.is_null() {
                return true;
            }
            match variables.get(key) {
                Some(value) => {
                    entry.node.value = Value::Str(value.clone());
                    true
                }
                None => keep,
            }
        }),
        Value::List(list) => list.retain_mut(|item| {
            let Value::Str(text) = &mut item.value else {
                return true;
            };
            if text.contains('=') {
                return true;
            }
            match variables.get(text.as_str()) {
                Some(value) => {
                    *text = format!("{text}={value}");
                    true
                }
                None => keep,
            }
        }),
        _ => {}
    }
}

/// Services that other attributes refer to are dependencies too.
fn dependencies(service: &mut Node) {
    let mut found: Vec<(String, Span, bool)> = Vec::new();
    let items = |key: &str| service.get(key).and_then(Node::as_list).unwrap_or(&[]);
    for link in items("links") {
        if let Some(text) = link.as_str() {
            let name = text.split(':').next().unwrap_or(text);
            found.push((name.to_owned(), link.span.clone(), true));
        }
    }
    for key in ["network_mode", "ipc", "pid", "uts", "cgroup"] {
        let node = service.get(key);
        let name = node.and_then(Node::as_str).and_then(|text| text.strip_prefix("service:"));
        if let (Some(name), Some(node)) = (name, node) {
            found.push((name.to_owned(), node.span.clone(), true));
        }
    }
    for from in items("volumes_from") {
        match from.as_str() {
            Some(text) if !text.starts_with("container:") => {
                let name = text.split(':').next().unwrap_or(text);
                found.push((name.to_owned(), from.span.clone(), false));
            }
            _ => {}
        }
    }
    for (name, span, restart) in found {
        if service.get("depends_on").is_none_or(|node| node.as_map().is_none()) {
            service.set("depends_on", Node::new(&span, Value::Map(Map::new())));
        }
        if let Some(known) = service.get_mut("depends_on")
            && known.get(&name).is_none()
        {
            let mut dependency = crate::canonical::dependency(&Node::new(&span, Value::Null));
            dependency.set("restart", Node::new(&span, Value::Bool(restart)));
            known.set(&name, dependency);
        }
    }
}

/// A resource is called `PROJECT_KEY` on the engine, or `KEY` if somebody else made it.
fn name_resource(node: &mut Node, key: &str, project: &str, span: &Span) {
    if node.is_null() {
        node.value = Value::Map(Map::new());
    }
    if node.get("name").and_then(Node::as_str).is_some_and(|name| !name.is_empty()) {
        return;
    }
    let external = match node.get("external").map(|node| &node.value) {
        Some(Value::Bool(external)) => *external,
        Some(Value::Str(text)) => text == "true",
        _ => false,
    };
    let name = if external { key.to_owned() } else { format!("{project}_{key}") };
    node.set("name", Node::str(span, name));
}

//! Values of attributes that were left out, and rules on attributes of one resource.

use crate::error::{Code, Finding};
use crate::findings::Findings;
use crate::tree::{Node, Value};

/// Sets defaults.
pub(crate) fn set(model: &mut Node) {
    let Some(services) = model.get_mut("services").and_then(Node::as_map_mut) else {
        return;
    };
    for entry in services.values_mut() {
        let service = &mut entry.node;
        if let Some(build) = service.get_mut("build")
            && build.get("context").is_none()
        {
            build.set("context", Node::str(&build.span.clone(), "."));
        }
        for secret in list(service.get_mut("secrets")) {
            let source = secret.get("source").and_then(Node::text);
            if let (None, Some(source)) = (secret.get("target"), source) {
                secret.set("target", Node::str(&secret.span.clone(), format!("/run/secrets/{source}")));
            }
        }
        for port in list(service.get_mut("ports")) {
            for (key, value) in [("protocol", "tcp"), ("mode", "ingress")] {
                if port.get(key).is_none() && port.as_map().is_some() {
                    port.set(key, Node::str(&port.span.clone(), value));
                }
            }
        }
    }
}

fn list(node: Option<&mut Node>) -> &mut [Node] {
    match node.map(|node| &mut node.value) {
        Some(Value::List(list)) => list,
        _ => &mut [],
    }
}

/// Removes empty DNS servers; a variable that is not set must not become one.
pub(crate) fn omit_empty(model: &mut Node) {
    let Some(services) = model.get_mut("services").and_then(Node::as_map_mut) else {
        return;
    };
    for entry in services.values_mut() {
        if let Some(Value::List(servers)) = entry.node.get_mut("dns").map(|node| &mut node.value) {
            servers.retain(|server| !(server.is_null() || server.as_str() == Some("")));
        }
    }
}

/// Checks where secrets and configs come from, what external resources may say, and mounts.
pub(crate) fn check(model: &Node, findings: &mut Findings) {
    each(model, "secrets", |path, node| {
        source(node, path, &["file", "environment"], findings);
    });
    each(model, "configs", |path, node| {
        source(node, path, &["file", "environment", "content"], findings);
    });
    each(model, "volumes", |path, node| external(node, path, findings));
    each(model, "services", |path, service| {
        for (index, volume) in items(service.get("volumes")).iter().enumerate() {
            let bind = volume.get("type").and_then(Node::as_str) == Some("bind");
            if bind && volume.get("source").is_none() {
                findings.error(
                    Finding::new(Code::MissingKey, "invalid mount config for type \"bind\": field Source must not be empty")
                        .at(&volume.span)
                        .path(format!("{path}.volumes[{index}]"))
                        .hint("`source` is the path on the host"),
                );
            }
        }
        let watches = service.get("develop").and_then(|develop| develop.get("watch"));
        for (index, watch) in items(watches).iter().enumerate() {
            if let Some(node) = watch.get("path").filter(|node| node.as_str() == Some("")) {
                findings.error(
                    Finding::new(Code::InvalidValue, "value can't be blank")
                        .at(&node.span)
                        .path(format!("{path}.develop.watch[{index}].path")),
                );
            }
        }
    });
}

fn items(node: Option<&Node>) -> &[Node] {
    node.and_then(Node::as_list).unwrap_or(&[])
}

fn each(model: &Node, section: &str, mut work: impl FnMut(&str, &Node)) {
    if let Some(map) = model.get(section).and_then(Node::as_map) {
        for (name, entry) in map {
            work(&format!("{section}.{name}"), &entry.node);
        }
    }
}

fn source(node: &Node, path: &str, keys: &[&str], findings: &mut Findings) {
    let Some(map) = node.as_map() else { return };
    let given: Vec<_> = keys.iter().filter_map(|key| map.get(key)).collect();
    let all = keys.join("|");
    match given.as_slice() {
        [] if !map.contains_key("driver") && !map.contains_key("external") => {
            findings.error(Finding::new(Code::MissingKey, format!("one of {all} must be set")).at(&node.span).path(path))
        }
        [] | [_] => {}
        [first, .., last] => findings.error(
            Finding::new(Code::Conflict, format!("{all} attributes are mutually exclusive"))
                .at(&last.key)
                .path(path)
                .note(&first.key, "the other one")
                .hint("keep one of them"),
        ),
    }
}

fn external(node: &Node, path: &str, findings: &mut Findings) {
    let Some(map) = node.as_map() else { return };
    let Some(external) = map.get("external").filter(|entry| matches!(entry.node.value, Value::Bool(true))) else {
        return;
    };
    for (key, entry) in map {
        if matches!(key, "name" | "external") || key.starts_with("x-") {
            continue;
        }
        findings.error(
            Finding::new(Code::Conflict, format!("conflicting parameters \"external\" and \"{key}\" specified"))
                .at(&entry.key)
                .path(path)
                .note(&external.key, "made elsewhere, says this line")
                .hint("what is made elsewhere cannot be configured here; remove one of the two"),
        );
    }
}

//! Why a container differs: what is wanted against what the engine shows, less the image's defaults.

use std::collections::BTreeSet;

use rcompose_engine_adapter::{ContainerSpec, ImageConfig};
use serde_json::{Map, Value};

use crate::{FieldChange, Shown, is_private};

/// Fields that say nothing about a change of configuration.
const IGNORED: &[&str] = &["name", "auto_remove"];

/// Fields that an engine may not tell of a container: where it does not, that is no difference.
const UNTOLD: &[&str] = &["files", "platform", "mac_address"];

/// Groups of fields that a compose file does not have, so their names are left out of paths.
const GROUPS: &[&str] = &["process", "resources", "security", "namespaces"];

/// Returns the fields that differ, ordered by path.
pub(crate) fn changes(wanted: &ContainerSpec, found: &ContainerSpec, image: Option<&ImageConfig>) -> Vec<FieldChange> {
    let (Ok(Value::Object(mut to)), Ok(Value::Object(mut from))) = (serde_json::to_value(wanted), serde_json::to_value(found)) else {
        return Vec::new();
    };
    for object in [&mut to, &mut from] {
        IGNORED.iter().for_each(|key| drop(object.remove(*key)));
        own_labels_out(object);
        carried_out(object);
        flatten(object);
    }
    [&mut to, &mut from].into_iter().for_each(ordered);
    UNTOLD
        .iter()
        .filter(|field| from.get(**field).is_none_or(is_nothing))
        .for_each(|field| drop(to.remove(*field)));
    if let Some(image) = image {
        defaults_out(&mut from, &to, image);
    }
    let mut all = Vec::new();
    compare("", &Value::Object(from), &Value::Object(to), &mut all);
    let private: BTreeSet<&str> = wanted.private_environment.union(&found.private_environment).map(String::as_str).collect();
    all.iter_mut().for_each(|change| hide(change, &private));
    all
}

fn own_labels_out(object: &mut Map<String, Value>) {
    if let Some(Value::Object(labels)) = object.get_mut("labels") {
        labels.retain(|key, _| !key.starts_with("com.docker.compose.") && !key.starts_with("dev.rcompose."));
    }
}

/// Which volume an anonymous mount carries over is no configuration.
fn carried_out(object: &mut Map<String, Value>) {
    for mount in object.get_mut("mounts").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(Value::Object(kind)) = mount.get_mut("kind") {
            kind.remove("carry");
        }
    }
}

/// Brings to one form what engines give back in another: the order of networks, no limit of processes, whole seconds; and ports to the form
/// in which they are written.
fn ordered(object: &mut Map<String, Value>) {
    for port in object.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let written = match port["published"].as_array().map(Vec::as_slice) {
            Some([first, last]) if first == last => Some(first.clone()),
            Some([first, last]) => Some(Value::from(format!("{first}-{last}"))),
            _ => None,
        };
        if let (Some(written), Value::Object(port)) = (written, port) {
            port.insert("published".to_owned(), written);
        }
    }
    if let Some(Value::Array(attachments)) = object.get_mut("network").and_then(|network| network.get_mut("attachments")) {
        attachments.sort_by_key(|attachment| attachment["network"].to_string());
    }
    if object.get("pids") == Some(&Value::from(-1)) {
        object.insert("pids".to_owned(), Value::Null);
    }
    if let Some(Value::Object(grace)) = object.get("stop_grace") {
        let whole = |key: &str| grace.get(key).and_then(Value::as_u64).unwrap_or(0);
        let seconds = whole("secs") + u64::from(whole("nanos") > 0);
        object.insert("stop_grace".to_owned(), Value::from(format!("{seconds}s")));
    }
}

fn flatten(object: &mut Map<String, Value>) {
    for group in GROUPS {
        if let Some(Value::Object(inner)) = object.remove(*group) {
            object.extend(inner);
        }
    }
}

/// Takes out of what was found all that the image alone explains.
fn defaults_out(found: &mut Map<String, Value>, wanted: &Map<String, Value>, image: &ImageConfig) {
    let entries = [("environment", &image.environment), ("labels", &image.labels)];
    for (field, defaults) in entries {
        let Some(Value::Object(values)) = found.get_mut(field) else {
            continue;
        };
        let asked = |key: &str| wanted.get(field).and_then(|it| it.get(key)).is_some();
        values.retain(|key, value| asked(key) || defaults.get(key).map(String::as_str) != value.as_str());
    }
    let scalars = [
        ("entrypoint", serde_json::json!(image.entrypoint)),
        ("command", serde_json::json!(image.command)),
        ("user", serde_json::json!(image.user)),
        ("working_dir", serde_json::json!(image.working_dir)),
        ("stop_signal", serde_json::json!(image.stop_signal)),
        ("healthcheck", serde_json::json!(image.healthcheck)),
    ];
    for (field, default) in scalars {
        if wanted.get(field).is_none_or(Value::is_null) && found.get(field) == Some(&default) {
            found.insert(field.to_owned(), Value::Null);
        }
    }
    if let Some(Value::Array(expose)) = found.get_mut("expose") {
        let asked = |port: &Value| wanted.get("expose").and_then(Value::as_array).is_some_and(|list| list.contains(port));
        expose.retain(|port| asked(port) || !port.as_str().is_some_and(|text| image.expose.contains(text)));
    }
}

fn compare(path: &str, from: &Value, to: &Value, all: &mut Vec<FieldChange>) {
    match (from, to) {
        (Value::Object(before), Value::Object(after)) => {
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(&path, before.get(key).unwrap_or(&Value::Null), after.get(key).unwrap_or(&Value::Null), all);
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() && before.iter().all(Value::is_object) => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                compare(&format!("{path}[{index}]"), before, after, all);
            }
        }
        _ if from == to || is_nothing(from) && is_nothing(to) => {}
        _ => all.push(FieldChange { path: path.to_owned(), from: shown(from), to: shown(to) }),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.values().all(is_nothing),
        Value::String(text) => text.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

fn shown(value: &Value) -> Shown {
    match value {
        _ if is_nothing(value) => Shown::Absent,
        Value::String(text) => Shown::Value(text.clone()),
        other => Shown::Value(other.to_string()),
    }
}

fn hide(change: &mut FieldChange, private: &BTreeSet<&str>) {
    let Some(key) = change.path.strip_prefix("environment") else {
        return;
    };
    // All of it at once may hold whatever must not be seen.
    let Some(key) = key.strip_prefix('.') else {
        (change.from, change.to) = (Shown::Hidden, Shown::Hidden);
        return;
    };
    let credentials = [&change.from, &change.to]
        .into_iter()
        .any(|side| matches!(side, Shown::Value(value) if is_private(key, value)));
    if private.contains(key) || credentials {
        change.from = Shown::Hidden;
        change.to = Shown::Hidden;
    }
}

//! The resolved document → [`Project`].

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use crate::decode::decode;
use crate::findings::Findings;
use crate::model::{Project, Services};
use crate::tree::Node;

/// Reads every part; mistakes are reported and left out.
pub(crate) fn read(model: &Node, findings: &mut Findings) -> Project {
    let mut services: Services = section(model, "services", findings);
    for (name, service) in &mut services {
        service.name.clone_from(name);
    }
    Project {
        services,
        networks: section(model, "networks", findings),
        volumes: section(model, "volumes", findings),
        secrets: section(model, "secrets", findings),
        configs: section(model, "configs", findings),
        models: section(model, "models", findings),
        ..Project::default()
    }
}

fn section<T: DeserializeOwned>(model: &Node, key: &str, findings: &mut Findings) -> BTreeMap<String, T> {
    let mut all = BTreeMap::new();
    let Some(map) = model.get(key).and_then(Node::as_map) else {
        return all;
    };
    for (name, entry) in map {
        if let Some(value) = part(&entry.node, &format!("{key}.{name}"), findings) {
            all.insert(name.to_owned(), value);
        }
    }
    all
}

/// Reads one resource; attributes with a mistake are left out, so that the others are checked too.
fn part<T: DeserializeOwned>(node: &Node, path: &str, findings: &mut Findings) -> Option<T> {
    let failure = match decode(node) {
        Ok(value) => return Some(value),
        Err(failure) => failure,
    };
    let mut rest = node.clone();
    let mut failure = Some(failure);
    while let Some(found) = failure {
        let key = found.outermost().map(str::to_owned);
        findings.error(found.into_error(path));
        rest.as_map_mut()?.shift_remove(&key?)?;
        match decode(&rest) {
            Ok(value) => return Some(value),
            Err(next) => failure = Some(next),
        }
    }
    None
}

//! The configuration hash, and the keyed digests of the content of configs and secrets.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use rcompose_engine_adapter::{ConfigHash, Hole};
use rcompose_spec::hash::Dialect;
use rcompose_spec::model::Service;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::Lowering;
use super::container::seccomp_profile;
use crate::{FieldChange, Input, Shown, World};

pub(super) fn config_hash(lowering: &Lowering<'_>, service: &Service) -> ConfigHash {
    let mut holes = Vec::new();
    let mut filled = service.clone();
    let mut mark = |mode: &mut String| {
        let Some(container) = mode.strip_prefix("service:").and_then(|name| lowering.first(name)) else {
            return;
        };
        // A character that JSON writes as it is and that no name of a container can hold.
        let marker = format!("@{container}@");
        *mode = format!("container:{marker}");
        holes.push(Hole { marker, container });
    };
    // docker compose resolves no other namespaces before it hashes.
    for mode in [&mut filled.network_mode, &mut filled.ipc, &mut filled.pid] {
        mark(mode);
    }
    for entry in &mut filled.volumes_from {
        *entry = match entry.strip_prefix("container:") {
            Some(outside) => outside.split(':').next().unwrap_or_default().to_owned(),
            None => match lowering.first(entry.split(':').next().unwrap_or_default()) {
                Some(container) => {
                    let marker = format!("@{container}@");
                    holes.push(Hole { marker: marker.clone(), container });
                    marker
                }
                None => entry.clone(),
            },
        };
    }
    let other = rcompose_spec::hash::has_dialects(&filled).then(|| rcompose_spec::hash::service(filled.clone(), Dialect::V2));
    ConfigHash {
        preimage: rcompose_spec::hash::service(filled, Dialect::V5),
        dialects: other.into_iter().collect(),
        holes,
    }
}

/// The label's value: which key made it, and a digest by input.
#[derive(Debug, Serialize, Deserialize)]
struct Label {
    key: String,
    inputs: BTreeMap<String, String>,
}

/// Returns the label's value; `None` without a key or without inputs.
pub(crate) fn inputs(world: &World, service: &Service) -> Option<String> {
    let key = world.inputs_key.as_ref()?;
    let inputs = digests(world, service, key);
    if inputs.is_empty() {
        return None;
    }
    serde_json::to_string(&Label { key: key_id(key), inputs }).ok()
}

/// Returns the inputs whose content differs from a label found; an absent or foreign label says nothing.
pub(crate) fn inputs_differ(world: &World, service: &Service, found: Option<&str>) -> Vec<FieldChange> {
    let (Some(key), Some(found)) = (world.inputs_key.as_ref(), found) else {
        return Vec::new();
    };
    let Ok(found) = serde_json::from_str::<Label>(found) else {
        return Vec::new();
    };
    if found.key != key_id(key) {
        return Vec::new();
    }
    let now = digests(world, service, key);
    let differs = |(name, digest): &(&String, &String)| found.inputs.get(*name).is_some_and(|before| before != *digest);
    now.iter()
        .filter(differs)
        .map(|(name, _)| FieldChange { path: format!("content of {name}"), from: Shown::Hidden, to: Shown::Hidden })
        .collect()
}

fn digests(world: &World, service: &Service, key: &[u8; 32]) -> BTreeMap<String, String> {
    let secrets = service
        .secrets
        .iter()
        .map(|grant| (format!("secret {}", grant.source), Input::Secret(grant.source.clone())));
    let configs = service
        .configs
        .iter()
        .map(|grant| (format!("config {}", grant.source), Input::Config(grant.source.clone())));
    let profile = |file: &str| (format!("seccomp profile {file}"), Input::SecurityProfile(file.to_owned()));
    secrets
        .chain(configs)
        .chain(service.security_opt.iter().filter_map(|option| seccomp_profile(option)).map(profile))
        .filter_map(|(name, input)| Some((name, digest(key, world.contents.get(&input)?.expose()))))
        .collect()
}

/// Names the key without telling it.
fn key_id(key: &[u8; 32]) -> String {
    digest(key, b"rcompose inputs key").chars().take(8).collect()
}

/// HMAC-SHA-256, the first 16 bytes in hex: enough to tell contents apart, useless for guessing them without the key.
fn digest(key: &[u8; 32], bytes: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return String::new();
    };
    mac.update(bytes);
    mac.finalize().into_bytes().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcompose_engine_adapter::Content;
    use rcompose_spec::model::Mount;

    fn world(content: &str, key: u8) -> World {
        World {
            contents: BTreeMap::from([(Input::Secret("pw".into()), Content::new(content.into()))]),
            inputs_key: Some([key; 32]),
            ..World::default()
        }
    }

    #[test]
    fn changed_content_is_seen_and_never_shown() {
        let service = Service { secrets: vec![Mount { source: "pw".into(), ..Mount::default() }], ..Service::default() };
        let label = inputs(&world("one", 1), &service).unwrap();
        assert!(!label.contains("one"));
        assert_eq!(inputs_differ(&world("one", 1), &service, Some(&label)), []);
        assert_eq!(inputs_differ(&world("two", 1), &service, Some(&label))[0].path, "content of secret pw");
        assert_eq!(inputs_differ(&world("two", 9), &service, Some(&label)), [], "a foreign key says nothing");
        assert_eq!(inputs_differ(&world("two", 1), &service, None), []);
    }
}

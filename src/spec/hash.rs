//! What docker compose hashes for its label `config-hash`, byte for byte.
//!
//! Source: labels of containers made by docker compose 2.40 and 5.5. The order of fields is that of [`crate::model`].

use crate::go_json;
use crate::model::{Network, Service, Volume};

/// Which release's encoding of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// 2.40: a bind that may make its source says so (`"create_host_path":true`).
    V2,
    /// 5.x: only a bind that may not says so (`"create_host_path":false`).
    V5,
}

/// Returns the JSON of a service that is hashed: without what is no property of a container.
#[must_use]
pub fn service(mut plain: Service, dialect: Dialect) -> String {
    plain.build = None;
    plain.pull_policy = String::new();
    plain.scale = None;
    plain.depends_on.clear();
    plain.profiles.clear();
    // Their variables and labels are in `environment` and `labels` already.
    plain.env_file.clear();
    plain.label_file.clear();
    if let Some(deploy) = &mut plain.deploy {
        deploy.replicas = None;
    }
    match dialect {
        Dialect::V2 => go_json::compact(&plain),
        Dialect::V5 => binds_by_exception(&mut plain),
    }
}

/// Tells whether the dialects write this service differently.
#[must_use]
pub fn has_dialects(service: &Service) -> bool {
    service
        .volumes
        .iter()
        .any(|volume| volume.bind.as_ref().is_some_and(|bind| bind.create_host_path.is_some()))
}

/// Writes `create_host_path` only where it is false.
fn binds_by_exception(service: &mut Service) -> String {
    for options in service.volumes.iter_mut().filter_map(|volume| volume.bind.as_mut()) {
        // Only `true` is written, so a refusal takes its place until the text below.
        options.create_host_path = (options.create_host_path == Some(false)).then_some(true);
    }
    // Quotes inside a JSON string are escaped, so this text can only be the field.
    go_json::compact(service).replace(r#""create_host_path":true"#, r#""create_host_path":false"#)
}

/// Returns the JSON of a network that is hashed.
#[must_use]
pub fn network(network: &Network) -> String {
    go_json::compact(&Network { external: false, ..network.clone() })
}

/// Returns the JSON of a volume that is hashed; without a driver it is `local`.
#[must_use]
pub fn volume(volume: &Volume) -> String {
    let driver = if volume.driver.is_empty() {
        "local".to_owned()
    } else {
        volume.driver.clone()
    };
    go_json::compact(&Volume { external: false, driver, ..volume.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BindOptions, ServiceVolume, VolumeKind};

    #[test]
    fn known_preimages_are_exact() {
        let sleeper = Service {
            command: Some(vec!["sleep".into(), "infinity".into()]),
            image: "alpine".into(),
            networks: [("default".to_owned(), None)].into(),
            ..Service::default()
        };
        let expected = r#"{"command":["sleep","infinity"],"entrypoint":null,"image":"alpine","networks":{"default":null}}"#;
        assert_eq!(service(sleeper.clone(), Dialect::V2), expected);
        assert_eq!(service(sleeper, Dialect::V5), expected);
        assert_eq!(network(&Network { name: "p_n1".into(), ..Network::default() }), r#"{"name":"p_n1","ipam":{}}"#);
        assert_eq!(volume(&Volume { name: "p_v1".into(), ..Volume::default() }), r#"{"name":"p_v1","driver":"local"}"#);
    }

    #[test]
    fn dialects_differ_in_binds_alone() {
        let bind = |create_host_path| Service {
            volumes: vec![ServiceVolume {
                kind: VolumeKind::Bind,
                source: "/a".into(),
                target: "/b".into(),
                bind: Some(BindOptions { create_host_path, ..BindOptions::default() }),
                ..ServiceVolume::default()
            }],
            ..Service::default()
        };
        for bind in [bind(None), bind(Some(true)), bind(Some(false))] {
            assert_eq!(has_dialects(&bind), service(bind.clone(), Dialect::V2) != service(bind, Dialect::V5));
        }
        assert!(service(bind(Some(true)), Dialect::V2).contains(r#""bind":{"create_host_path":true}"#));
        assert!(service(bind(Some(true)), Dialect::V5).contains(r#""bind":{}"#));
        assert!(service(bind(Some(false)), Dialect::V5).contains(r#""bind":{"create_host_path":false}"#));
    }
}

//! Images.

use std::collections::{BTreeMap, BTreeSet};

use bollard::models::ImageInspect;
use rcompose_engine_adapter::{ImageConfig, ImageId, ObservedImage};

use super::health;

pub(super) fn image(found: ImageInspect) -> Option<ObservedImage> {
    let config = found.config.unwrap_or_default();
    let pulled = found.metadata.and_then(|metadata| metadata.last_tag_time).and_then(|time| seconds(&time));
    Some(ObservedImage {
        id: ImageId::new(found.id?),
        pulled,
        config: ImageConfig {
            entrypoint: config.entrypoint.unwrap_or_default(),
            command: config.cmd.unwrap_or_default(),
            environment: environment(config.env.unwrap_or_default()),
            user: config.user.unwrap_or_default(),
            working_dir: config.working_dir.unwrap_or_default(),
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            expose: config.exposed_ports.unwrap_or_default().into_iter().collect(),
            volumes: config.volumes.unwrap_or_default().into_iter().collect::<BTreeSet<_>>(),
            stop_signal: config.stop_signal.filter(|signal| !signal.is_empty()),
            healthcheck: config.healthcheck.map(health::check),
        },
    })
}

fn environment(list: Vec<String>) -> BTreeMap<String, String> {
    let pair = |text: &String| text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    list.iter().filter_map(pair).collect()
}

/// Reads an RFC 3339 time as seconds since 1970-01-01 UTC; the year 1 is the engine's word for never.
fn seconds(text: &str) -> Option<i64> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(time.as_second()).filter(|seconds| *seconds > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_any_zone() {
        assert_eq!(seconds("1970-01-02T00:00:00Z"), Some(86400));
        assert_eq!(seconds("2026-11-20T18:00:00.123456789+01:00"), seconds("2026-11-20T17:00:00Z"));
        assert_eq!(seconds("0001-01-01T00:00:00Z"), None);
        assert_eq!(seconds(""), None);
    }
}

//! An image's configuration. Its bytes are kept as they came, since their digest is the image's id. Source: OCI image spec,
//! config; Docker image spec 1.2 for what docker adds.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::error::ImageError;
use crate::platform::Platform;

/// What an image says of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// When it was made, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// The processor.
    pub architecture: String,
    /// The processor's variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The operating system.
    pub os: String,
    /// What was said when it was made.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// The docker that made it.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub docker_version: String,
    /// How a container starts.
    #[serde(deserialize_with = "or_default")]
    pub config: Defaults,
    /// The layers.
    pub rootfs: RootFs,
    /// How it came about, the oldest first.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
}

/// How a container of an image starts, if nothing else is said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Defaults {
    /// User and group, by name or number.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// `80/tcp`.
    #[serde(deserialize_with = "keys", serialize_with = "as_keys", skip_serializing_if = "Vec::is_empty")]
    pub exposed_ports: Vec<String>,
    /// `NAME=value`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// The program, before `cmd`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Its arguments, or the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Folders that get a volume of their own.
    #[serde(deserialize_with = "keys", serialize_with = "as_keys", skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
    /// The working folder.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Labels.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The signal that stops it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// How its health is found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// The shell of instructions in shell form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
    /// Instructions for whoever builds on it.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub on_build: Vec<String>,
}

/// How health is found out; times in nanoseconds, zero meaning the engine's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `NONE`, `CMD …` or `CMD-SHELL …`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Time between probes.
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// How long one may take.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// Time in which failures do not count.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// Time between probes in that time.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// Failures in a row that make it unhealthy.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: i64,
}

/// The layers of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Digests of the layers' tar archives, uncompressed, the lowest first.
    #[serde(default, deserialize_with = "or_default")]
    pub diff_ids: Vec<Digest>,
}

/// One step of how an image came about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// When, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By what.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub created_by: String,
    /// By whom.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// With what remark.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// It made no layer.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

impl Config {
    /// Reads a configuration and checks what everything else rests on.
    pub fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        let wrong = |why: String| ImageError::Malformed { what: "image configuration".into(), why };
        let config: Self = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        if config.rootfs.kind != "layers" {
            return Err(wrong(format!("rootfs.type is `{}`, not `layers`", config.rootfs.kind)));
        }
        if config.rootfs.diff_ids.len() > crate::manifest::MOST_LAYERS {
            return Err(wrong(format!("it has {} layers, more than {}", config.rootfs.diff_ids.len(), crate::manifest::MOST_LAYERS)));
        }
        if config.os != "linux" {
            return Err(wrong(format!("it is for `{}`, and only images for linux can be unpacked here", config.os)));
        }
        if let Some(pair) = config.config.env.iter().find(|it| it.contains('\0')) {
            return Err(wrong(format!("config.Env holds a zero byte: {pair:?}")));
        }
        Ok(config)
    }

    /// Returns what it runs on.
    #[must_use]
    pub fn platform(&self) -> Platform {
        Platform { os: self.os.clone(), architecture: self.architecture.clone(), variant: self.variant.clone() }
    }
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Reads `null` as nothing: Go writes empty lists and maps so.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads the keys of a map whose values mean nothing: Go's way to write a set.
fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let map = Option::<BTreeMap<String, Value>>::deserialize(deserializer)?;
    Ok(map.unwrap_or_default().into_keys().collect())
}

fn as_keys<S: serde::Serializer>(keys: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(keys.iter().map(|key| (key, Value::Object(serde_json::Map::new()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_own_is_read() {
        let text = r#"{"architecture":"amd64","os":"linux","config":{"Hostname":"","User":"","ExposedPorts":{"80/tcp":{}},
            "Env":["A=1"],"Cmd":["x"],"Entrypoint":null,"Volumes":{"/v":{}},"Labels":null,"OnBuild":null,"WorkingDir":"",
            "Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":1000000000}},
            "container":"abc","created":"2024-01-01T00:00:00Z","history":[{"created_by":"x","empty_layer":true}],
            "rootfs":{"type":"layers","diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]}}"#;
        let config = Config::parse(text.as_bytes()).unwrap();
        assert_eq!(config.config.exposed_ports, ["80/tcp"]);
        assert_eq!(config.config.volumes, ["/v"]);
        assert_eq!((config.config.entrypoint.clone(), config.config.cmd.clone()), (None, Some(vec!["x".to_owned()])));
        assert_eq!(config.config.healthcheck.as_ref().map(|it| it.interval), Some(1_000_000_000));
        assert!(config.history[0].empty_layer);
        let again = serde_json::to_vec(&config).unwrap();
        assert_eq!(Config::parse(&again).unwrap(), config);
    }

    #[test]
    fn what_cannot_run_is_refused() {
        for (text, word) in [
            (r#"{"os":"linux","rootfs":{"type":"zip"}}"#, "rootfs.type"),
            (r#"{"os":"windows","rootfs":{"type":"layers"}}"#, "windows"),
            (r#"{"os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:x"]}}"#, "64 digits"),
            (r#"{"os":"linux","rootfs":{"type":"layers"},"config":{"Env":["a\u0000b"]}}"#, "zero byte"),
            ("<html>", "expected value"),
            ("{}", "rootfs"),
        ] {
            let error = Config::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}

//! Volumes.

use std::collections::BTreeMap;

use rcompose_engine_adapter::{ConfigHash, EngineError, ErrorKind, Result, VolumeName, VolumeSpec, labels};
use serde::Serialize;

use crate::error::while_trying;
use crate::transport::{Api, Call, path};

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct CreateVolume<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<&'a str>,
    driver_opts: &'a BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
}

pub(crate) async fn create(api: &Api, spec: &VolumeSpec) -> Result<()> {
    // Destructured in full, so that a new field cannot be forgotten.
    let VolumeSpec { name, driver, driver_opts, labels, config_hash } = spec;
    let body = CreateVolume {
        name: name.as_str(),
        driver: driver.as_deref(),
        driver_opts,
        labels: with_hash(labels, config_hash).ok_or_else(|| unhashed(&format!("volume {name}")))?,
    };
    let call = Call::post("/volumes/create").json(&body).patient();
    api.unit(call).await.map_err(|error| while_trying(&format!("cannot create volume {name}"), error))
}

pub(crate) async fn remove(api: &Api, name: &VolumeName) -> Result<()> {
    match api.unit(Call::delete(path("volumes", name.as_str(), "")).patient()).await {
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(while_trying(&format!("cannot remove volume {name}"), error)),
        Ok(()) => Ok(()),
    }
}

/// Adds the configuration hash of an object that refers to no container; `None` where it does.
pub(crate) fn with_hash(labels: &BTreeMap<String, String>, hash: &ConfigHash) -> Option<BTreeMap<String, String>> {
    let mut labels = labels.clone();
    labels.insert(labels::CONFIG_HASH.to_owned(), hash.digest(|_| None)?);
    Some(labels)
}

/// Tells that a hash refers to a container where none can be.
pub(crate) fn unhashed(what: &str) -> EngineError {
    EngineError::new(ErrorKind::Invalid, format!("the configuration hash of {what} refers to a container"))
}

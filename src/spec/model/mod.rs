//! The typed model: what a set of compose files means once every rule was applied.
//!
//! Field order, names and the rules of omission are those of docker compose's own structures, so that the JSON of a
//! value is both its `config --format json` output and the preimage of its config-hash.
//! Emptiness means absence: an empty string, a zero or an empty list was not set.

mod build;
mod deploy;
mod files;
mod health;
mod hooks;
mod hosts;
mod network;
mod project;
mod resource;
mod scalar;
mod service;
mod ulimit;
mod volume;

pub use build::{Build, SshKey};
pub use deploy::{
    Deploy, DeviceRequest, DiscreteResource, GenericResource, Placement, PlacementPreference, Resource, Resources, RestartPolicy,
    UpdateConfig, UpdateOrder,
};
pub use files::{CredentialSpec, EnvFile, FileObject, Mount};
pub use health::Healthcheck;
pub use hooks::{Develop, Hook, Watch, WatchAction};
pub use hosts::ExtraHosts;
pub use network::{Ipam, IpamPool, Network, ServiceNetwork};
pub use project::{Project, Services};
pub use resource::{Blkio, Condition, Dependency, Device, Logging, Model, ModelBinding, Port, Provider, ThrottleDevice, WeightDevice};
pub use scalar::{Bytes, Duration, FileMode, Float};
pub use service::Service;
pub use ulimit::Ulimit;
pub use volume::{BindOptions, ImageOptions, ServiceVolume, TmpfsOptions, Volume, VolumeKind, VolumeOptions};

use std::collections::BTreeMap;

/// Variables; `None` for one that stays unset.
pub type Environment = BTreeMap<String, Option<String>>;
/// Labels.
pub type Labels = BTreeMap<String, String>;
/// The networks a service joins; `None` where nothing but the name is said, as for nearly all of them.
pub type Attachments = BTreeMap<String, Option<Box<ServiceNetwork>>>;

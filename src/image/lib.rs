//! Images of our own: names, manifests, registries, the store, and layers as root file systems.
//!
//! This room prints nothing, reads neither environment nor working folder, and knows no engine and no container. Whoever calls
//! it passes in where the store is, which credentials a registry gets, and who is told of progress.
#![cfg(target_os = "linux")]

mod archive;
mod change;
mod config;
mod digest;
mod error;
mod extract;
mod files;
mod import;
mod intake;
mod layer;
mod load;
mod manifest;
mod parallel;
mod platform;
mod progress;
mod pull;
mod push;
mod reference;
mod registry;
mod save;
mod store;

pub use config::{Config, Defaults, Healthcheck, History, RootFs};
pub use digest::Digest;
pub use error::{ImageError, Problem};
pub use extract::{Limits, Unpacked, unpack};
pub use files::{Owners, Put, Rename, Rules, Ways, is_of_the_kernel, pack_files, patiently, unpack_files};
pub use import::ImportOptions;
pub use load::Loaded;
pub use manifest::{Descriptor, Document, Index, MOST_LAYERS, Manifest};
pub use platform::Platform;
pub use progress::{Event, LayerState, Watch};
pub use pull::{PullOptions, Pulled};
pub use push::Pushed;
pub use reference::{DOCKER_IO, Reference, Repository};
pub use registry::{Client, Keychain, Login, LoginError, Proxies, Registries};
pub use save::{SaveForm, Saved};
pub use store::{Damage, Image, LayerRecord, Lease, Pruned, Record, Removed, Room, Store, Verified, tree_size};

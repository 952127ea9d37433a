//! The Docker API as an engine.
//!
//! Bollard carries the requests and gives their models; neither leaves this crate. This room reads
//! no environment and prints nothing: where the engine is comes in as [`Connection`].

mod auth;
mod connect;
mod containers;
mod copy;
mod create;
mod defaults;
mod docker;
mod error;
mod event;
mod files;
mod frames;
mod hijack;
mod image;
mod image_build;
mod logs;
mod network;
mod observe;
mod produce;
mod reference;
mod request;
mod session;
mod transport;
mod upkeep;
mod usage;
mod version;
mod volume;

pub use connect::{Connection, Endpoint, Tls};
pub use docker::Docker;
pub use version::ApiVersion;

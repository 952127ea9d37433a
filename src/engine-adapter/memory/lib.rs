//! A strict in-memory engine with fault injection, and the suite that every engine must pass; for tests only.
//!
//! It is stricter than real engines: what they let pass or make up is an error here. Time is tokio's: on a paused runtime
//! a health interval of 30 s costs nothing. No background task runs: whoever looks or waits moves the state on to now.

mod call;
mod client;
pub mod contract;
mod copy;
mod create;
mod detail;
mod engine;
mod fault;
mod image;
mod lifecycle;
mod memory;
mod network;
mod observe;
mod port;
mod script;
mod session;
mod shell;
mod signal;
mod snapshot;
mod spec;
mod state;
mod stream;
mod time;
mod tree;
mod usage;
mod validate;
mod volume;
mod world;

pub use call::{Call, CallKind};
pub use client::InFlight;
pub use fault::Pace;
pub use memory::Memory;
pub use script::{Ends, Probes, Script};
pub use snapshot::{ContainerShot, NetworkShot, Snapshot};
pub use spec::{attachment, container, network, volume};

//! One container: a spec becomes a flat plan (`plan`, pure), and raw system calls carry it out (`linux`).
//!
//! A caller that runs containers itself: [`host::read`], [`plan::plan`], [`create`] with a [`Start`], [`start`], and the methods of
//! [`Container`]. One thread is enough and no async runtime is needed; the process made is the caller's child, to be waited for.
//!
//! This room must not know Compose, an engine or an image; print; or keep a process of its own alive.

#![cfg(target_os = "linux")]

pub mod bundle;
mod container;
mod error;
mod linux;
pub mod plan;
pub mod profile;
mod signal;
mod socket;
mod store;
mod usage;

pub use container::{Container, Status, boot, run_hooks, start, wait_end};
pub use error::{Result, RuntimeError, chain};
pub use linux::apart::{mounts_apart, read_only};
pub use linux::launch::{Created, How, Named, Start, Told, create};
pub use linux::terminal::{Foreground, Raw, exit_status, receive as receive_terminal};
pub use linux::{heap::few_heaps, host, overlay, protect::protect};
pub use signal::signal_number;
pub use socket::connect;
pub use store::{Record, Store};
pub use usage::Usage;

/// A program that runs another as the first process of a container, hands signals on and reaps: `init -- PROGRAM ARGUMENT…`. It needs no
/// library and no file but its own.
pub const INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/init"));

/// Version of the OCI runtime spec that is followed.
pub const OCI_VERSION: &str = "1.2.0";

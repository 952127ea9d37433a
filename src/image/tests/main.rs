//! The room as others see it: layers good and hostile, registries true and lying, archives, crashes, full disks.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stderr, reason = "a test that is left out says so")]

mod archives;
mod copies;
mod docker;
mod full_disk;
mod good_layers;
mod hostile_layers;
mod kills;
mod lying_registry;
mod pulls;
mod server;
mod store;
mod writing;

use rcompose_image::{Event, ImageError, Watch};
use std::sync::atomic::AtomicBool;

/// Runs work that nobody watches.
fn unwatched<T>(work: impl FnOnce(&Watch<'_>) -> Result<T, ImageError>) -> Result<T, ImageError> {
    let stop = AtomicBool::new(false);
    work(&Watch::new(&|_: Event| (), &stop))
}

/// Owners, devices and whiteouts are root's to make.
fn is_root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    assert!(root || std::env::var_os("RCOMPOSE_REQUIRE_ENGINE").is_none(), "{test} needs root");
    if !root {
        eprintln!("left out: {test} needs root");
    }
    root
}

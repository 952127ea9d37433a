//! Shim and guardian with ordinary processes as containers.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails; campaigns print their figures"
)]

mod bundle;
mod campaign;
mod census;
mod containers;
mod control;
mod further;
mod health;
mod kept;
mod lives;
mod memory;
mod rig;
mod told;

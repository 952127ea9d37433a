//! The native engine, with the real program as shim and guardian. Needs root.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on fails; one that is left out says so; campaigns print their figures"
)]

mod balance;
mod chance;
mod contract;
mod copying;
mod damage;
mod disk;
mod engine;
mod ground;
mod hooks;
mod kills;
mod leaks;
mod machine;
mod many;
mod networks;
mod options;
mod power;
mod project;
mod storage;

// The scenarios of a Docker engine, on ours.
#[path = "../scenarios/conditions.rs"]
mod conditions;
#[path = "../scenarios/copies.rs"]
mod copies;
#[path = "../scenarios/crash.rs"]
mod crash;
#[path = "../scenarios/files.rs"]
mod files;
#[path = "../scenarios/lifecycle.rs"]
mod lifecycle;
#[path = "../scenarios/ports.rs"]
mod ports;
#[path = "../scenarios/sessions.rs"]
mod sessions;
#[path = "../scenarios/stage.rs"]
mod stage;
#[path = "../scenarios/timing.rs"]
mod timing;
#[path = "../scenarios/together.rs"]
mod together;

//! The native engine, with the real program as shim and guardian. Needs root.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails; one that is left out says so"
)]

mod contract;
mod ground;
mod hooks;
mod networks;
mod options;
mod project;
mod storage;

//! The binary on a real Docker Engine: one invariant each, state before output, wait-until instead of sleep.
//!
//! Without an engine they say so and are left out, unless `RCOMPOSE_REQUIRE_ENGINE` is set, as the test command does.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod conditions;
mod copies;
mod crash;
mod engine;
mod files;
mod lifecycle;
mod ports;
mod proxy;
mod sessions;
mod stage;
mod timing;
mod together;

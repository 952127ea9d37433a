//! Our own engine behind the seams `Engine`, `Images` and `Streams`: no daemon, state in files, containers under `supervise`.
//!
//! This room must not know Compose, print, or read the environment. A call is carried out by blocking code on a thread that may block.

#![cfg(target_os = "linux")]

#[cfg_attr(not(test), expect(dead_code, reason = "the engine that calls it comes next"))]
mod bundle;

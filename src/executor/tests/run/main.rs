//! The executor on the engine in memory: order, failures, ends asked for, waits, and depth.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cancel;
mod crash;
mod depth;
mod failure;
mod hook;
mod invariants;
mod order;
mod plan;
mod trace;
mod wait;

//! What the adapter does on a real engine: `DOCKER_HOST`, else the local socket.
//!
//! Where none answers the tests say that they were left out; with `RCOMPOSE_REQUIRE_ENGINE` set that is a failure.
#![expect(clippy::print_stderr, reason = "a test that is left out says so")]

mod images;
mod lab;
mod lifecycle;
mod network;
mod round_trip;
mod streams;

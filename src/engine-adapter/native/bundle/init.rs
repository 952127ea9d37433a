//! The small first process of `init: true`.

/// Where its program is, as with Docker.
pub(super) const PROGRAM: &str = "/sbin/docker-init";

/// The words that go before those of the program.
pub(super) const WORDS: [&str; 2] = [PROGRAM, "--"];

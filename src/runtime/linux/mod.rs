//! Does what a plan says: the only part of this room that talks to the kernel.
#![expect(
    unsafe_code,
    reason = "system calls that no safe crate makes without allocating; each block names its invariant"
)]

pub(crate) mod apart;
pub(crate) mod cgroup;
pub(crate) mod child;
pub(crate) mod exec;
pub(crate) mod heap;
pub(crate) mod hook;
pub mod host;
mod host_namespace;
pub(crate) mod launch;
mod limit;
pub(crate) mod memory;
pub mod overlay;
pub(crate) mod protect;
pub(crate) mod sys;
pub(crate) mod terminal;
pub(crate) mod tree;
pub(crate) mod wire;

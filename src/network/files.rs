//! The texts of `/etc/hosts` and `/etc/resolv.conf` in a container, and what the host's own says. Pure.

mod hosts;
mod resolv;

pub use hosts::Hosts;
pub use resolv::{Resolv, SERVER};

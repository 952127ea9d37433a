//! Pure parts by tables and properties; the kernel's side in network namespaces of their own, with `ip` and `nft` as oracles.

#![cfg(target_os = "linux")]

mod addresses;
mod interfaces;
mod lab;
mod naming;
mod publishing;
mod ruleset;

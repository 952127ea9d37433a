//! Pure parts by tables and properties; the kernel's side in network namespaces of their own, with `ip` and `nft` as oracles.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod addresses;
mod carried;
mod figures;
mod interfaces;
mod lab;
mod names_served;
mod naming;
mod publishing;
mod ruleset;

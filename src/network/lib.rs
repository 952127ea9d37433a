//! Networks of containers: which addresses and names they have, what the kernel does with their packets, who answers their questions about
//! names.
//!
//! - Pure: [`ipam`] (subnets and addresses), [`names`] (of interfaces and tables), [`PortRequest`] (published ports), [`rules`] (a
//!   project's wanted state → tables of rules), [`options`] (of docker's bridge driver), [`files`] (`/etc/hosts`, `/etc/resolv.conf`).
//! - Linux: [`bridge`], [`netns`], [`endpoint`] make interfaces; [`Firewall`] puts rules in force; [`hold`](fn@hold) reserves ports;
//!   [`docker`] and [`host`] are about who else is on this host; [`census`] lists and removes all that a project has.
//! - Lasting: [`dns`] answers containers' questions, [`proxy`] carries what the kernel's rules cannot. Each is one descriptor to wait for, a
//!   deadline, and a function to call then; the guardian drives them.
//!
//! Everything is safe to repeat: what is there already stays, what is gone is removed. Nothing of it needs a program at run time, an async
//! runtime or a second thread.
//!
//! This room must not know Compose or an engine, keep state on disk, or print.

#![cfg(target_os = "linux")]

mod cidr;
mod connecting;
pub mod dns;
mod error;
pub mod files;
pub mod ipam;
mod linux;
mod mac;
pub mod names;
pub mod options;
mod ports;
pub mod proxy;
pub mod rules;
mod watch;

pub use cidr::Cidr;
pub use error::{IpamError, NetworkError, PortError, Result};
pub use linux::{
    bridge, census, conntrack, docker, endpoint,
    firewall::{Firewall, RuleChanges},
    hold::{Held, hold, is_free},
    host,
    link::Link,
    netns,
    route::Route,
};
pub use mac::Mac;
pub use ports::{Choice, PortRequest, Protocol};

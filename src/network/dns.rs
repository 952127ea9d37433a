//! The name server of containers, at 127.0.0.11 in each.
//!
//! [`Zone`] is who knows which name; `message` and `answer` turn bytes into bytes without any socket; [`Server`] owns the sockets of all
//! containers of a project and is driven by whoever has a loop. What is no container's name goes to the servers of the host.

mod answer;
mod listen;
mod message;
mod server;
mod zone;

pub use answer::{Outcome, Transport, answer};
pub use listen::{Listen, Sockets, open};
pub use message::{Malformed, Query};
pub use server::Server;
pub use zone::{Client, Found, Zone};

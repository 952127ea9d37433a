//! What lives on beside a container when nobody looks: a shim for each container and a guardian for each project.
//!
//! - The **shim** is the parent of a container's first process. It writes its log, answers on a control socket, stops it, starts it again,
//!   and records how it ended. Every step is on disk before it is taken.
//! - The **guardian** holds duplicates of every descriptor a shim could lose. It starts shims, replaces one that was killed, hands back
//!   what it held, and ends when no shim is left. A shim that loses its guardian starts another one.
//!
//! Both are loops of one thread around epoll. [`Launcher`] is the seam to whoever makes containers; [`Client`] is the caller's side:
//!
//! - [`Task::write`], then [`Client::run`]; [`Client::wait`]; [`Client::control`] to stop, signal, pause, update and attach.
//! - [`Client::exec`] runs a further process, by pipes of the caller's that no byte leaves by way of the shim ([`Execution`]).
//! - [`Client::status`] asks the shim, [`Client::recorded`] reads the [`Record`] alone: phase, times, status, want of memory, [`Health`].
//! - [`Client::events`] follows what happens in the project, from a file to which every shim adds ([`Event`]).
//! - [`Client::keep`] lets descriptors live as long as the project: sockets of ports, namespaces.
//! - [`forget`] takes away what a container that has ended left; [`forget_project`] what the project did.
//!
//! This room must not know Compose or an engine, print, or have an async runtime.

#![cfg(target_os = "linux")]

mod attached;
mod client;
mod error;
mod event;
mod exec;
mod exit;
mod follow;
mod frame;
mod further;
mod guard;
mod health;
mod identity;
mod kernel;
mod launch;
mod log;
mod oci;
mod parcel;
mod patience;
mod place;
mod poll;
mod protocol;
mod record;
mod restart;
mod service;
mod shim;
mod socket;
mod task;

pub use attached::Attached;
pub use client::{Client, Control};
pub use error::{Result, SuperviseError};
pub use event::{Event, Events, What};
pub use exec::{Exec, Execution, User};
pub use exit::Exit;
pub use follow::{Frame, Reader, receive};
pub use frame::{Head, Stream};
pub use guard::{forget_project, run as guard};
pub use health::{Checked, Health};
pub use identity::{Identity, boot};
pub use launch::{Launcher, Made, Streams};
pub use oci::{Oci, container};
pub use patience::be_impatient;
pub use place::{Place, Project};
pub use protocol::Malformed;
pub use record::{Ended, Phase, Record, Stop};
pub use restart::{NoPolicy, Pace, Restart, Row, Verdict};
pub use service::{Asker, Carried, Service};
pub use shim::run as shim;
pub use task::{Input, Layers, Limits, Task, Update, forget};

//! What makes the kernel do it: netlink, and a few files below `/proc/sys`.

pub(crate) mod message;
pub(crate) mod netlink;

pub mod bridge;
pub mod census;
pub mod conntrack;
pub(crate) mod diagnosis;
pub mod docker;
pub mod endpoint;
pub(crate) mod firewall;
pub(crate) mod hold;
pub mod host;
pub(crate) mod link;
pub mod netns;
pub(crate) mod nftables;
pub(crate) mod route;
pub(crate) mod sysctl;

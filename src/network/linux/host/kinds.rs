//! Which kinds of interfaces this kernel has.

use std::os::fd::AsFd;

use crate::Result;
use crate::linux::netlink::Socket;
use crate::linux::{link, netns};

/// Kinds that networks are made of, the usual ones first.
const KINDS: [&str; 4] = ["bridge", "veth", "macvlan", "ipvlan"];

/// Tries each kind that networks can be made of, in a namespace that nobody else sees.
///
/// # Errors
/// When no namespace can be made, or the kernel refuses for another reason than that it lacks the kind.
pub fn kinds() -> Result<Vec<(&'static str, bool)>> {
    let namespace = netns::anonymous()?;
    netns::within(namespace.as_fd(), || {
        let socket = Socket::route()?;
        KINDS.into_iter().map(|kind| Ok((kind, link::has_kind(&socket, kind)?))).collect()
    })?
}

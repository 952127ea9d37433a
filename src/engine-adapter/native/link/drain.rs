//! Taking a replica out of the way of new connections, while those that are open end by themselves.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use rcompose_engine_adapter::Result;
use rcompose_network::conntrack;

use super::ports::protocol;
use super::{Joined, has_own};
use crate::document::Container;
use crate::engine::Native;
use crate::error;
use crate::file;

/// Leads nobody new to a container, and waits until nobody is connected to a published port of it any more, no longer than the grace. The
/// caller holds the container.
pub(crate) fn drain(native: &Native, container: &Container, grace: Duration) -> Result<()> {
    let until = Instant::now() + grace;
    let mut joined = Joined::read(&native.places, container)?;
    if !has_own(container) || joined.ports.is_empty() {
        return Ok(());
    }
    match joined.lead(native, container, false) {
        // Nothing can be written down: it is stopped without.
        Err(error) if error::is_full(&error) => return Ok(()),
        other => other?,
    }
    let addresses: Vec<IpAddr> = joined.endpoints.values().flat_map(super::Endpoint::addresses).collect();
    let ports = joined.ports.iter().filter(|it| it.protocol != rcompose_engine_adapter::Protocol::Udp);
    let doors: Vec<_> = ports
        .flat_map(|port| addresses.iter().map(|it| (protocol(port.protocol), *it, port.target)))
        .collect();
    conntrack::wait_for_none(&doors, until).map(drop).map_err(error::network("count connections"))
}

/// Leads connections to a container again which somebody began to take out of the way, who was killed before it stopped; tells
/// whether that was so.
pub(crate) fn resume(native: &Native, container: &Container, joined: &Joined) -> Result<bool> {
    let left = |it: &Joined| it.leaving && has_own(container);
    if !left(joined) {
        return Ok(false);
    }
    // Somebody who is at it holds the container.
    let Some(_lock) = file::try_lock(&native.places.container(&container.id).lock())? else {
        return Ok(false);
    };
    let mut joined = Joined::read(&native.places, container)?;
    let resumed = left(&joined) && native.running(container)?.is_some();
    if resumed {
        joined.lead(native, container, true)?;
    }
    Ok(resumed)
}

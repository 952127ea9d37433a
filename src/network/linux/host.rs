//! What this host has and can do.

mod findings;
mod kinds;

use std::net::IpAddr;

use crate::linux::netlink::Socket;
use crate::linux::{link, route};
use crate::{Cidr, Result};

pub use findings::{Finding, findings};
pub use kinds::kinds;

/// Every subnet that an address or route of this host uses, for choosing another one. Those of interfaces named are left out, so that a
/// network does not stand in its own way.
///
/// # Errors
/// When the kernel refuses.
pub fn taken(besides: &[&str]) -> Result<Vec<Cidr>> {
    let socket = Socket::route()?;
    let links = link::list(&socket)?;
    let ours: Vec<u32> = links.iter().filter(|it| besides.contains(&it.name.as_str())).map(|it| it.index).collect();
    let addresses = route::addresses(&socket)?
        .into_iter()
        .filter(|(index, _)| !ours.contains(index))
        .map(|(_, it)| it.network());
    let routes = route::routes(&socket)?.into_iter();
    let routes = routes.filter(|it| !it.interface.is_some_and(|it| ours.contains(&it))).map(|it| it.to.network());
    let mut taken: Vec<Cidr> = addresses.chain(routes).filter(|it| it.prefix() > 0).collect();
    taken.sort_unstable();
    taken.dedup();
    Ok(taken)
}

/// The host's own addresses.
///
/// # Errors
/// When the kernel refuses.
pub fn addresses() -> Result<Vec<IpAddr>> {
    Ok(route::addresses(&Socket::route()?)?.into_iter().map(|(_, it)| it.address()).collect())
}

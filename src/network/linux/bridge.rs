//! Bridges, one for each network.

use serde::{Deserialize, Serialize};

use crate::linux::link::{self, Link};
use crate::linux::message::Batch;
use crate::linux::netlink::Socket;
use crate::linux::{route, sysctl};
use crate::{Cidr, Mac, Result, names};

/// A network's bridge as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// The interface's name, as [`names::bridge`] gives it or as the user wants it.
    pub name: String,
    /// The project that it belongs to.
    pub project: String,
    /// The network's name.
    pub network: String,
    /// The gateways with their subnets' prefixes. None: containers talk to each other only.
    pub addresses: Vec<Cidr>,
    /// Largest packet, in bytes; `None` is 1500.
    pub mtu: Option<u32>,
    /// Nothing is led out or in.
    pub internal: bool,
}

/// What [`ensure`] did beyond the bridge, for the user to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ensured {
    /// The bridge was not there before.
    pub is_new: bool,
    /// Switches of the whole host that were turned on, by name.
    pub switched: Vec<&'static str>,
}

/// Makes a bridge, or what is missing of it. A bridge of that name that is not ours is used and never removed.
///
/// # Errors
/// When the kernel refuses, or something else has the name.
pub fn ensure(bridge: &Bridge) -> Result<Ensured> {
    let socket = Socket::route()?;
    let found = link::find(&socket, &bridge.name)?;
    let is_new = found.is_none();
    let link = match found {
        Some(link) => link.expect("bridge")?,
        None => make(&socket, bridge)?,
    };
    let mut batch = Batch::default();
    // Before addresses: a bridge without IPv6 must not get one by itself.
    switches(bridge)?;
    for address in &bridge.addresses {
        route::add_address(&mut batch, &bridge.name, link.index, *address);
    }
    if is_new {
        link::set_alias(&mut batch, &bridge.name, link.index, &names::alias(&bridge.project, &bridge.network));
    } else {
        link::up(&mut batch, &bridge.name, link.index);
    }
    socket.request(&batch)?;
    let switched = if bridge.internal { Vec::new() } else { forwarding(bridge)? };
    Ok(Ensured { is_new, switched })
}

/// Removes a bridge of ours; one that is not there is removed, one of somebody else stays.
///
/// # Errors
/// When the kernel refuses.
pub fn remove(name: &str) -> Result<()> {
    let socket = Socket::route()?;
    match link::find(&socket, name)? {
        Some(link) if link.kind == "bridge" && link.project().is_some() => link::remove(&socket, name, link.index),
        Some(_) | None => Ok(()),
    }
}

/// All bridges of ours, of every project.
///
/// # Errors
/// When the kernel refuses.
pub fn list() -> Result<Vec<Link>> {
    let links = link::list(&Socket::route()?)?;
    Ok(links.into_iter().filter(|it| it.kind == "bridge" && it.project().is_some()).collect())
}

fn make(socket: &Socket, bridge: &Bridge) -> Result<Link> {
    // An address of its own: without, a bridge has that of its lowest interface, and changes it when that goes.
    let addresses: Vec<_> = bridge.addresses.iter().map(Cidr::address).collect();
    let mut batch = Batch::default();
    link::make_bridge(&mut batch, &bridge.name, names::group(&bridge.project), Mac::of(&addresses), bridge.mtu);
    match socket.request(&batch) {
        // Somebody was faster.
        Err(error) if error.errno() == Some(libc::EEXIST) => {}
        other => other?,
    }
    let made = link::find(socket, &bridge.name)?;
    made.ok_or_else(|| crate::NetworkError::NoInterface { name: bridge.name.clone() })?.expect("bridge")
}

fn switches(bridge: &Bridge) -> Result<()> {
    let has_ipv6 = bridge.addresses.iter().any(|it| !it.is_ipv4());
    let name = &bridge.name;
    if !bridge.internal {
        // Published ports on 127.0.0.1: answers to loopback come in by the bridge. Rules drop what others send there.
        sysctl::write(&format!("net/ipv4/conf/{name}/route_localnet"), "1")?;
    }
    sysctl::write_if_there(&format!("net/ipv6/conf/{name}/accept_ra"), "0")?;
    sysctl::write_if_there(&format!("net/ipv6/conf/{name}/accept_dad"), "0")?;
    sysctl::write_if_there(&format!("net/ipv6/conf/{name}/disable_ipv6"), if has_ipv6 { "0" } else { "1" })
}

/// Switches the host to forwarding, and says which switches were off.
fn forwarding(bridge: &Bridge) -> Result<Vec<&'static str>> {
    let mut switched = Vec::new();
    let mut families: Vec<_> = bridge.addresses.iter().map(Cidr::is_ipv4).collect();
    families.sort_unstable();
    families.dedup();
    for is_ipv4 in families {
        let name = if is_ipv4 { "net/ipv4/ip_forward" } else { "net/ipv6/conf/all/forwarding" };
        if sysctl::read(name).is_some_and(|it| it != "0") {
            continue;
        }
        if !is_ipv4 {
            keep_advertised_routes()?;
        }
        sysctl::write(name, "1")?;
        switched.push(name);
    }
    Ok(switched)
}

/// A host that forwards IPv6 ignores routers' advertisements unless told otherwise, and would lose its own default route.
/// Source: kernel, `ip-sysctl.rst`, `accept_ra`.
fn keep_advertised_routes() -> Result<()> {
    for link in link::list(&Socket::route()?)? {
        let name = format!("net/ipv6/conf/{}/accept_ra", link.name);
        if sysctl::read(&name).as_deref() == Some("1") {
            sysctl::write_if_there(&name, "2")?;
        }
    }
    Ok(())
}

//! A container's interfaces.

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use serde::{Deserialize, Serialize};

use crate::linux::link::{self, Far, Hanging, Link, Near};
use crate::linux::message::Batch;
use crate::linux::netlink::Socket;
use crate::linux::netns::Namespace;
use crate::linux::{netns, route, sysctl};
use crate::{Cidr, Mac, NetworkError, Result, names};

/// One container on one network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The project.
    pub project: String,
    /// What the interface hangs on.
    pub on: On,
    /// The interface's name in the container, as [`names::interfaces`] gives it.
    pub interface: String,
    /// Its hardware address, as [`Mac::of`] gives it; `None` leaves it to the kernel.
    pub mac: Option<Mac>,
    /// Its addresses with their subnets' prefixes.
    pub addresses: Vec<Cidr>,
    /// Gateways of the default routes, one for each family at most; empty when another network gives them.
    pub gateways: Vec<IpAddr>,
    /// Largest packet, in bytes; `None` is the kernel's.
    pub mtu: Option<u32>,
    /// Switches below `/proc/sys` of the container, as `net/ipv4/conf/eth0/log_martians`, with values.
    pub switches: Vec<(String, String)>,
}

/// What an interface of a container hangs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum On {
    /// A bridge, by a pair of interfaces.
    Bridge {
        /// The bridge's name.
        bridge: String,
        /// The name of the host's end, as [`names::veth`] gives it.
        veth: String,
        /// Neighbours that are isolated too are out of reach.
        isolated: bool,
    },
    /// An interface of the host, with an own hardware address.
    Macvlan {
        /// The host's interface.
        parent: String,
        /// `bridge`, `vepa`, `private` or `passthru`.
        mode: String,
    },
    /// An interface of the host, with its hardware address.
    Ipvlan {
        /// The host's interface.
        parent: String,
        /// `l2`, `l3` or `l3s`.
        mode: String,
    },
}

/// How often, and how long apart, an interface is tried again whose name is still taken by one that goes.
const TRIES: u32 = 20;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// Attaches a container to a network. What is there already stays; an interface of the pair's name that leads elsewhere is a leftover of
/// another namespace, and replaced.
///
/// # Errors
/// When the kernel refuses or lacks the kind of interface, what it hangs on is not there, or the bridge is full.
pub fn attach(namespace: &Namespace, endpoint: &Endpoint) -> Result<()> {
    let socket = Socket::route()?;
    let make = || match make(&socket, namespace.as_fd(), endpoint) {
        Err(error) if error.errno() == Some(libc::EEXIST) => again(&socket, namespace.as_fd(), endpoint, error).map(|()| false),
        other => other.map(|()| true),
    };
    // Where somebody is in it already, what his own interfaces begin with is his.
    let is_new = match namespace.inside() {
        Some(inside) => inside.begin(has_ipv6(endpoint), make)?,
        None => make().map(|_| false)?,
    };
    if !is_new || has_ipv6(endpoint) || !endpoint.switches.is_empty() {
        netns::within(namespace.as_fd(), || switch(endpoint))??;
    }
    namespace.with(|inside| configure(inside, endpoint))?;
    if let On::Bridge { veth, .. } = &endpoint.on {
        settle(&socket, veth)?;
    }
    Ok(())
}

fn has_ipv6(endpoint: &Endpoint) -> bool {
    endpoint.addresses.iter().any(|it| !it.is_ipv4())
}

/// Asks for an interface. The kernel notices that a pair is up a little later, and until then a bridge forwards nothing of it: the first
/// packet would be lost, and sent again after a second. Being asked, it looks at once (`rtnl_getlink`, since Linux 6.8).
fn settle(socket: &Socket, name: &str) -> Result<()> {
    link::find(socket, name).map(drop)
}

/// Detaches a container from a network while it goes on. A container that ends takes its interfaces along: dropping its namespace is
/// cheaper than this, which waits for every processor.
///
/// # Errors
/// When the kernel refuses; an interface that is not there is detached.
pub fn detach(namespace: BorrowedFd<'_>, interface: &str) -> Result<()> {
    netns::within(namespace, || {
        let socket = Socket::route()?;
        match link::find(&socket, interface)? {
            Some(link) => link::remove(&socket, &link.name, link.index),
            None => Ok(()),
        }
    })?
}

/// Reads a container's interfaces with their addresses, loopback left out.
///
/// # Errors
/// When the kernel refuses.
pub fn interfaces(namespace: BorrowedFd<'_>) -> Result<Vec<(Link, Vec<Cidr>)>> {
    netns::within(namespace, || {
        let socket = Socket::route()?;
        let addresses = route::addresses(&socket)?;
        let of = |index| addresses.iter().filter(|(it, _)| *it == index).map(|(_, address)| *address).collect();
        let links = link::list(&socket)?.into_iter().filter(|it| it.name != "lo");
        Ok(links.map(|link| (link.clone(), of(link.index))).collect())
    })?
}

fn make(socket: &Socket, namespace: BorrowedFd<'_>, endpoint: &Endpoint) -> Result<()> {
    let inside = Far { name: &endpoint.interface, namespace, mac: endpoint.mac, mtu: endpoint.mtu };
    let mut batch = Batch::default();
    match &endpoint.on {
        On::Bridge { bridge, veth, isolated } => {
            let found = link::find(socket, bridge)?.ok_or_else(|| NetworkError::NoInterface { name: bridge.clone() })?;
            let near = Near { name: veth, group: names::group(&endpoint.project), bridge: found.index, bridge_name: bridge };
            link::make_veth(&mut batch, &near, &inside);
            link::set_membership(&mut batch, veth, *isolated);
            socket.request(&batch).map_err(|error| full(socket, &found, error))
        }
        On::Macvlan { parent, mode } => hang(socket, "macvlan", parent, macvlan_mode(mode), &inside),
        On::Ipvlan { parent, mode } => hang(socket, "ipvlan", parent, ipvlan_mode(mode), &inside),
    }
}

/// Finds out whether interfaces can hang on what they are to hang on: one is made, in a namespace of its own, and removed. A bridge is not
/// looked at.
///
/// # Errors
/// When the host's interface is not there or takes none, or the kernel lacks the kind.
pub fn check(on: &On) -> Result<()> {
    let (kind, parent, mode) = match on {
        On::Bridge { .. } => return Ok(()),
        On::Macvlan { parent, mode } => ("macvlan", parent, macvlan_mode(mode)),
        On::Ipvlan { parent, mode } => ("ipvlan", parent, ipvlan_mode(mode)),
    };
    let namespace = netns::anonymous()?;
    let inside = Far { name: "eth0", namespace: namespace.as_fd(), mac: None, mtu: None };
    match hang(&Socket::route()?, kind, parent, mode, &inside) {
        // The one that takes it all may be there.
        Err(NetworkError::InUse { .. }) if kind == "macvlan" && mode == PASSTHRU => Ok(()),
        // Not left to the end of the namespace, which comes later: what takes it all finds it free.
        Ok(()) => detach(namespace.as_fd(), inside.name),
        other => other,
    }
}

fn hang(socket: &Socket, kind: &'static str, parent: &str, mode: u32, inside: &Far<'_>) -> Result<()> {
    let Some(found) = link::find(socket, parent)? else {
        return Err(absent(socket, parent)?);
    };
    let mut batch = Batch::default();
    link::make_hanging(&mut batch, &Hanging { kind, parent: found.index, mode }, inside);
    let result = socket.request(&batch);
    match result.as_ref().err().and_then(NetworkError::errno) {
        Some(libc::EOPNOTSUPP) => Err(NetworkError::NoKind { kind }),
        Some(libc::EBUSY | libc::EINVAL) => Err(NetworkError::InUse { name: parent.to_owned(), kind }),
        _ => result,
    }
}

/// Says of an interface that is not there what it could be: `eth0.10` is the usual name of a virtual network on `eth0`.
fn absent(socket: &Socket, name: &str) -> Result<NetworkError> {
    let part = name
        .rsplit_once('.')
        .and_then(|(of, id)| Some((of, id.parse().ok().filter(|it| (1..=4094).contains(it))?)));
    Ok(match part {
        Some((of, id)) if link::find(socket, of)?.is_some() => NetworkError::NoPart { name: name.to_owned(), of: of.to_owned(), id },
        _ => NetworkError::NoInterface { name: name.to_owned() },
    })
}

/// `MACVLAN_MODE_PASSTHRU`.
const PASSTHRU: u32 = 8;

/// Source: `linux/if_link.h`, `enum macvlan_mode`; bridge is docker's default.
fn macvlan_mode(mode: &str) -> u32 {
    match mode {
        "private" => 1,
        "vepa" => 2,
        "passthru" => PASSTHRU,
        _ => 4,
    }
}

/// Source: `linux/if_link.h`, `enum ipvlan_mode`; l2 is docker's default.
fn ipvlan_mode(mode: &str) -> u32 {
    match mode {
        "l3" => 1,
        "l3s" => 2,
        _ => 0,
    }
}

/// The kernel says only that there is no room for another interface.
fn full(socket: &Socket, bridge: &Link, error: NetworkError) -> NetworkError {
    if !matches!(error.errno(), Some(libc::EXFULL | libc::ENOSPC | libc::EMLINK)) {
        return error;
    }
    let members = link::list(socket).map(|links| links.iter().filter(|it| it.master == Some(bridge.index)).count());
    match members {
        Ok(count) if count >= link::MOST_PORTS => NetworkError::BridgeFull { bridge: bridge.name.clone() },
        Ok(_) | Err(_) => error,
    }
}

/// One of the two names is taken: by an earlier try for this same container, or by a leftover, which may be going at this moment with
/// the namespace of its other end.
fn again(socket: &Socket, namespace: BorrowedFd<'_>, endpoint: &Endpoint, mut error: NetworkError) -> Result<()> {
    for _ in 0..TRIES {
        match once_more(socket, namespace, endpoint, error) {
            Err(other) if matches!(other.errno(), Some(libc::EEXIST | libc::ENODEV)) => error = other,
            other => return other,
        }
        std::thread::sleep(PAUSE);
    }
    Err(error)
}

fn once_more(socket: &Socket, namespace: BorrowedFd<'_>, endpoint: &Endpoint, error: NetworkError) -> Result<()> {
    let inside = netns::within(namespace, || link::find(&Socket::route()?, &endpoint.interface))??;
    let On::Bridge { veth, bridge, .. } = &endpoint.on else {
        // What hangs on the host's interface has one name only, the one in the container.
        return if inside.is_some() { Ok(()) } else { Err(error) };
    };
    match (link::find(socket, veth)?, inside) {
        (Some(near), Some(far)) if near.kind == "veth" && far.kind == "veth" => {
            let found = link::find(socket, bridge)?.ok_or_else(|| NetworkError::NoInterface { name: bridge.clone() })?;
            let mut batch = Batch::default();
            link::set_master(&mut batch, veth, near.index, found.index);
            socket.request(&batch)
        }
        (Some(near), None) if near.kind == "veth" => {
            link::remove(socket, veth, near.index)?;
            make(socket, namespace, endpoint)
        }
        (None, None) => make(socket, namespace, endpoint),
        _ => Err(error),
    }
}

/// In the container's namespace, before the interface is switched on, or it asks around for an address of its own.
fn switch(endpoint: &Endpoint) -> Result<()> {
    let (name, has_ipv6) = (&endpoint.interface, has_ipv6(endpoint));
    sysctl::write_if_there(&format!("net/ipv6/conf/{name}/disable_ipv6"), if has_ipv6 { "0" } else { "1" })?;
    // Also without addresses: the container may switch IPv6 on for itself.
    sysctl::write_if_there(&format!("net/ipv6/conf/{name}/accept_ra"), "0")?;
    if has_ipv6 {
        // Nobody else has an address that we gave, so none has to wait a second for others to object.
        sysctl::write_if_there(&format!("net/ipv6/conf/{name}/accept_dad"), "0")?;
    }
    endpoint.switches.iter().try_for_each(|(switch, value)| sysctl::write(switch, value))
}

/// What belongs to the interface, over a socket of the container's namespace.
fn configure(socket: &Socket, endpoint: &Endpoint) -> Result<()> {
    let name = &endpoint.interface;
    let link = link::find(socket, name)?.ok_or_else(|| NetworkError::NoInterface { name: name.clone() })?;
    let mut batch = Batch::default();
    link::up(&mut batch, name, link.index);
    for address in &endpoint.addresses {
        route::add_address(&mut batch, name, link.index, *address);
    }
    for gateway in &endpoint.gateways {
        if gateway.is_unspecified() {
            route::add_direct(&mut batch, link.index, gateway.is_ipv4());
        } else {
            route::add_default(&mut batch, link.index, *gateway);
        }
    }
    socket.request(&batch)?;
    settle(socket, name)?;
    route::wait_for_local(socket, &endpoint.addresses)
}

//! Addresses and routes. Source: `linux/if_addr.h`, `linux/rtnetlink.h`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::cidr::bits;
use crate::linux::link::family;
use crate::linux::message::{self, ACK, Batch, CREATE, DUMP, REPLACE};
use crate::linux::netlink::Socket;
use crate::{Cidr, Result};

const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;

const PEER: u16 = 1;
const LOCAL: u16 = 2;
const BROADCAST: u16 = 4;
/// `IFA_F_NODAD`: nobody else has an address that we gave, so it works at once.
const SURE: u8 = 2;

const ROUTE_TO: u16 = 1;
const ROUTE_OUT: u16 = 4;
const ROUTE_GATEWAY: u16 = 5;
/// `RT_TABLE_MAIN`.
const MAIN: u8 = 254;
/// `RTPROT_BOOT`, as ip(8) says.
const BOOT: u8 = 3;
/// `RTN_UNICAST`.
const UNICAST: u8 = 1;
/// `RTN_LOCAL`.
const LOCAL_ROUTE: u8 = 2;

/// How often, and how far apart, a new address is looked at: mostly it is there the first time.
const LOOKS: usize = 100;
const BETWEEN_LOOKS: Duration = Duration::from_micros(200);

/// `RTM_F_CLONED`: a path that was looked up, not a route.
const CLONED: u32 = 0x200;

/// Gives an interface an address; one that it has is as good.
pub(crate) fn add_address(batch: &mut Batch, interface: &str, index: u32, address: Cidr) {
    let mut fixed = [family(address.address()), address.prefix(), SURE, 0, 0, 0, 0, 0];
    if address.address().is_loopback() || address.is_ipv4() {
        fixed[2] = 0;
    }
    fixed[4..].copy_from_slice(&index.to_ne_bytes());
    let bytes = octets(address.address());
    batch.push(format!("give {interface} the address {address}"), NEW_ADDRESS, ACK | CREATE | REPLACE, &fixed, |it| {
        it.bytes(LOCAL, &bytes);
        it.bytes(PEER, &bytes);
        if address.is_ipv4() && address.prefix() < 31 {
            it.bytes(BROADCAST, &octets(address.last()));
        }
    });
}

/// Sends all of a family by a gateway.
pub(crate) fn add_default(batch: &mut Batch, index: u32, gateway: IpAddr) {
    add(batch, format!("set the default route by {gateway}"), index, gateway, Some(gateway));
}

/// Sends all of a family out by an interface, where there is no gateway.
pub(crate) fn add_direct(batch: &mut Batch, index: u32, is_ipv4: bool) {
    let family = if is_ipv4 {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    } else {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    };
    add(batch, "set the default route".to_owned(), index, family, None);
}

fn add(batch: &mut Batch, doing: String, index: u32, of: IpAddr, gateway: Option<IpAddr>) {
    // `RT_SCOPE_UNIVERSE` by a gateway, else `RT_SCOPE_LINK`.
    let scope = if gateway.is_some() { 0 } else { 253 };
    let fixed = [family(of), 0, 0, 0, MAIN, BOOT, scope, UNICAST, 0, 0, 0, 0];
    batch.push(doing, NEW_ROUTE, ACK | CREATE | REPLACE, &fixed, |it| {
        if let Some(gateway) = gateway {
            it.bytes(ROUTE_GATEWAY, &octets(gateway));
        }
        it.u32(ROUTE_OUT, index);
    });
}

/// Waits until the kernel takes packets to its new addresses of IPv6, which it begins a little after it has given them.
///
/// # Errors
/// What the kernel reports; that it takes longer than usual is none.
pub(crate) fn wait_for_local(socket: &Socket, addresses: &[Cidr]) -> Result<()> {
    for address in addresses.iter().filter(|it| !it.is_ipv4()) {
        for _ in 0..LOOKS {
            if is_local(socket, address.address())? {
                break;
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }
    Ok(())
}

fn is_local(socket: &Socket, address: IpAddr) -> Result<bool> {
    let mut batch = Batch::default();
    let fixed = [family(address), bits(address), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    batch.push(format!("look up the route to {address}"), GET_ROUTE, ACK, &fixed, |it| it.bytes(ROUTE_TO, &octets(address)));
    match socket.ask(&batch) {
        Ok(items) => Ok(items.first().is_some_and(|(_, payload)| payload.get(7) == Some(&LOCAL_ROUTE))),
        Err(error) if error.errno() == Some(libc::ENETUNREACH) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Addresses of all interfaces, each with the interface's number.
pub(crate) fn addresses(socket: &Socket) -> Result<Vec<(u32, Cidr)>> {
    let mut batch = Batch::default();
    batch.push("list addresses", GET_ADDRESS, DUMP, &[0; 8], |_| {});
    let items = socket.ask(&batch)?;
    Ok(items
        .iter()
        .filter(|(kind, _)| *kind == NEW_ADDRESS)
        .filter_map(|(_, payload)| address(payload))
        .collect())
}

fn address(payload: &[u8]) -> Option<(u32, Cidr)> {
    let attributes = payload.get(8..)?;
    let bytes = message::find(attributes, LOCAL).or_else(|| message::find(attributes, PEER))?;
    Some((message::number(payload, 4)?, Cidr::new(from_octets(bytes)?, *payload.get(1)?)?))
}

/// A route that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Where to; a prefix of 0 is the default route.
    pub to: Cidr,
    /// By which interface, by number.
    pub interface: Option<u32>,
    /// By which gateway.
    pub gateway: Option<IpAddr>,
}

/// Routes of all tables but those to the host itself and to nowhere.
pub(crate) fn routes(socket: &Socket) -> Result<Vec<Route>> {
    let mut batch = Batch::default();
    batch.push("list routes", GET_ROUTE, DUMP, &[0; 12], |_| {});
    let items = socket.ask(&batch)?;
    Ok(items
        .iter()
        .filter(|(kind, _)| *kind == NEW_ROUTE)
        .filter_map(|(_, payload)| route(payload))
        .collect())
}

fn route(payload: &[u8]) -> Option<Route> {
    let attributes = payload.get(12..)?;
    if *payload.get(7)? != UNICAST || message::number(payload, 8)? & CLONED != 0 {
        return None;
    }
    let unspecified = || {
        let is_ipv4 = i32::from(payload[0]) == libc::AF_INET;
        if is_ipv4 {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        } else {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        }
    };
    let to = message::find(attributes, ROUTE_TO).map_or_else(|| Some(unspecified()), from_octets)?;
    Some(Route {
        to: Cidr::new(to, *payload.get(1)?)?,
        interface: message::find(attributes, ROUTE_OUT).and_then(|it| message::number(it, 0)),
        gateway: message::find(attributes, ROUTE_GATEWAY).and_then(from_octets),
    })
}

pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(it) => it.octets().to_vec(),
        IpAddr::V6(it) => it.octets().to_vec(),
    }
}

pub(crate) fn from_octets(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

//! Connections that the kernel follows, for what a replica still has open. Source: `linux/netfilter/nfnetlink_conntrack.h`.

use std::net::IpAddr;

use crate::linux::firewall::{FAMILIES, number};
use crate::linux::message::{self, ACK, Batch, DUMP};
use crate::linux::netlink::Socket;
use crate::linux::route::from_octets;
use crate::{Protocol, Result};

const SUBSYSTEM: u16 = 1;
const GET: u16 = 1;
const DELETE: u16 = 2;

const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const PROTOCOL_STATE: u16 = 4;

/// States of TCP in which either side may still send: from `TCP_CONNTRACK_SYN_SENT` to `TCP_CONNTRACK_CLOSE_WAIT`.
const OPEN: std::ops::RangeInclusive<u8> = 1..=5;

/// A connection to a container.
struct Connection<'a> {
    protocol: u8,
    answers_from: (IpAddr, u16),
    is_open: bool,
    original: &'a [u8],
}

/// Counts the connections that are open to an address and port, whoever made them. UDP ones count until the kernel forgets them.
///
/// # Errors
/// When the kernel refuses.
pub fn open_to(protocol: Protocol, address: IpAddr, port: u16) -> Result<usize> {
    let socket = Socket::netfilter()?;
    let items = list(&socket, address)?;
    let open = items.iter().filter_map(|payload| parse(payload));
    Ok(open
        .filter(|it| it.protocol == protocol.number() && it.answers_from == (address, port) && it.is_open)
        .count())
}

/// Makes the kernel forget the connections to an address whose container is gone. They would lead there for minutes: whoever sends again from
/// the same port is the same connection, and so is one of TCP that ended up to two minutes ago.
///
/// # Errors
/// When the kernel refuses.
pub fn forget(address: IpAddr) -> Result<usize> {
    let socket = Socket::netfilter()?;
    let items = list(&socket, address)?;
    let stale: Vec<_> = items
        .iter()
        .filter_map(|payload| parse(payload))
        .filter(|it| it.answers_from.0 == address)
        .collect();
    for connection in &stale {
        let mut batch = Batch::default();
        batch.push("forget a connection", (SUBSYSTEM << 8) | DELETE, ACK, &[family(address), 0, 0, 0], |it| {
            it.nest(ORIGINAL, |it| it.raw(connection.original));
        });
        match socket.request(&batch) {
            // It ended meanwhile.
            Err(error) if error.errno() == Some(libc::ENOENT) => {}
            other => other?,
        }
    }
    Ok(stale.len())
}

fn list(socket: &Socket, address: IpAddr) -> Result<Vec<Vec<u8>>> {
    let mut batch = Batch::default();
    batch.push("list connections", (SUBSYSTEM << 8) | GET, DUMP, &[family(address), 0, 0, 0], |_| {});
    match socket.ask(&batch) {
        Ok(items) => Ok(items.into_iter().map(|(_, payload)| payload).collect()),
        // A kernel that follows none has none open.
        Err(error) if matches!(error.errno(), Some(libc::EOPNOTSUPP | libc::EINVAL)) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn family(address: IpAddr) -> u8 {
    FAMILIES
        .into_iter()
        .find(|it| (*it == crate::rules::Family::Ipv4) == address.is_ipv4())
        .map_or(0, number)
}

fn parse(payload: &[u8]) -> Option<Connection<'_>> {
    let attributes = payload.get(4..)?;
    let reply = message::find(attributes, REPLY)?;
    let (addresses, protocol) = (message::find(reply, 1)?, message::find(reply, 2)?);
    let source = message::find(addresses, 1).or_else(|| message::find(addresses, 3))?;
    let number = *message::find(protocol, 1)?.first()?;
    let port = message::find(protocol, 2).and_then(|it| Some(u16::from_be_bytes(it.get(..2)?.try_into().ok()?)));
    let state = message::find(attributes, PROTOCOL_STATE)
        .and_then(|it| message::find(it, 1))
        .and_then(|it| message::find(it, 1));
    Some(Connection {
        protocol: number,
        answers_from: (from_octets(source)?, port?),
        is_open: state.and_then(|it| it.first()).is_none_or(|it| OPEN.contains(it)),
        original: message::find(attributes, ORIGINAL)?,
    })
}

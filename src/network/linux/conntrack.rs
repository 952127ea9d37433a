//! Connections that the kernel follows, for what a replica still has open. Source: `linux/netfilter/nfnetlink_conntrack.h`.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::linux::firewall::{FAMILIES, number};
use crate::linux::message::{self, ACK, Batch, DUMP};
use crate::linux::netlink::Socket;
use crate::linux::route::from_octets;
use crate::{Protocol, Result};

const SUBSYSTEM: u16 = 1;
const GET: u16 = 1;
const DELETE: u16 = 2;

const REPLY: u16 = 2;
const PROTOCOL_STATE: u16 = 4;

/// States of TCP in which either side may still send: from `TCP_CONNTRACK_SYN_SENT` to `TCP_CONNTRACK_CLOSE_WAIT`.
const OPEN: std::ops::RangeInclusive<u8> = 1..=5;

/// How often open connections are counted; and how soon once more, when there is none.
const LOOK: Duration = Duration::from_millis(100);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A connection to a container.
struct Connection<'a> {
    protocol: u8,
    answers_from: (IpAddr, u16),
    is_open: bool,
    reply: &'a [u8],
}

/// Counts the connections that are open to ports of containers, whoever made them. UDP ones count until the kernel forgets them.
///
/// # Errors
/// When the kernel refuses.
pub fn open_to(doors: &[(Protocol, IpAddr, u16)]) -> Result<usize> {
    let is_asked = |it: &Connection<'_>| {
        doors
            .iter()
            .any(|(protocol, address, port)| it.protocol == protocol.number() && it.answers_from == (*address, *port))
    };
    let mut open = 0;
    for_each(doors.iter().map(|(_, address, _)| address), |_, found| {
        open += found.iter().filter(|it| it.is_open && is_asked(it)).count();
        Ok(())
    })?;
    Ok(open)
}

/// Waits until no connection is open to ports of containers that nobody new is led to, no longer than until a moment; tells whether there is
/// none. It looks twice: the first packet of one may be between its being led there and its being counted, where who sends it just has not
/// its turn. That is likely to be over then.
///
/// # Errors
/// When the kernel refuses.
pub fn wait_for_none(doors: &[(Protocol, IpAddr, u16)], until: Instant) -> Result<bool> {
    let mut was_none = false;
    while !doors.is_empty() {
        let is_none = open_to(doors)? == 0;
        let left = until.saturating_duration_since(Instant::now());
        if (is_none && was_none) || left.is_zero() {
            return Ok(is_none);
        }
        was_none = is_none;
        std::thread::sleep(left.min(if is_none { LOOK_AGAIN } else { LOOK }));
    }
    Ok(true)
}

/// Makes the kernel forget the connections to addresses whose containers are gone. They would lead there for minutes: whoever sends again from
/// the same port is the same connection, and so is one of TCP that ended up to two minutes ago. However many addresses, the kernel walks
/// through its table once: that takes it 3 to 6 ms where the table has its usual 262,144 rows, be they empty.
///
/// # Errors
/// When the kernel refuses.
pub fn forget(addresses: &[IpAddr]) -> Result<usize> {
    let (mut forgotten, mut failed) = (0, None);
    for_each(addresses.iter(), |socket, found| {
        for connection in found.iter().filter(|it| addresses.contains(&it.answers_from.0)) {
            let mut batch = Batch::default();
            batch.push("forget a connection", (SUBSYSTEM << 8) | DELETE, ACK, &[family(connection.answers_from.0), 0, 0, 0], |it| {
                // By where it leads: from the same port, another may have begun since it was listed, to a container that is there.
                it.nest(REPLY, |it| it.raw(connection.reply));
            });
            match socket.request(&batch) {
                // It ended meanwhile.
                Err(error) if error.errno() == Some(libc::ENOENT) => {}
                // The others are forgotten all the same; the first error counts.
                Err(error) => failed = failed.take().or(Some(error)),
                Ok(()) => forgotten += 1,
            }
        }
        Ok(())
    })?;
    failed.map_or(Ok(forgotten), Err)
}

/// Lists the connections of each family that addresses are of.
fn for_each<'a>(
    addresses: impl Iterator<Item = &'a IpAddr> + Clone,
    mut work: impl FnMut(&Socket, &[Connection<'_>]) -> Result<()>,
) -> Result<()> {
    for is_ipv4 in [true, false] {
        let Some(address) = addresses.clone().find(|it| it.is_ipv4() == is_ipv4) else {
            continue;
        };
        let socket = Socket::netfilter()?;
        let items = list(&socket, *address)?;
        let found: Vec<Connection<'_>> = items.iter().filter_map(|payload| parse(payload)).collect();
        work(&socket, &found)?;
    }
    Ok(())
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
        reply,
    })
}

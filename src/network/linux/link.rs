//! Interfaces. Source: `linux/rtnetlink.h`, `linux/if_link.h`.

use std::net::IpAddr;

use rustix::fd::{AsRawFd, BorrowedFd};

use crate::linux::message::{self, ACK, Attributes, Batch, CREATE, DUMP, EXCLUSIVE};
use crate::linux::netlink::Socket;
use crate::{Mac, NetworkError, Result, names};

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;

const ADDRESS: u16 = 1;
const NAME: u16 = 3;
const MTU: u16 = 4;
const PARENT: u16 = 5;
const MASTER: u16 = 10;
const INFORMATION: u16 = 18;
const ALIAS: u16 = 20;
const GROUP: u16 = 27;
const NAMESPACE: u16 = 28;
/// `IFLA_EXT_MASK`, and `RTEXT_FILTER_SKIP_STATS`: counters of packets are half of what an interface says of itself, and take longest.
const DETAIL: u16 = 29;
const NO_COUNTERS: u32 = 8;
const KIND: u16 = 1;
const DATA: u16 = 2;
const MEMBER_KIND: u16 = 4;
const MEMBER_DATA: u16 = 5;
const FORWARD_DELAY: u16 = 1;
const STP: u16 = 5;
const PEER: u16 = 1;
/// `IFLA_BRPORT_MODE`.
const HAIRPIN: u16 = 4;
/// `IFLA_BRPORT_ISOLATED`.
const ISOLATED: u16 = 33;
/// `IFLA_MACVLAN_MODE` and `IFLA_IPVLAN_MODE`.
const MODE: u16 = 1;

/// `IFF_UP`.
const UP: u32 = 1;

/// Interfaces that a bridge takes. Source: `BR_PORT_BITS` of the kernel, less the number 0.
pub(crate) const MOST_PORTS: usize = 1023;

/// An interface that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its kind, as `bridge`; empty for hardware.
    pub kind: String,
    /// What it is part of, by number.
    pub master: Option<u32>,
    /// What it says about itself.
    pub alias: String,
    /// Its group.
    pub group: u32,
    /// Largest packet, in bytes.
    pub mtu: u32,
    /// Hardware address.
    pub mac: Option<Mac>,
    /// Whether it was switched on.
    pub is_up: bool,
}

/// A kind of interface that hangs on one of the host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hanging {
    pub(crate) kind: &'static str,
    pub(crate) parent: u32,
    /// As the kernel numbers them.
    pub(crate) mode: u32,
}

/// `struct ifinfomsg`.
fn fixed(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
    bytes[12..16].copy_from_slice(&change.to_ne_bytes());
    bytes
}

/// All interfaces.
pub(crate) fn list(socket: &Socket) -> Result<Vec<Link>> {
    let mut batch = Batch::default();
    batch.push("list interfaces", GET_LINK, DUMP, &fixed(0, 0, 0), |it| it.u32(DETAIL, NO_COUNTERS));
    Ok(socket
        .ask(&batch)?
        .iter()
        .filter_map(|(kind, payload)| (*kind == NEW_LINK).then(|| parse(payload)).flatten())
        .collect())
}

/// One interface by its name.
pub(crate) fn find(socket: &Socket, name: &str) -> Result<Option<Link>> {
    let mut batch = Batch::default();
    batch.push(format!("look for the interface {name}"), GET_LINK, ACK, &fixed(0, 0, 0), |it| {
        it.text(NAME, name);
        it.u32(DETAIL, NO_COUNTERS);
    });
    match socket.ask(&batch) {
        Ok(items) => Ok(items.iter().find_map(|(_, payload)| parse(payload))),
        Err(error) if error.errno() == Some(libc::ENODEV) => Ok(None),
        Err(error) => Err(error),
    }
}

fn parse(payload: &[u8]) -> Option<Link> {
    let attributes = payload.get(16..)?;
    let number = |kind| message::find(attributes, kind).and_then(|it| message::number(it, 0));
    let text = |kind| message::find(attributes, kind).map(message::text);
    Some(Link {
        index: message::number(payload, 4)?,
        name: text(NAME)?,
        kind: message::find(attributes, INFORMATION)
            .and_then(|it| message::find(it, KIND))
            .map(message::text)
            .unwrap_or_default(),
        master: number(MASTER),
        alias: text(ALIAS).unwrap_or_default(),
        group: number(GROUP).unwrap_or(0),
        mtu: number(MTU).unwrap_or(0),
        mac: message::find(attributes, ADDRESS).and_then(|it| it.try_into().ok()).map(Mac),
        is_up: message::number(payload, 8)? & UP != 0,
    })
}

/// Makes a bridge that is on, does no spanning tree and waits for nothing.
pub(crate) fn make_bridge(batch: &mut Batch, name: &str, group: u32, mac: Option<Mac>, mtu: Option<u32>) {
    let doing = format!("make the bridge {name}");
    batch.push(doing, NEW_LINK, ACK | CREATE | EXCLUSIVE, &fixed(0, UP, UP), |it| {
        it.text(NAME, name);
        it.u32(GROUP, group);
        if let Some(mac) = mac {
            it.bytes(ADDRESS, &mac.0);
        }
        if let Some(mtu) = mtu {
            it.u32(MTU, mtu);
        }
        it.nest(INFORMATION, |it| {
            it.text(KIND, "bridge");
            it.nest(DATA, |it| {
                it.u32(FORWARD_DELAY, 0);
                it.u32(STP, 0);
            });
        });
    });
}

/// Makes a pair: the host's end is on and part of a bridge, the other end is in a namespace from its first moment. One message, since
/// moving an interface into a namespace waits for every processor.
pub(crate) fn make_veth(batch: &mut Batch, host: &Near<'_>, inside: &Far<'_>) {
    let doing = format!("make the interface {} on {}", inside.name, host.bridge_name);
    batch.push(doing, NEW_LINK, ACK | CREATE | EXCLUSIVE, &fixed(0, UP, UP), |it| {
        it.text(NAME, host.name);
        it.u32(GROUP, host.group);
        it.u32(MASTER, host.bridge);
        mtu(it, inside.mtu);
        it.nest(INFORMATION, |it| {
            it.text(KIND, "veth");
            it.nest(DATA, |it| {
                it.nest(PEER, |it| {
                    it.raw(&fixed(0, 0, 0));
                    far(it, inside);
                });
            });
        });
    });
}

/// Makes an interface that hangs on one of the host's, in a namespace from its first moment.
pub(crate) fn make_hanging(batch: &mut Batch, hanging: &Hanging, inside: &Far<'_>) {
    let doing = format!("make the {} interface {}", hanging.kind, inside.name);
    batch.push(doing, NEW_LINK, ACK | CREATE | EXCLUSIVE, &fixed(0, 0, 0), |it| {
        far(it, inside);
        it.u32(PARENT, hanging.parent);
        it.nest(INFORMATION, |it| {
            it.text(KIND, hanging.kind);
            it.nest(DATA, |it| {
                // ipvlan's is a short number, macvlan's a long one.
                if hanging.kind == "ipvlan" {
                    it.bytes(MODE, &u16::try_from(hanging.mode).unwrap_or(0).to_ne_bytes());
                } else {
                    it.u32(MODE, hanging.mode);
                }
            });
        });
    });
}

/// Tells whether the kernel has a kind of interface, by making one of it that lacks all that such a kind may need.
pub(crate) fn has_kind(socket: &Socket, kind: &str) -> Result<bool> {
    let mut batch = Batch::default();
    batch.push(format!("try {kind} interfaces"), NEW_LINK, ACK | CREATE | EXCLUSIVE, &fixed(0, 0, 0), |it| {
        it.text(NAME, &format!("rc-{kind}"));
        it.nest(INFORMATION, |it| it.text(KIND, kind));
    });
    match socket.request(&batch) {
        Ok(()) => Ok(true),
        Err(error) => match error.errno() {
            Some(libc::EOPNOTSUPP) => Ok(false),
            // It knows the kind, and misses what it hangs on.
            Some(libc::EINVAL | libc::ENODEV) => Ok(true),
            _ => Err(error),
        },
    }
}

/// The end of a pair on the host.
pub(crate) struct Near<'a> {
    pub(crate) name: &'a str,
    pub(crate) group: u32,
    pub(crate) bridge: u32,
    pub(crate) bridge_name: &'a str,
}

/// The interface in a container.
pub(crate) struct Far<'a> {
    pub(crate) name: &'a str,
    pub(crate) namespace: BorrowedFd<'a>,
    pub(crate) mac: Option<Mac>,
    pub(crate) mtu: Option<u32>,
}

fn far(it: &mut Attributes<'_>, inside: &Far<'_>) {
    it.text(NAME, inside.name);
    it.bytes(NAMESPACE, &inside.namespace.as_raw_fd().to_ne_bytes());
    if let Some(mac) = inside.mac {
        it.bytes(ADDRESS, &mac.0);
    }
    mtu(it, inside.mtu);
}

fn mtu(it: &mut Attributes<'_>, mtu: Option<u32>) {
    if let Some(mtu) = mtu {
        it.u32(MTU, mtu);
    }
}

/// Switches an interface on.
pub(crate) fn up(batch: &mut Batch, name: &str, index: u32) {
    batch.push(format!("switch on {name}"), NEW_LINK, ACK, &fixed(index, UP, UP), |_| {});
}

/// Writes what a bridge says about itself.
pub(crate) fn set_alias(batch: &mut Batch, name: &str, index: u32, alias: &str) {
    // The kernel keeps 255 bytes.
    let end = (0..=alias.len().min(255)).rev().find(|it| alias.is_char_boundary(*it)).unwrap_or(0);
    batch.push(format!("mark {name}"), NEW_LINK, ACK, &fixed(index, 0, 0), |it| it.bytes(ALIAS, &alias.as_bytes()[..end]));
}

/// Makes an interface part of a bridge.
pub(crate) fn set_master(batch: &mut Batch, name: &str, index: u32, bridge: u32) {
    batch.push(format!("put {name} on its bridge"), NEW_LINK, ACK, &fixed(index, UP, UP), |it| it.u32(MASTER, bridge));
}

/// Sets how an interface is part of a bridge. One that is isolated is kept from those that are so too; the bridge itself talks to all.
///
/// What came in by an interface may go out by it again: a container that asks the host for a port of its own comes back to itself, and where
/// bridged packets are translated (`br_netfilter`) that happens within the bridge.
pub(crate) fn set_membership(batch: &mut Batch, name: &str, isolated: bool) {
    batch.push(format!("set how {name} is part of its bridge"), NEW_LINK, ACK, &fixed(0, 0, 0), |it| {
        it.text(NAME, name);
        it.nest(INFORMATION, |it| {
            it.text(MEMBER_KIND, "bridge");
            it.nest(MEMBER_DATA, |it| {
                it.u8(HAIRPIN, 1);
                it.u8(ISOLATED, u8::from(isolated));
            });
        });
    });
}

/// Removes an interface; one that is not there is removed.
pub(crate) fn remove(socket: &Socket, name: &str, index: u32) -> Result<()> {
    let mut batch = Batch::default();
    batch.push(format!("remove the interface {name}"), DELETE_LINK, ACK, &fixed(index, 0, 0), |_| {});
    gone(socket.request(&batch))
}

/// Removes all interfaces of a group at once, which waits for the processors once only. Only for a group that nobody else can be in.
pub(crate) fn remove_all(socket: &Socket, group: u32) -> Result<()> {
    let mut batch = Batch::default();
    batch.push("remove the project's interfaces", DELETE_LINK, ACK, &fixed(0, 0, 0), |it| it.u32(GROUP, group));
    gone(socket.request(&batch))
}

fn gone(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if error.errno() == Some(libc::ENODEV) => Ok(()),
        other => other,
    }
}

/// Whether an address belongs to a link's family; for messages about addresses and routes.
pub(crate) fn family(address: IpAddr) -> u8 {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    u8::try_from(family).unwrap_or(0)
}

impl Link {
    /// The project that a bridge of ours belongs to.
    pub fn project(&self) -> Option<&str> {
        names::project_of(&self.alias)
    }

    pub(crate) fn expect(self, wanted: &'static str) -> Result<Self> {
        if self.kind == wanted {
            Ok(self)
        } else {
            Err(NetworkError::Foreign { name: self.name, wanted })
        }
    }
}

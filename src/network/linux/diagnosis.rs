//! Sockets that are bound and do not listen, which `/proc/net` does not show. Source: `linux/inet_diag.h`, `linux/sock_diag.h`.

use std::net::IpAddr;

use crate::linux::link::family;
use crate::linux::message::{self, Batch, DUMP};
use crate::linux::netlink::Socket;
use crate::linux::route::from_octets;
use crate::ports::holders::Listed;
use crate::{Protocol, Result};

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `TCP_BOUND_INACTIVE`, as a bit; Linux before 6.8 has no such state, and shows none.
const BOUND: u32 = 1 << 13;

/// All sockets of TCP that are bound and do no more.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn bound() -> Result<Vec<Listed>> {
    let socket = Socket::diagnosis()?;
    let mut found = Vec::new();
    for any in [IpAddr::from([0; 4]), IpAddr::from([0_u16; 8])] {
        // `struct inet_diag_req_v2`: family, protocol, extensions, padding, states, and an address that matters only without a list.
        let mut fixed = [0; 56];
        fixed[0] = family(any);
        fixed[1] = Protocol::Tcp.number();
        fixed[4..8].copy_from_slice(&BOUND.to_ne_bytes());
        let mut batch = Batch::default();
        batch.push("list sockets", BY_FAMILY, DUMP, &fixed, |_| {});
        let items = socket.ask(&batch)?;
        found.extend(items.iter().filter_map(|(_, payload)| listed(payload, any.is_ipv4())));
    }
    Ok(found)
}

/// `struct inet_diag_msg`.
fn listed(payload: &[u8], is_ipv4: bool) -> Option<Listed> {
    let port = u16::from_be_bytes(payload.get(4..6)?.try_into().ok()?);
    let address = from_octets(payload.get(8..if is_ipv4 { 12 } else { 24 })?)?;
    Some(Listed { address, port, inode: message::number(payload, 68)?.into() })
}

//! Holds published ports. Rules of the kernel reserve nothing, so each port is bound by a socket as well: nobody else gets it, and who had
//! it first is named.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::ports::holders;
use crate::ports::{Choice, PortRequest, Protocol};
use crate::{NetworkError, PortError, Result};

/// Times that another port is asked of the kernel when one is free in one family only.
const TRIES: usize = 32;

/// A port that nobody else gets as long as this lives.
#[derive(Debug)]
pub struct Held {
    /// Protocol.
    pub protocol: Protocol,
    /// Its number.
    pub port: u16,
    /// A bound socket for each address; one of IPv6 takes IPv6 only, and can become a [`crate::proxy`]'s. None listens.
    pub sockets: Vec<(IpAddr, OwnedFd)>,
}

/// Holds a port as a request asks for. `promised` are ports of a range that others of the project were promised.
///
/// # Errors
/// [`PortError`] when it is taken, with who has it, or when the address is not the host's.
pub fn hold(request: &PortRequest, promised: &[u16]) -> Result<Held> {
    let addresses = request.addresses(has_ipv6());
    let first = addresses.first().copied().unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
    match request.choice(promised)? {
        Choice::Fixed(port) => bind_all(request.protocol, &addresses, port),
        Choice::Ephemeral => {
            let mut last = Err(PortError::RangeTaken { address: first, first: 1, last: u16::MAX, protocol: request.protocol }.into());
            for _ in 0..TRIES {
                last = bind_all(request.protocol, &addresses, 0);
                if !matches!(&last, Err(NetworkError::Port(PortError::Taken { .. }))) {
                    return last;
                }
            }
            last
        }
        Choice::FirstFree(ports) => {
            for port in ports {
                match bind_all(request.protocol, &addresses, port) {
                    Err(NetworkError::Port(PortError::Taken { .. })) => {}
                    other => return other,
                }
            }
            let (first_port, last_port) = request.published.unwrap_or_default();
            Err(PortError::RangeTaken { address: first, first: first_port, last: last_port, protocol: request.protocol }.into())
        }
    }
}

/// Tells whether the one port that is asked for can be held, without asking who has it: that takes long.
#[must_use]
pub fn is_free(request: &PortRequest) -> bool {
    let Ok(Choice::Fixed(port)) = request.choice(&[]) else {
        return true;
    };
    let can = |address: &IpAddr| {
        let bound = socket(request.protocol, *address).map(|it| {
            // As in the end: connections that closed a moment ago keep nothing.
            let _ = sockopt::set_socket_reuseaddr(&it, request.protocol == Protocol::Tcp);
            rustix::net::bind(&it, &SocketAddr::new(*address, port))
        });
        !matches!(bound, Ok(Err(Errno::ADDRINUSE)))
    };
    request.addresses(has_ipv6()).iter().all(can)
}

/// Whether this host has IPv6 at all.
pub(crate) fn has_ipv6() -> bool {
    let any = SocketAddr::new(IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED), 0);
    socket(Protocol::Udp, any.ip()).is_ok_and(|it| rustix::net::bind(&it, &any).is_ok())
}

fn bind_all(protocol: Protocol, addresses: &[IpAddr], wanted: u16) -> Result<Held> {
    let mut held = Held { protocol, port: wanted, sockets: Vec::new() };
    for address in addresses {
        let Some(socket) = bind(protocol, *address, held.port)? else {
            continue;
        };
        if held.port == 0 {
            held.port = port_of(&socket).ok_or(NetworkError::Answer { about: "a bound socket" })?;
        }
        held.sockets.push((*address, socket));
    }
    Ok(held)
}

/// Nothing for a protocol that this kernel has no sockets of: its rules may work all the same.
fn bind(protocol: Protocol, address: IpAddr, port: u16) -> Result<Option<OwnedFd>, PortError> {
    let refused = |errno: Errno| PortError::Refused { address, port, protocol, source: errno.into() };
    let socket = match socket(protocol, address) {
        Ok(socket) => socket,
        Err(Errno::PROTONOSUPPORT | Errno::SOCKTNOSUPPORT) if protocol == Protocol::Sctp => return Ok(None),
        Err(errno) => return Err(refused(errno)),
    };
    let to = SocketAddr::new(address, port);
    match rustix::net::bind(&socket, &to) {
        Ok(()) => Ok(Some(socket)),
        Err(Errno::ADDRNOTAVAIL) => Err(PortError::NoAddress { address }),
        Err(Errno::ADDRINUSE) => {
            // Connections that closed a moment ago keep a port too, but not from who asks to use it again.
            let holder = holders::holder(Path::new("/proc"), protocol, address, port);
            if protocol == Protocol::Tcp && holder.is_none() && sockopt::set_socket_reuseaddr(&socket, true).is_ok() {
                let again = rustix::net::bind(&socket, &to);
                let _ = sockopt::set_socket_reuseaddr(&socket, false);
                if again.is_ok() {
                    return Ok(Some(socket));
                }
            }
            let (holder, pid) = holder.unwrap_or_else(|| (holders::NOBODY.to_owned(), None));
            Err(PortError::Taken { address, port, protocol, holder, pid })
        }
        Err(errno) => Err(refused(errno)),
    }
}

fn socket(protocol: Protocol, address: IpAddr) -> rustix::io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let (kind, number) = match protocol {
        Protocol::Tcp => (SocketType::STREAM, rustix::net::ipproto::TCP),
        Protocol::Udp => (SocketType::DGRAM, rustix::net::ipproto::UDP),
        Protocol::Sctp => (SocketType::STREAM, rustix::net::ipproto::SCTP),
    };
    let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, Some(number))?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    } else if protocol == Protocol::Udp {
        // Nobody reads it: what comes while a port has no backend is not kept. The kernel has a least size.
        sockopt::set_socket_recv_buffer_size(&socket, 0)?;
    }
    Ok(socket)
}

fn port_of(socket: &OwnedFd) -> Option<u16> {
    let name = rustix::net::getsockname(socket).ok()?;
    SocketAddr::try_from(name).ok().map(|it| it.port())
}

//! What can go wrong with a network, and where.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::{Cidr, Protocol};

/// A result of this room.
pub type Result<T, E = NetworkError> = std::result::Result<T, E>;

/// Any error of this room that comes from the kernel or from files.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The kernel refuses a request over netlink.
    #[error("{doing}{}", said.as_deref().map(|it| format!(" ({it})")).unwrap_or_default())]
    Kernel {
        /// What was tried, as `make the bridge rc-0123`.
        doing: String,
        /// The kernel's own words, where it has some.
        said: Option<String>,
        /// Why it failed.
        source: io::Error,
    },
    /// A system call fails.
    #[error("{doing}")]
    Step {
        /// What it was for.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A file refuses.
    #[error("{doing} {}", path.display())]
    File {
        /// What was tried, as `read`.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// An answer of the kernel is not what it must be.
    #[error("the kernel's answer about {about} makes no sense")]
    Answer {
        /// What was asked about.
        about: &'static str,
    },
    /// Something that is there under our name is not what it must be.
    #[error("there is already an interface {name}, and it is no {wanted}")]
    Foreign {
        /// Its name.
        name: String,
        /// What it had to be.
        wanted: &'static str,
    },
    /// An interface that must be there is not.
    #[error("there is no interface {name}")]
    NoInterface {
        /// Its name.
        name: String,
    },
    /// A part of an interface that must be there is not.
    #[error("there is no interface {name}; make it: `ip link add link {of} name {name} type vlan id {id} && ip link set {name} up`")]
    NoPart {
        /// Its name.
        name: String,
        /// The interface that it is a part of.
        of: String,
        /// The number of the virtual network.
        id: u16,
    },
    /// An interface that others hang on takes no more.
    #[error(
        "no {kind} interface can hang on {name}: it is part of a bridge or the loopback, or what hangs on it is of another kind or takes it all"
    )]
    InUse {
        /// Its name.
        name: String,
        /// The kind, as `macvlan`.
        kind: &'static str,
    },
    /// The kernel lacks a kind of interface.
    #[error("this kernel has no {kind} interfaces; use the driver `bridge`, or a kernel with CONFIG_{}", kind.to_uppercase())]
    NoKind {
        /// The kind, as `macvlan`.
        kind: &'static str,
    },
    /// A bridge takes no more interfaces.
    #[error("the bridge {bridge} has 1023 interfaces, which is all that the kernel allows; spread the containers over several networks")]
    BridgeFull {
        /// The bridge.
        bridge: String,
    },
    /// A port cannot be published.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl NetworkError {
    /// Makes a function that says what a failed call was for.
    pub(crate) fn step<E: Into<io::Error>>(doing: impl Into<String>) -> impl FnOnce(E) -> Self {
        |source| Self::Step { doing: doing.into(), source: source.into() }
    }

    /// Whether an interface that is needed was not there.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::NoInterface { .. }) || self.errno() == Some(libc::ENODEV)
    }

    /// The error number of the kernel, where there is one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Kernel { source, .. } | Self::Step { source, .. } | Self::File { source, .. } => source.raw_os_error(),
            Self::Answer { .. }
            | Self::Foreign { .. }
            | Self::NoInterface { .. }
            | Self::NoPart { .. }
            | Self::InUse { .. }
            | Self::NoKind { .. }
            | Self::BridgeFull { .. }
            | Self::Port(_) => None,
        }
    }
}

/// Addresses that cannot be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IpamError {
    /// Text that is no address, subnet or MAC address.
    #[error("{text:?} is no {wanted}")]
    Malformed {
        /// What was written.
        text: String,
        /// What it had to be.
        wanted: &'static str,
    },
    /// Every subnet of the pools is in use.
    #[error(
        "no free subnet: all {tried} of the default pools overlap an address or route of this machine, or another network; give one with `ipam.config.subnet`"
    )]
    NoSubnet {
        /// How many were tried.
        tried: usize,
    },
    /// A subnet that was asked for is in use.
    #[error("the subnet {subnet} overlaps {taken}, which is in use on this machine")]
    Overlaps {
        /// What was asked for.
        subnet: Cidr,
        /// What is there.
        taken: Cidr,
    },
    /// A subnet without room for a gateway and a container.
    #[error("the subnet {subnet} is too small for a gateway and a container")]
    TooSmall {
        /// The subnet.
        subnet: Cidr,
    },
    /// An address outside its subnet.
    #[error("{what} {address} is outside the subnet {subnet}")]
    Outside {
        /// What it is for, as `the gateway`.
        what: String,
        /// The address.
        address: IpAddr,
        /// The subnet.
        subnet: Cidr,
    },
    /// A range outside its subnet.
    #[error("the range {range} is outside the subnet {subnet}")]
    RangeOutside {
        /// The range.
        range: Cidr,
        /// The subnet.
        subnet: Cidr,
    },
    /// An address that no container may have.
    #[error("the address {address} is {taken_by}")]
    Reserved {
        /// The address.
        address: IpAddr,
        /// Why not, as `the gateway`.
        taken_by: String,
    },
    /// A static address that another container has.
    #[error("the address {address} is in use by another container")]
    InUse {
        /// The address.
        address: IpAddr,
    },
    /// No address is left.
    #[error("no address is left in {range}: {used} in use, {reserved} reserved")]
    Exhausted {
        /// Where addresses come from.
        range: Cidr,
        /// Addresses of containers.
        used: usize,
        /// Network, broadcast, gateway and auxiliary addresses in it.
        reserved: usize,
    },
    /// An address of a family that the network lacks.
    #[error("the network has no subnet for the address {address}")]
    NoFamily {
        /// The address.
        address: IpAddr,
    },
}

/// A port that cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Somebody has it.
    #[error("port {port}/{protocol} of {address} is taken by {holder}")]
    Taken {
        /// Address on the host.
        address: IpAddr,
        /// Its number.
        port: u16,
        /// Its protocol.
        protocol: Protocol,
        /// Who, as `nginx (pid 12)`.
        holder: String,
        /// Their process, where it can be seen.
        pid: Option<u32>,
    },
    /// Every port of a range is taken.
    #[error("no port of {first}-{last}/{protocol} is free on {address}: {} taken", u32::from(*last).saturating_sub(u32::from(*first)) + 1)]
    RangeTaken {
        /// Address on the host.
        address: IpAddr,
        /// First port.
        first: u16,
        /// Last port.
        last: u16,
        /// Protocol.
        protocol: Protocol,
    },
    /// The address is not one of this machine.
    #[error("{address} is no address of this machine, so no port of it can be published")]
    NoAddress {
        /// The address.
        address: IpAddr,
    },
    /// The range has its end before its start.
    #[error("the range of ports {first}-{last} ends before it starts")]
    Backwards {
        /// First port.
        first: u16,
        /// Last port.
        last: u16,
    },
    /// The kernel refuses for another reason.
    #[error("cannot hold port {port}/{protocol} of {address}")]
    Refused {
        /// Address on the host.
        address: IpAddr,
        /// Its number.
        port: u16,
        /// Its protocol.
        protocol: Protocol,
        /// Why.
        source: io::Error,
    },
}

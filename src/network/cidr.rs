//! Subnets and the addresses in them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::IpamError;

/// An address and the length of its network's prefix. A subnet has no bit set behind the prefix; an address on an interface may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// Joins an address and a prefix length; nothing when the prefix is longer than the address.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        (prefix <= bits(address)).then_some(Self { address, prefix })
    }

    /// A single address.
    pub fn host(address: IpAddr) -> Self {
        Self { address, prefix: bits(address) }
    }

    /// The address as it was given.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Bits of the network's part.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether it is of IPv4.
    pub fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }

    /// The subnet: the address with the bits behind the prefix cleared.
    pub fn network(&self) -> Self {
        let address = number(self.address) & !self.host_mask();
        Self { address: address_of(address, self.is_ipv4()), prefix: self.prefix }
    }

    /// The last address of the subnet; for IPv4 that of broadcasts.
    pub fn last(&self) -> IpAddr {
        address_of(number(self.address) | self.host_mask(), self.is_ipv4())
    }

    /// Whether an address lies in the subnet. Families never mix.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.is_ipv4() == address.is_ipv4() && (number(self.address) ^ number(address)) & !self.host_mask() == 0
    }

    /// Whether all of another subnet lies in this one.
    pub fn covers(&self, other: &Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.address)
    }

    /// Whether two subnets share an address.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// The address so many after the subnet's first; nothing behind its end.
    pub fn nth(&self, offset: u128) -> Option<IpAddr> {
        (offset <= self.host_mask()).then(|| address_of(number(self.network().address) | offset, self.is_ipv4()))
    }

    /// Bits set behind the prefix.
    pub(crate) fn host_mask(&self) -> u128 {
        let free = u32::from(bits(self.address) - self.prefix);
        1u128.checked_shl(free).map_or(u128::MAX, |it| it - 1)
    }
}

/// Bits of an address of that family.
pub(crate) fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// An address as a number.
pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(it) => u128::from(u32::from(it)),
        IpAddr::V6(it) => u128::from(it),
    }
}

/// A number as an address; what does not fit IPv4 is cut off.
pub(crate) fn address_of(number: u128, is_ipv4: bool) -> IpAddr {
    if is_ipv4 {
        let [.., a, b, c, d] = number.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    } else {
        IpAddr::V6(Ipv6Addr::from(number))
    }
}

impl FromStr for Cidr {
    type Err = IpamError;

    fn from_str(text: &str) -> Result<Self, IpamError> {
        let malformed = || IpamError::Malformed { text: text.to_owned(), wanted: "subnet as 172.20.0.0/16" };
        let (address, prefix) = text.split_once('/').ok_or_else(malformed)?;
        let address = address.parse().map_err(|_| malformed())?;
        let prefix = prefix.parse().map_err(|_| malformed())?;
        Self::new(address, prefix).ok_or_else(malformed)
    }
}

impl TryFrom<String> for Cidr {
    type Error = IpamError;

    fn try_from(text: String) -> Result<Self, IpamError> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

//! Subnets in the form ADDRESS/PREFIX.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A subnet: the bits of its address that are fixed, and how many they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// Reads `10.1.0.0/16`; bits behind the prefix may be set.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let digits = !prefix.is_empty() && prefix.len() <= 3 && prefix.bytes().all(|b| b.is_ascii_digit());
        let prefix: u8 = prefix.parse().ok().filter(|_| digits)?;
        (prefix <= width(address)).then_some(Self { address, prefix })
    }

    /// The subnet with every bit behind the prefix cleared.
    pub(super) fn network(self) -> Self {
        Self { address: self.first(), prefix: self.prefix }
    }

    pub(super) fn is_ipv4(self) -> bool {
        self.address.is_ipv4()
    }

    /// The address of the network itself.
    pub(super) fn first(self) -> IpAddr {
        unbits(self.address, bits(self.address) & !self.free())
    }

    /// The last address, which in IPv4 is the one for everybody.
    pub(super) fn last(self) -> IpAddr {
        unbits(self.address, bits(self.address) | self.free())
    }

    /// The first address behind the network's own, which engines give to the gateway.
    pub(super) fn second(self) -> IpAddr {
        unbits(self.address, (bits(self.address) & !self.free()).saturating_add(1))
    }

    /// Whether the subnet has room for an address of its own and one for everybody.
    pub(super) fn reserves_ends(self) -> bool {
        self.is_ipv4() && self.prefix <= 30
    }

    pub(super) fn contains(self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && bits(self.address) & !self.free() == bits(address) & !self.free()
    }

    pub(super) fn contains_all(self, other: Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.address)
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        self.contains(other.first()) || other.contains(self.first())
    }

    /// The bits that are not fixed.
    fn free(self) -> u128 {
        let free = u32::from(width(self.address) - self.prefix);
        1_u128.checked_shl(free).map_or(u128::MAX, |power| power - 1)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(four) => u128::from(u32::from(four)),
        IpAddr::V6(six) => u128::from(six),
    }
}

/// The address of these bits, in the family of `like`.
fn unbits(like: IpAddr, bits: u128) -> IpAddr {
    match like {
        #[expect(clippy::cast_possible_truncation, reason = "an IPv4 address has 32 bits")]
        IpAddr::V4(_) => Ipv4Addr::from(bits as u32).into(),
        IpAddr::V6(_) => Ipv6Addr::from(bits).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::Cidr;

    fn cidr(text: &str) -> Cidr {
        Cidr::parse(text).unwrap()
    }

    #[test]
    fn subnets_contain_what_shares_their_prefix() {
        let net = cidr("10.1.2.3/16");
        assert_eq!(net.network().to_string(), "10.1.0.0/16");
        assert_eq!((net.last().to_string(), net.second().to_string()), ("10.1.255.255".into(), "10.1.0.1".into()));
        assert!(net.contains("10.1.9.9".parse().unwrap()) && !net.contains("10.2.0.1".parse().unwrap()));
        assert!(!net.contains("::1".parse().unwrap()));
        assert!(net.contains_all(cidr("10.1.4.0/24")) && !net.contains_all(cidr("10.0.0.0/8")));
        assert!(cidr("10.0.0.0/8").overlaps(net) && net.overlaps(cidr("10.0.0.0/8")) && !net.overlaps(cidr("10.2.0.0/16")));
        assert!(cidr("::/0").contains("fe80::1".parse().unwrap()) && cidr("fd00::/64").overlaps(cidr("fd00::/80")));
        assert!(cidr("0.0.0.0/0").contains("1.2.3.4".parse().unwrap()) && cidr("1.2.3.4/32").contains("1.2.3.4".parse().unwrap()));
    }

    #[test]
    fn what_is_no_subnet_is_not_read() {
        for text in [
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "a/8",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "",
        ] {
            assert_eq!(Cidr::parse(text), None, "{text}");
        }
    }
}

//! Hardware addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::IpamError;

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The address that docker derives from an IPv4 address: `02:42` and its four bytes.
    pub fn of_ipv4(address: Ipv4Addr) -> Self {
        let [a, b, c, d] = address.octets();
        Self([0x02, 0x42, a, b, c, d])
    }

    /// As [`Mac::of_ipv4`] for the first IPv4 address, else from the last four bytes of the first IPv6 one; nothing without an address.
    pub fn of(addresses: &[IpAddr]) -> Option<Self> {
        let ipv4 = addresses.iter().find_map(|it| if let IpAddr::V4(it) = it { Some(*it) } else { None });
        ipv4.map(Self::of_ipv4).or_else(|| match addresses.first() {
            Some(IpAddr::V6(it)) => {
                let [.., a, b, c, d] = it.octets();
                Some(Self([0x02, 0x43, a, b, c, d]))
            }
            Some(IpAddr::V4(_)) | None => None,
        })
    }
}

impl FromStr for Mac {
    type Err = IpamError;

    /// Takes six pairs of hex digits between `:` or `-`. An address of a group is none for an interface.
    fn from_str(text: &str) -> Result<Self, IpamError> {
        let malformed = || IpamError::Malformed { text: text.to_owned(), wanted: "MAC address of one interface as 02:42:ac:14:00:02" };
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().filter(|it| it.len() == 2).ok_or_else(malformed)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| malformed())?;
        }
        let whole = parts.next().is_none() && bytes[0] & 1 == 0 && bytes != [0; 6];
        whole.then_some(Self(bytes)).ok_or_else(malformed)
    }
}

impl TryFrom<String> for Mac {
    type Error = IpamError;

    fn try_from(text: String) -> Result<Self, IpamError> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

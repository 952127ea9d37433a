//! Published ports: what a request asks to bind, and who has what is taken.

pub(crate) mod holders;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::PortError;

/// Transport protocol of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// Its number. Source: IANA, "Assigned Internet Protocol Numbers".
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// A port of the host that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRequest {
    /// Protocol.
    pub protocol: Protocol,
    /// The address of the host; `None` is every one.
    pub host_ip: Option<IpAddr>,
    /// First and last port to choose from; `None` is any free one of those the kernel gives out.
    pub published: Option<(u16, u16)>,
}

/// What to try for a request, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// This port and no other.
    Fixed(u16),
    /// The first of these that is free.
    FirstFree(Vec<u16>),
    /// Whatever the kernel gives.
    Ephemeral,
}

impl PortRequest {
    /// The addresses to bind: both families where no address is given.
    pub fn addresses(&self, has_ipv6: bool) -> Vec<IpAddr> {
        match self.host_ip {
            Some(address) => vec![address],
            None => {
                let ipv6 = has_ipv6.then_some(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
                [IpAddr::V4(Ipv4Addr::UNSPECIFIED)].into_iter().chain(ipv6).collect()
            }
        }
    }

    /// The ports to try. Those that others of the project were promised are left out of a range; a single port that was promised is tried,
    /// so that the error says who has it.
    ///
    /// # Errors
    /// [`PortError::Backwards`] for a range that ends before it starts.
    pub fn choice(&self, promised: &[u16]) -> Result<Choice, PortError> {
        match self.published {
            None | Some((0, 0)) => Ok(Choice::Ephemeral),
            Some((first, last)) if first == last => Ok(Choice::Fixed(first)),
            Some((first, last)) if first < last => Ok(Choice::FirstFree((first..=last).filter(|it| !promised.contains(it)).collect())),
            Some((first, last)) => Err(PortError::Backwards { first, last }),
        }
    }
}

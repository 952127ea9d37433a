//! Tables, chains and rules as data: what nftables knows, as far as it is needed.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Cidr, Protocol};

/// The family of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// `ip`.
    Ipv4,
    /// `ip6`.
    Ipv6,
}

impl Family {
    /// The word of nft.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4 => "ip",
            Self::Ipv6 => "ip6",
        }
    }

    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its family.
    pub family: Family,
    /// Its name.
    pub name: String,
    /// Its chains; one that another jumps to comes first.
    pub chains: Vec<Chain>,
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// Where packets come in; `None` for a chain that others jump to.
    pub hook: Option<Hook>,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// Where packets come into a chain; one that nothing decides about goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hook {
    /// `filter` or `nat`.
    pub kind: &'static str,
    /// `prerouting`, `forward`, `output` or `postrouting`.
    pub place: &'static str,
    /// Lower ones come first.
    pub priority: i32,
}

/// A rule: what has to hold of a packet, and what happens to it then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// All of these.
    pub matches: Vec<Match>,
    /// What happens.
    pub verdict: Verdict,
}

/// Something that may hold of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// It came in by this interface.
    InputIs(String),
    /// It came in by another.
    InputIsNot(String),
    /// It goes out by this interface.
    OutputIs(String),
    /// It goes out by another.
    OutputIsNot(String),
    /// Its source is in a subnet.
    Source(Cidr),
    /// Its destination is in a subnet.
    Destination(Cidr),
    /// Its destination is not in a subnet.
    DestinationNot(Cidr),
    /// Its destination is an address of the host.
    ToHost,
    /// It is of this protocol.
    Protocol(Protocol),
    /// It goes to this port.
    Port(u16),
    /// It belongs to a connection that was let in before.
    Known,
    /// Its connection's destination was translated.
    Translated,
}

/// What happens to a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on to the next chain of the hook.
    Accept,
    /// It is gone.
    Drop,
    /// It gets the host's address as source.
    Masquerade,
    /// Another chain is asked, then this one goes on.
    Jump(String),
    /// By protocol and port of the host, another chain decides.
    Dispatch(Vec<(Protocol, u16, String)>),
    /// It gets one of these destinations, in turn with those of other connections. With none the rule does nothing.
    Translate(Vec<(IpAddr, u16)>),
}

impl Rule {
    /// Joins matches and a verdict.
    pub fn new(matches: impl IntoIterator<Item = Match>, verdict: Verdict) -> Self {
        Self { matches: matches.into_iter().collect(), verdict }
    }
}

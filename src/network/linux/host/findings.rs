//! What on this host stands in the way of containers' networks, for `doctor`.

use std::fmt;
use std::fs;

use crate::linux::firewall::{Firewall, number};
use crate::linux::message;
use crate::linux::netlink::Socket;
use crate::linux::nftables::{self, GET_CHAIN, attributes};
use crate::linux::{docker, netns, sysctl};
use crate::rules::{Backend, Family, Network, Published, Wanted};
use crate::{Protocol, Result, names};

/// Source: `linux/netfilter.h`: `NF_INET_FORWARD`, and `NF_DROP`.
const FORWARD: u32 = 2;
const DROP: u32 = 0;

/// Something to know about this host. Its text is a sentence and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The kernel lacks what rules need.
    NoRules {
        /// What it said.
        reason: String,
    },
    /// Forwarding is off, and will be switched on with the first network.
    NotForwarding {
        /// Of which family.
        family: Family,
    },
    /// firewalld is here.
    Firewalld,
    /// ufw is here and drops what is forwarded.
    Ufw,
    /// A firewall drops what is forwarded, and has no chain for others.
    Drops {
        /// Its family, as nft says it.
        family: &'static str,
        /// Its table.
        table: String,
        /// Its chain.
        chain: String,
    },
    /// Rules of the old iptables, which no netlink reaches, with a chain of docker.
    Legacy,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRules { reason } => write!(
                f,
                "this kernel cannot publish ports ({reason}): it needs nf_tables with nat, masquerade, fib and numgen (CONFIG_NFT_*)"
            ),
            Self::NotForwarding { family: Family::Ipv4 } => {
                write!(f, "net.ipv4.ip_forward is 0; the first network that is not internal sets it to 1")
            }
            Self::NotForwarding { family: Family::Ipv6 } => {
                write!(f, "net.ipv6.conf.all.forwarding is 0; the first network with IPv6 sets it to 1")
            }
            Self::Firewalld => write!(
                f,
                "firewalld filters what containers send and get; put their bridges into a zone that lets them: \
                 firewall-cmd --permanent --zone=trusted --add-interface={}NAME for each bridge, or a policy for `{}*`",
                names::BRIDGE_PREFIX,
                names::BRIDGE_PREFIX
            ),
            Self::Ufw => write!(
                f,
                "ufw drops what is forwarded, so published ports and the way out are closed; let it through: \
                 DEFAULT_FORWARD_POLICY=\"ACCEPT\" in /etc/default/ufw, or ufw route allow in on BRIDGE and out on BRIDGE"
            ),
            Self::Drops { family, table, chain } => write!(
                f,
                "the chain {chain} of the table {family} {table} drops what is forwarded; let interfaces named {}* through it",
                names::BRIDGE_PREFIX
            ),
            Self::Legacy => write!(
                f,
                "rules of iptables-legacy are in force, which rcompose does not change; if their FORWARD chain drops, add \
                 `iptables-legacy -I FORWARD -i {0}+ -j ACCEPT` and `iptables-legacy -I FORWARD -o {0}+ -j ACCEPT`",
                names::BRIDGE_PREFIX
            ),
        }
    }
}

/// Looks at this host.
///
/// # Errors
/// When the kernel tells nothing about rules at all.
pub fn findings() -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    if let Err(error) = probe() {
        let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), |it| format!("{error}: {it}"));
        return Ok(vec![Finding::NoRules { reason }]);
    }
    for (family, name) in [(Family::Ipv4, "net/ipv4/ip_forward"), (Family::Ipv6, "net/ipv6/conf/all/forwarding")] {
        if sysctl::read(name).as_deref() == Some("0") {
            found.push(Finding::NotForwarding { family });
        }
    }
    found.extend(walls()?);
    let legacy = fs::read_to_string("/proc/net/ip_tables_names").unwrap_or_default();
    if legacy.lines().any(|it| it == "filter") {
        found.push(Finding::Legacy);
    }
    Ok(found)
}

/// Tries rules of every kind, in a namespace that nobody else sees.
fn probe() -> Result<()> {
    let subnets = vec!["172.31.255.0/24".parse(), "fd00::/64".parse()];
    let network = Network {
        bridge: "rc-probe".to_owned(),
        subnets: subnets.into_iter().filter_map(Result::ok).collect(),
        internal: false,
        inter_container: true,
        masquerade: true,
        gateway_ipv4: crate::rules::Gateway::Nat,
        gateway_ipv6: crate::rules::Gateway::Nat,
    };
    let backend = |last| Backend { address: std::net::IpAddr::from([172, 31, 255, last]), port: 80, weight: 1 };
    let port = Published { protocol: Protocol::Tcp, host_ip: None, port: 80, backends: vec![backend(2), backend(3)] };
    let wanted = Wanted { project: "probe".to_owned(), networks: vec![network], ports: vec![port] };
    let namespace = netns::anonymous()?;
    netns::within(std::os::fd::AsFd::as_fd(&namespace), || Firewall::open()?.apply(&wanted))?
}

/// Chains that drop what is forwarded.
fn walls() -> Result<Vec<Finding>> {
    let socket = Socket::netfilter()?;
    let chains = nftables::dump(&socket, GET_CHAIN, 0, |_| {})?;
    let (mut found, mut firewalld, mut ufw) = (Vec::new(), false, false);
    for (_, payload) in &chains {
        let text = |kind| message::find(attributes(payload), kind).map(message::text).unwrap_or_default();
        let (table, chain) = (text(1), text(3));
        firewalld |= table == "firewalld";
        ufw |= chain.starts_with("ufw-");
        let place = message::find(attributes(payload), 4).and_then(|it| message::find(it, 1)).and_then(message::be32);
        let policy = message::find(attributes(payload), 5).and_then(message::be32);
        if let (Some(FORWARD), Some(DROP), Some(family)) = (place, policy, family(payload.first().copied().unwrap_or(0))) {
            found.push(Finding::Drops { family, table, chain });
        }
    }
    if firewalld {
        found.retain(|it| !matches!(it, Finding::Drops { table, .. } if table == "firewalld"));
        found.push(Finding::Firewalld);
    }
    // In docker's own table its chain for others lets us through.
    for (family, name) in [(Family::Ipv4, "ip"), (Family::Ipv6, "ip6")] {
        let is_filter = |it: &Finding| matches!(it, Finding::Drops { family, table, .. } if *family == name && table == "filter");
        let has_way = docker::has_chain(&socket, family)?;
        let drops = found.iter().any(is_filter);
        found.retain(|it| !(is_filter(it) && (has_way || ufw)));
        if drops && ufw && !has_way && !found.contains(&Finding::Ufw) {
            found.push(Finding::Ufw);
        }
    }
    Ok(found)
}

/// The word of nft for a family in which packets are forwarded. Source: `linux/netfilter.h`.
fn family(byte: u8) -> Option<&'static str> {
    match byte {
        1 => Some("inet"),
        it if it == number(Family::Ipv4) => Some("ip"),
        it if it == number(Family::Ipv6) => Some("ip6"),
        _ => None,
    }
}

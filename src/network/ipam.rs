//! Subnets for networks and addresses for containers. Pure: what is in use is an argument, and the caller keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::cidr::{address_of, number};
use crate::{Cidr, IpamError};

/// Pools that IPv4 subnets are cut from, with the prefix of a subnet: docker's own defaults, so that firewalls that know them fit.
/// Source: `docker network create`, "default address pools".
pub const DEFAULT_POOLS: [(&str, u8); 6] = [
    ("172.17.0.0/16", 16),
    ("172.18.0.0/15", 16),
    ("172.20.0.0/14", 16),
    ("172.24.0.0/14", 16),
    ("172.28.0.0/14", 16),
    ("192.168.0.0/16", 20),
];

/// The prefix of an IPv6 subnet.
const IPV6_PREFIX: u8 = 64;

/// Subnets tried below one unique local prefix before giving up.
const IPV6_TRIES: u32 = 4096;

/// One subnet of a network as it is wanted; what is absent is chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolRequest {
    /// The subnet.
    pub subnet: Option<Cidr>,
    /// Where in it addresses come from.
    pub range: Option<Cidr>,
    /// The bridge's own address.
    pub gateway: Option<IpAddr>,
    /// Addresses that no container gets, by name.
    pub reserved: BTreeMap<String, IpAddr>,
}

/// One subnet of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// The subnet.
    pub subnet: Cidr,
    /// Where in it addresses come from.
    pub range: Cidr,
    /// The bridge's own address.
    pub gateway: IpAddr,
    /// Addresses that no container gets, by name.
    pub reserved: BTreeMap<String, IpAddr>,
}

/// Chooses an IPv4 subnet that overlaps nothing in use.
///
/// # Errors
/// [`IpamError::NoSubnet`] when all overlap something.
pub fn choose_ipv4(taken: &[Cidr]) -> Result<Cidr, IpamError> {
    let mut tried = 0;
    for (pool, prefix) in DEFAULT_POOLS {
        let pool: Cidr = pool.parse()?;
        let step = 1u128 << (32 - prefix);
        let count = 1u128 << (prefix - pool.prefix());
        for place in 0..count {
            tried += 1;
            let subnet = pool.nth(place * step).and_then(|it| Cidr::new(it, prefix));
            if let Some(subnet) = subnet.filter(|it| !taken.iter().any(|other| other.prefix() > 0 && it.overlaps(other))) {
                return Ok(subnet);
            }
        }
    }
    Err(IpamError::NoSubnet { tried })
}

/// Chooses an IPv6 subnet of a unique local prefix (RFC 4193) that overlaps nothing in use. The seed is random, and kept by the caller for
/// its machine: 40 bits of it become the prefix.
///
/// # Errors
/// [`IpamError::NoSubnet`] when all overlap something.
pub fn choose_ipv6(seed: u64, taken: &[Cidr]) -> Result<Cidr, IpamError> {
    let prefix = (0xfd_u128 << 120) | (u128::from(seed & 0xff_ffff_ffff) << 80);
    for place in 0..IPV6_TRIES {
        let address = Ipv6Addr::from(prefix | (u128::from(place) << 64));
        let subnet = Cidr::new(address.into(), IPV6_PREFIX);
        if let Some(subnet) = subnet.filter(|it| !taken.iter().any(|other| other.prefix() > 0 && it.overlaps(other))) {
            return Ok(subnet);
        }
    }
    Err(IpamError::NoSubnet { tried: IPV6_TRIES as usize })
}

impl Pool {
    /// Fills in what a request leaves open. A request without a subnet gets one of IPv4.
    ///
    /// # Errors
    /// When the subnet overlaps something in use, or something of the request lies outside of it.
    pub fn new(request: &PoolRequest, taken: &[Cidr]) -> Result<Self, IpamError> {
        let subnet = match request.subnet {
            // A default route is everywhere, and overlaps nothing that matters.
            Some(subnet) => match taken.iter().find(|other| other.prefix() > 0 && subnet.overlaps(other)) {
                Some(other) => return Err(IpamError::Overlaps { subnet, taken: *other }),
                None => subnet.network(),
            },
            None => choose_ipv4(taken)?,
        };
        // Network, gateway, one container, and for IPv4 broadcast.
        if subnet.host_mask() < 3 {
            return Err(IpamError::TooSmall { subnet });
        }
        let range = request.range.map_or(subnet, |it| it.network());
        if !subnet.covers(&range) {
            return Err(IpamError::RangeOutside { range, subnet });
        }
        for (name, address) in &request.reserved {
            inside(&format!("the auxiliary address {name:?}"), *address, subnet)?;
        }
        let gateway = match request.gateway {
            Some(address) => inside("the gateway", address, subnet)?,
            // The first address of the range, as docker does it; the network's own address is none.
            None => first(range, subnet, &request.reserved)?,
        };
        Ok(Self { subnet, range, gateway, reserved: request.reserved.clone() })
    }

    /// Finds the lowest free address, or checks the one that is wanted. A static address may lie outside of the range.
    ///
    /// # Errors
    /// When none is left, or the wanted one cannot be given.
    pub fn allocate(&self, used: &BTreeSet<IpAddr>, wanted: Option<IpAddr>) -> Result<IpAddr, IpamError> {
        if let Some(address) = wanted {
            inside("the address", address, self.subnet)?;
            if let Some(taken_by) = self.reserved_for(address) {
                return Err(IpamError::Reserved { address, taken_by });
            }
            return if used.contains(&address) {
                Err(IpamError::InUse { address })
            } else {
                Ok(address)
            };
        }
        // At most so many addresses are skipped before a free one comes.
        let most = used.len() + self.reserved.len() + 3;
        (0..=most as u128)
            .map_while(|offset| self.range.nth(offset))
            .find(|it| self.reserved_for(*it).is_none() && !used.contains(it))
            .ok_or_else(|| self.exhausted(used))
    }

    /// The address of the bridge with the subnet's prefix.
    pub fn gateway_cidr(&self) -> Cidr {
        self.with_prefix(self.gateway)
    }

    /// An address with the subnet's prefix, as an interface has it.
    pub fn with_prefix(&self, address: IpAddr) -> Cidr {
        Cidr::new(address, self.subnet.prefix()).unwrap_or(Cidr::host(address))
    }

    fn reserved_for(&self, address: IpAddr) -> Option<String> {
        if address == self.gateway {
            return Some("the gateway".to_owned());
        }
        if address == self.subnet.address() {
            return Some("that of the network itself".to_owned());
        }
        if self.subnet.is_ipv4() && address == self.subnet.last() {
            return Some("that of broadcasts".to_owned());
        }
        self.reserved
            .iter()
            .find(|(_, it)| **it == address)
            .map(|(name, _)| format!("reserved for {name:?}"))
    }

    fn exhausted(&self, used: &BTreeSet<IpAddr>) -> IpamError {
        let in_range = |it: &&IpAddr| self.range.contains(**it);
        let fixed: BTreeSet<IpAddr> = [self.gateway, self.subnet.address(), self.subnet.last()]
            .into_iter()
            .chain(self.reserved.values().copied())
            .collect();
        IpamError::Exhausted {
            range: self.range,
            used: used.iter().filter(in_range).count(),
            reserved: fixed.iter().filter(in_range).count(),
        }
    }
}

fn inside(what: &str, address: IpAddr, subnet: Cidr) -> Result<IpAddr, IpamError> {
    let outside = || IpamError::Outside { what: what.to_owned(), address, subnet };
    subnet.contains(address).then_some(address).ok_or_else(outside)
}

fn first(range: Cidr, subnet: Cidr, reserved: &BTreeMap<String, IpAddr>) -> Result<IpAddr, IpamError> {
    let start = number(range.address());
    (0..=reserved.len() as u128 + 2)
        .filter_map(|offset| start.checked_add(offset))
        .map(|it| address_of(it, subnet.is_ipv4()))
        .find(|it| {
            let special = *it == subnet.address() || (subnet.is_ipv4() && *it == subnet.last());
            range.contains(*it) && !special && !reserved.values().any(|other| other == it)
        })
        .ok_or(IpamError::TooSmall { subnet })
}

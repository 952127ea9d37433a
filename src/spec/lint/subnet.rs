//! Subnets of networks: that they can be read, hold what belongs to them, and do not overlap.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::address::is_engines;
use super::cidr::Cidr;
use super::{Lint, MAX_COMPARED};
use crate::error::{Code, Finding};
use crate::model::IpamPool;

const FORM: &str = "write ADDRESS/PREFIX, such as 172.28.0.0/16";

impl Lint<'_> {
    pub(super) fn subnets(&mut self) {
        let project = self.project;
        for (key, network) in &project.networks {
            if network.external {
                continue;
            }
            for (index, pool) in network.ipam.config.iter().enumerate() {
                self.pool(&format!("networks.{key}.ipam.config[{index}]"), pool);
            }
        }
    }

    fn pool(&mut self, path: &str, pool: &IpamPool) {
        let subnet = self.subnet(path, &pool.subnet);
        if !pool.ip_range.is_empty() {
            match Cidr::parse(&pool.ip_range) {
                None => self.bad(format!("{path}.ip_range"), &pool.ip_range),
                Some(range) if subnet.is_some_and(|subnet| !subnet.contains_all(range)) => {
                    self.outside(path, "ip_range", &pool.ip_range, &pool.subnet);
                }
                Some(_) => {}
            }
        }
        let gateway = std::iter::once(("gateway".to_owned(), &pool.gateway));
        let others = pool.aux_addresses.iter().map(|(name, address)| (format!("aux_addresses.{name}"), address));
        for (key, address) in gateway.chain(others).filter(|(_, address)| !address.is_empty()) {
            match address.parse::<IpAddr>() {
                Err(_) => {
                    let warning = Finding::new(Code::BadAddress, format!("`{address}` is not an IP address"));
                    let bare = address.split_once('/').filter(|(bare, _)| bare.parse::<IpAddr>().is_ok());
                    let hint = bare.map(|(bare, _)| format!("write `{bare}`, without the length of the prefix"));
                    self.warn(format!("{path}.{key}"), warning.maybe_hint(hint));
                }
                Ok(ip) if subnet.is_some_and(|subnet| !subnet.contains(ip)) => self.outside(path, &key, address, &pool.subnet),
                Ok(_) => {}
            }
        }
    }

    fn subnet(&mut self, path: &str, text: &str) -> Option<Cidr> {
        if text.is_empty() {
            return None;
        }
        let Some(subnet) = Cidr::parse(text) else {
            self.bad(format!("{path}.subnet"), text);
            return None;
        };
        if subnet.network() != subnet {
            let warning = Finding::new(Code::BadSubnet, format!("`{text}` is an address inside a subnet, not a subnet"))
                .label("engines since Docker 25 refuse it")
                .hint(format!("write `{}`", subnet.network()));
            self.warn(format!("{path}.subnet"), warning);
        }
        Some(subnet)
    }

    fn bad(&mut self, path: String, text: &str) {
        let warning = Finding::new(Code::BadSubnet, format!("`{text}` is not a subnet"));
        let hint = match text.parse::<IpAddr>() {
            Ok(_) => "add the length of the prefix, such as /16 or /24",
            Err(_) => FORM,
        };
        self.warn(path, warning.hint(hint));
    }

    fn outside(&mut self, path: &str, key: &str, address: &str, subnet: &str) {
        let span = self.origins.get(&format!("{path}.subnet"));
        let warning = Finding::new(Code::OutsideSubnet, format!("{address} lies outside the subnet {subnet}"))
            .note(span, "the subnet")
            .hint("correct one of the two");
        self.warn(format!("{path}.{key}"), warning);
    }

    /// Two networks that services of this project use may not share addresses: an engine refuses the second.
    pub(super) fn subnet_clashes(&mut self) {
        let mut seen: Vec<(Cidr, String, &str)> = Vec::new();
        let project = self.project;
        let used: BTreeSet<&String> = project.services.values().flat_map(|service| service.networks.keys()).collect();
        for (key, network) in project.networks.iter().filter(|(key, network)| is_engines(network) && used.contains(key)) {
            let own = seen.len();
            for (index, pool) in network.ipam.config.iter().enumerate() {
                let Some(subnet) = Cidr::parse(&pool.subnet) else { continue };
                let path = format!("networks.{key}.ipam.config[{index}].subnet");
                // A network of the same name on the engine is the same network.
                let other = seen[..own]
                    .iter()
                    .take(MAX_COMPARED)
                    .find(|(other, _, name)| other.overlaps(subnet) && *name != network.name);
                if let Some((other, at, _)) = other {
                    let message = format!("the subnet {subnet} overlaps {other}, so an engine refuses one of the two networks");
                    let warning = Finding::new(Code::AddressClash, message)
                        .label("overlaps")
                        .note(self.origins.get(at), "the other one")
                        .hint("give one of them another subnet");
                    self.warn(path.clone(), warning);
                }
                seen.push((subnet, path, network.name.as_str()));
            }
        }
    }
}

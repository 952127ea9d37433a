//! `extra_hosts`: host names and the addresses each is given.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// Host names with their addresses; written as a sorted list of `host=address`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtraHosts(pub BTreeMap<String, Vec<String>>);

impl ExtraHosts {
    /// The entries as `host{separator}address`, sorted; the engine's API wants `:`.
    #[must_use]
    pub fn to_list(&self, separator: char) -> Vec<String> {
        let pairs = self
            .0
            .iter()
            .flat_map(|(host, addresses)| addresses.iter().map(move |address| format!("{host}{separator}{address}")));
        let mut list: Vec<String> = pairs.collect();
        list.sort();
        list
    }

    /// Adds one address, without the brackets that an IPv6 address may wear.
    pub(crate) fn add(&mut self, host: &str, address: &str) -> Result<(), String> {
        if host.is_empty() || host.contains([':', '=']) {
            return Err(format!("bad host name `{host}`"));
        }
        let bare = address
            .strip_prefix('[')
            .and_then(|a| a.strip_suffix(']'))
            .filter(|a| !a.is_empty())
            .unwrap_or(address);
        self.0.entry(host.to_owned()).or_default().push(bare.to_owned());
        Ok(())
    }
}

impl Serialize for ExtraHosts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.to_list('='))
    }
}

impl<'de> Deserialize<'de> for ExtraHosts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Hosts)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Addresses {
    One(String),
    Many(Vec<String>),
    None,
}

struct Hosts;

impl<'de> Visitor<'de> for Hosts {
    type Value = ExtraHosts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of `host=address` or a map of host to address")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ExtraHosts, A::Error> {
        let mut hosts = ExtraHosts::default();
        while let Some(entry) = seq.next_element::<String>()? {
            let Some((host, list)) = entry.split_once('=').or_else(|| entry.split_once(':')) else {
                return Err(de::Error::custom(format!("`{entry}` names no address")));
            };
            for address in list.split(',') {
                hosts.add(host, address).map_err(de::Error::custom)?;
            }
        }
        Ok(hosts)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ExtraHosts, A::Error> {
        let mut hosts = ExtraHosts::default();
        while let Some((host, addresses)) = map.next_entry::<String, Addresses>()? {
            let list = match addresses {
                Addresses::One(one) => vec![one],
                Addresses::Many(many) => many,
                Addresses::None => vec![String::new()],
            };
            for address in list {
                hosts.add(&host, &address).map_err(de::Error::custom)?;
            }
        }
        Ok(hosts)
    }
}

//! What of a table is in the kernel, and what has to change.

use std::collections::BTreeMap;

use crate::Result;
use crate::linux::firewall::{encode, number};
use crate::linux::message;
use crate::linux::netlink::Socket;
use crate::linux::nftables::{self, GET_CHAIN, GET_RULE, attributes};
use crate::rules::{Chain, Table};

/// The chains of a table that is there, with the digest of their rules; nothing for one without rules, or not written by us.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Standing(BTreeMap<String, Option<u64>>);

/// What makes a table that is there another.
#[derive(Debug)]
pub(super) struct Change<'a> {
    pub(super) new: Vec<&'a Chain>,
    pub(super) differing: Vec<&'a Chain>,
    pub(super) gone: Vec<String>,
}

impl Standing {
    /// Reads a table; nothing when it is not there.
    pub(super) fn read(socket: &Socket, table: &Table) -> Result<Option<Self>> {
        let family = number(table.family);
        let mut chains = BTreeMap::new();
        for (_, payload) in nftables::dump(socket, GET_CHAIN, family, |_| {})? {
            let text = |kind| message::find(attributes(&payload), kind).map(message::text).unwrap_or_default();
            if text(1) == table.name {
                chains.insert(text(3), None);
            }
        }
        if chains.is_empty() {
            return Ok(None);
        }
        for (_, payload) in nftables::dump(socket, GET_RULE, family, |it| it.text(1, &table.name))? {
            let attributes = attributes(&payload);
            let text = |kind| message::find(attributes, kind).map(message::text).unwrap_or_default();
            let digest = message::find(attributes, 7).and_then(digest);
            if let (true, Some(known), Some(_)) = (text(1) == table.name, chains.get_mut(&text(2)), digest) {
                *known = digest;
            }
        }
        Ok(Some(Self(chains)))
    }

    /// Compares with what is wanted.
    pub(super) fn change<'a>(&self, table: &'a Table) -> Change<'a> {
        let (there, new): (Vec<&Chain>, Vec<&Chain>) = table.chains.iter().partition(|it| self.0.contains_key(&it.name));
        let wanted = |it: &Chain| (!it.rules.is_empty()).then(|| it.digest(table.family));
        let differs = |it: &&Chain| self.0.get(&it.name).is_some_and(|known| *known != wanted(it));
        let gone = self.0.keys().filter(|name| !table.chains.iter().any(|it| it.name == **name));
        Change { new, differing: there.into_iter().filter(differs).collect(), gone: gone.cloned().collect() }
    }
}

impl Change<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.new.is_empty() && self.differing.is_empty() && self.gone.is_empty()
    }
}

fn digest(data: &[u8]) -> Option<u64> {
    let bytes = data.strip_prefix(&encode::DIGEST)?;
    Some(u64::from_ne_bytes(bytes.try_into().ok()?))
}

//! A Docker Engine on the same host. It drops what it does not know (`FORWARD` has the policy DROP), and an accept in a table of ours does
//! not help, since a packet must pass all tables. What helps is an accept in the chain that docker keeps for others, `DOCKER-USER`.

use crate::linux::firewall::{FAMILIES, Firewall, number};
use crate::linux::message::{self, ACK, Batch, CREATE};
use crate::linux::netlink::Socket;
use crate::linux::nftables::expression::{Expressions, INPUT_NAME, OUTPUT_NAME};
use crate::linux::nftables::{self, ACCEPT, DELETE_RULE, GET_CHAIN, GET_RULE, NEW_RULE, attributes, fixed, kind};
use crate::rules::Family;
use crate::{NetworkError, Result};

const TABLE: &str = "filter";
const CHAIN: &str = "DOCKER-USER";

/// What begins the comments of our rules.
const OURS: &str = "rcompose ";

/// A rule of ours in docker's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The family of the table.
    pub family: Family,
    /// The bridge it lets through.
    pub bridge: String,
    /// What comes in by the bridge; else what goes out.
    pub is_input: bool,
    handle: [u8; 8],
}

/// Lets packets of these bridges through where docker is; what is there already stays. Returns how many rules were missing.
///
/// # Errors
/// When the kernel refuses.
pub fn accept(firewall: &Firewall, bridges: &[String]) -> Result<usize> {
    let socket = firewall.socket();
    let mut missing = Vec::new();
    for family in FAMILIES {
        if !has_chain(socket, family)? {
            continue;
        }
        let there = rules(socket, family)?;
        for bridge in bridges {
            let wanted = [true, false].into_iter();
            let lacking = wanted.filter(|input| !there.iter().any(|it| it.bridge == *bridge && it.is_input == *input));
            missing.extend(lacking.map(|is_input| (family, bridge.as_str(), is_input)));
        }
    }
    if !missing.is_empty() {
        nftables::commit(socket, |batch| {
            missing.iter().for_each(|(family, bridge, is_input)| insert(batch, *family, bridge, *is_input))
        })?;
    }
    Ok(missing.len())
}

/// Takes the rules of these bridges away; none there is as good.
///
/// # Errors
/// When the kernel refuses.
pub fn forget(firewall: &Firewall, bridges: &[String]) -> Result<()> {
    let socket = firewall.socket();
    let ours: Vec<_> = list(firewall)?.into_iter().filter(|it| bridges.contains(&it.bridge)).collect();
    if ours.is_empty() {
        return Ok(());
    }
    let result = nftables::commit(socket, |batch| {
        for rule in &ours {
            let doing = format!("take the rule for {} out of {CHAIN}", rule.bridge);
            batch.push(doing, kind(DELETE_RULE), ACK, &fixed(number(rule.family)), |it| {
                it.text(1, TABLE);
                it.text(2, CHAIN);
                it.bytes(3, &rule.handle);
            });
        }
    });
    match result {
        // Docker made its chain anew meanwhile.
        Err(NetworkError::Kernel { source, .. }) if source.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}

/// All rules of ours in docker's chain.
///
/// # Errors
/// When the kernel refuses.
pub fn list(firewall: &Firewall) -> Result<Vec<Accepted>> {
    let socket = firewall.socket();
    let mut found = Vec::new();
    for family in FAMILIES {
        if has_chain(socket, family)? {
            found.extend(rules(socket, family)?);
        }
    }
    Ok(found)
}

pub(crate) fn has_chain(socket: &Socket, family: Family) -> Result<bool> {
    let chains = nftables::dump(socket, GET_CHAIN, number(family), |_| {})?;
    Ok(chains.iter().any(|(_, payload)| {
        let text = |kind| message::find(attributes(payload), kind).map(message::text);
        text(1).as_deref() == Some(TABLE) && text(3).as_deref() == Some(CHAIN)
    }))
}

fn rules(socket: &Socket, family: Family) -> Result<Vec<Accepted>> {
    let items = nftables::dump(socket, GET_RULE, number(family), |it| {
        it.text(1, TABLE);
        it.text(2, CHAIN);
    })?;
    Ok(items.iter().filter_map(|(_, payload)| accepted(attributes(payload), family)).collect())
}

fn accepted(attributes: &[u8], family: Family) -> Option<Accepted> {
    let text = |kind| message::find(attributes, kind).map(message::text);
    if text(1).as_deref() != Some(TABLE) || text(2).as_deref() != Some(CHAIN) {
        return None;
    }
    let comment = comment(message::find(attributes, 7)?)?;
    let (bridge, direction) = comment.strip_prefix(OURS)?.split_once(' ')?;
    let handle = message::find(attributes, 3)?.try_into().ok()?;
    Some(Accepted { family, bridge: bridge.to_owned(), is_input: direction == "in", handle })
}

/// Kind 0, length, text with a zero byte: how nft and iptables keep a comment.
fn comment(data: &[u8]) -> Option<String> {
    let length = usize::from(*data.get(1)?);
    (data.first() == Some(&0)).then(|| data.get(2..2 + length).map(message::text)).flatten()
}

fn insert(batch: &mut Batch, family: Family, bridge: &str, is_input: bool) {
    let comment = format!("{OURS}{bridge} {}", if is_input { "in" } else { "out" });
    // Without the flag to append, a rule comes first, before the RETURN that ends this chain in older versions of docker.
    batch.push(format!("let {bridge} through {CHAIN}"), kind(NEW_RULE), CREATE | ACK, &fixed(number(family)), |it| {
        it.text(1, TABLE);
        it.text(2, CHAIN);
        it.nest(4, |it| {
            let mut rule = Expressions(it);
            rule.meta(if is_input { INPUT_NAME } else { OUTPUT_NAME }, super::nftables::expression::FIRST);
            // With the zero byte and no more, as iptables compares a whole name.
            let mut name = bridge.as_bytes().to_vec();
            name.push(0);
            rule.compare(true, &name);
            rule.counter();
            rule.verdict(ACCEPT, None);
        });
        let length = u8::try_from(comment.len() + 1).unwrap_or(u8::MAX);
        let mut data = vec![0, length];
        data.extend(comment.as_bytes());
        data.push(0);
        it.bytes(7, &data);
    });
}

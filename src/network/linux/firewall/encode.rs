//! Tables as messages of nf_tables.

use std::net::IpAddr;

use crate::linux::firewall::number;
use crate::linux::firewall::standing::Change;
use crate::linux::message::{ACK, APPEND, Attributes, Batch, CREATE};
use crate::linux::nftables::expression::{
    self, ANONYMOUS, Expressions, FIRST, FIRST_FOUR, INPUT_NAME, NETWORK, OUTPUT_NAME, PROTOCOL, SECOND, STATE, STATUS, TRANSPORT,
};
use crate::linux::nftables::{
    self, ACCEPT, DELETE_CHAIN, DELETE_RULE, DROP, ELEMENT, GOTO, JUMP, NEW_CHAIN, NEW_ELEMENTS, NEW_RULE, NEW_SET, VALUE, fixed, kind,
};
use crate::linux::route::octets;
use crate::rules::{Chain, Family, Hook, Match, Rule, Table, Verdict};
use crate::{Cidr, Protocol};

/// Elements of a map in one message: a list of them has to stay below 64 KiB.
const ELEMENTS_AT_ONCE: usize = 256;

/// `NFT_SET_ANONYMOUS | NFT_SET_CONSTANT | NFT_SET_MAP`.
const MAP: u32 = 1 | 2 | 8;
/// Kinds of data as nft numbers them, which it needs to show them: integer, IPv4 and IPv6 address, protocol, port; 6 bits each.
const INTEGER: u32 = 4;
const PORT_KIND: u32 = 13;
const PROTOCOL_PORT: u32 = (12 << 6) | PORT_KIND;
/// `NFT_DATA_VERDICT`.
const DECISION: u32 = 0xffff_ff00;
/// For nft: keys are numbers in the order of this machine.
const KEYS_OF_THIS_MACHINE: [u8; 12] = [0, 4, 1, 0, 0, 0, 1, 4, 0, 0, 0, 0];

/// `IP_CT_ESTABLISHED` and `IP_CT_RELATED` as nft's bits.
const KNOWN: u32 = 2 | 4;
/// `IPS_DST_NAT`.
const TRANSLATED: u32 = 1 << 5;

/// What begins the data of a chain's first rule, which says what its rules are: a kind that nft does not show, and a length.
pub(super) const DIGEST: [u8; 2] = [0x72, 8];

/// Writes a table with all it has. `set` numbers the sets of the batch.
pub(super) fn table(batch: &mut Batch, table: &Table, set: &mut u32) {
    nftables::ensure_table(batch, number(table.family), &table.name);
    for chain in &table.chains {
        make_chain(batch, table.family, &table.name, chain);
    }
    for chain in &table.chains {
        fill(batch, table.family, &table.name, chain, set);
    }
}

/// Writes what makes one table another: chains that are new, whose rules differ, and that are gone.
pub(super) fn change(batch: &mut Batch, table: &Table, change: &Change<'_>, set: &mut u32) {
    let (family, name) = (table.family, &table.name);
    change.new.iter().for_each(|it| make_chain(batch, family, name, it));
    // First all old rules, so that none refers to a chain that goes.
    let emptied = change.differing.iter().map(|it| it.name.as_str()).chain(change.gone.iter().map(String::as_str));
    emptied.for_each(|it| empty(batch, family, name, it));
    change.new.iter().chain(&change.differing).for_each(|it| fill(batch, family, name, it, set));
    for gone in &change.gone {
        batch.push(format!("remove the chain {gone}"), kind(DELETE_CHAIN), ACK, &fixed(number(family)), |it| {
            it.text(1, name);
            it.text(3, gone);
        });
    }
}

/// Writes the rules of a chain that is there in place of its old ones.
pub(super) fn replace(batch: &mut Batch, family: Family, table: &str, chain: &Chain, set: &mut u32) {
    empty(batch, family, table, &chain.name);
    fill(batch, family, table, chain, set);
}

fn empty(batch: &mut Batch, family: Family, table: &str, chain: &str) {
    batch.push(format!("empty the chain {chain}"), kind(DELETE_RULE), ACK, &fixed(number(family)), |it| {
        it.text(1, table);
        it.text(2, chain);
    });
}

fn make_chain(batch: &mut Batch, family: Family, table: &str, chain: &Chain) {
    batch.push(format!("make the chain {}", chain.name), kind(NEW_CHAIN), CREATE | ACK, &fixed(number(family)), |it| {
        it.text(1, table);
        it.text(3, &chain.name);
        if let Some(hook) = &chain.hook {
            it.text(7, hook.kind);
            it.nest(4, |it| {
                it.be32(1, place(hook));
                it.bytes(2, &hook.priority.to_be_bytes());
            });
            it.be32(5, 1);
        }
    });
}

/// The number of a hook. Source: `linux/netfilter.h`.
fn place(hook: &Hook) -> u32 {
    match hook.place {
        "prerouting" => 0,
        "input" => 1,
        "forward" => 2,
        "output" => 3,
        _ => 4,
    }
}

fn fill(batch: &mut Batch, family: Family, table: &str, chain: &Chain, set: &mut u32) {
    for (at, rule) in chain.rules.iter().enumerate() {
        let map = map(batch, family, table, &rule.verdict, set);
        let doing = format!("add a rule to the chain {}", chain.name);
        batch.push(doing, kind(NEW_RULE), CREATE | APPEND | ACK, &fixed(number(family)), |it| {
            it.text(1, table);
            it.text(2, &chain.name);
            it.nest(4, |it| expressions(&mut Expressions(it), family, rule, map));
            if at == 0 {
                let digest = chain.digest(family).to_ne_bytes();
                it.bytes(7, &[&DIGEST[..], &digest].concat());
            }
        });
    }
}

fn expressions(it: &mut Expressions<'_, '_>, family: Family, rule: &Rule, map: Option<u32>) {
    for wanted in &rule.matches {
        write_match(it, family, wanted);
    }
    match &rule.verdict {
        Verdict::Accept => it.verdict(ACCEPT, None),
        Verdict::Drop => it.verdict(DROP, None),
        Verdict::Masquerade => it.masquerade(),
        Verdict::Jump(chain) => it.verdict(JUMP, Some(chain)),
        Verdict::Dispatch(_) => {
            it.meta(PROTOCOL, FIRST);
            it.payload(TRANSPORT, 2, 2, FIRST_FOUR);
            it.lookup(map.unwrap_or_default(), None);
        }
        Verdict::Translate(destinations) => translate(it, family, destinations, map),
    }
}

fn translate(it: &mut Expressions<'_, '_>, family: Family, destinations: &[(IpAddr, u16)], map: Option<u32>) {
    match (destinations, map) {
        ([(address, port)], None) => {
            it.immediate(FIRST, &octets(*address));
            it.immediate(SECOND, &port.to_be_bytes());
            it.translate(number(family), FIRST, SECOND, Some(2));
        }
        (several, Some(map)) => {
            it.turn(u32::try_from(several.len()).unwrap_or(u32::MAX));
            it.lookup(map, Some(FIRST));
            // The port comes right behind the address.
            it.translate(number(family), FIRST, if family == Family::Ipv4 { FIRST_FOUR } else { SECOND }, None);
        }
        (_, None) => {}
    }
}

fn write_match(it: &mut Expressions<'_, '_>, family: Family, wanted: &Match) {
    match wanted {
        Match::InputIs(name) => interface(it, INPUT_NAME, true, name),
        Match::InputIsNot(name) => interface(it, INPUT_NAME, false, name),
        Match::OutputIs(name) => interface(it, OUTPUT_NAME, true, name),
        Match::OutputIsNot(name) => interface(it, OUTPUT_NAME, false, name),
        Match::Source(subnet) => address(it, source_offset(family), *subnet, true),
        Match::Destination(subnet) => address(it, destination_offset(family), *subnet, true),
        Match::DestinationNot(subnet) => address(it, destination_offset(family), *subnet, false),
        Match::ToHost => it.destination_is_host(),
        Match::Protocol(protocol) => {
            it.meta(PROTOCOL, FIRST);
            it.compare(true, &[protocol.number()]);
        }
        Match::Port(port) => {
            it.payload(TRANSPORT, 2, 2, FIRST);
            it.compare(true, &port.to_be_bytes());
        }
        Match::Known => it.connection(STATE, KNOWN),
        Match::Translated => it.connection(STATUS, TRANSLATED),
    }
}

/// A name fills 16 bytes (`IFNAMSIZ`).
fn interface(it: &mut Expressions<'_, '_>, key: u32, is_equal: bool, name: &str) {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(16, 0);
    it.meta(key, FIRST);
    it.compare(is_equal, &bytes);
}

/// Whole bytes are compared as they are; other prefixes need a mask.
fn address(it: &mut Expressions<'_, '_>, offset: u32, subnet: Cidr, is_equal: bool) {
    let network = octets(subnet.network().address());
    let whole = usize::from(subnet.prefix() / 8);
    if subnet.prefix() == 0 {
        return;
    }
    if subnet.prefix().is_multiple_of(8) {
        it.payload(NETWORK, offset, u32::from(subnet.prefix() / 8), FIRST);
        return it.compare(is_equal, &network[..whole]);
    }
    let mut mask = vec![0; network.len()];
    mask[..whole].fill(0xff);
    mask[whole] = !(0xff_u8 >> (subnet.prefix() % 8));
    it.payload(NETWORK, offset, u32::try_from(network.len()).unwrap_or(4), FIRST);
    it.mask(&mask);
    it.compare(is_equal, &network);
}

/// Where the source stands in a header. Source: RFC 791, 3.1 and RFC 8200, 3.
fn source_offset(family: Family) -> u32 {
    if family == Family::Ipv4 { 12 } else { 8 }
}

fn destination_offset(family: Family) -> u32 {
    if family == Family::Ipv4 { 16 } else { 24 }
}

/// Writes the map that a rule looks something up in, and returns its number.
fn map(batch: &mut Batch, family: Family, table: &str, verdict: &Verdict, set: &mut u32) -> Option<u32> {
    let (keys, data, elements): (_, _, Vec<Element>) = match verdict {
        Verdict::Dispatch(chains) => {
            let elements = chains.iter().map(|(protocol, port, chain)| Element::chain(*protocol, *port, chain)).collect();
            ((PROTOCOL_PORT, 8), (DECISION, 0), elements)
        }
        Verdict::Translate(several) if several.len() > 1 => {
            let elements = several.iter().enumerate().map(|(turn, to)| Element::destination(turn, *to)).collect();
            let (address, length) = if family == Family::Ipv4 { (7, 8) } else { (8, 20) };
            ((INTEGER, 4), ((address << 6) | PORT_KIND, length), elements)
        }
        Verdict::Accept | Verdict::Drop | Verdict::Masquerade | Verdict::Jump(_) | Verdict::Translate(_) => return None,
    };
    *set += 1;
    let id = *set;
    batch.push("make a map", kind(NEW_SET), CREATE | ACK, &fixed(number(family)), |it| {
        it.text(1, table);
        it.text(2, ANONYMOUS);
        it.be32(3, MAP);
        it.be32(4, keys.0);
        it.be32(5, keys.1);
        it.be32(6, data.0);
        it.be32(7, data.1);
        it.be32(10, id);
        it.nest(9, |it| it.be32(1, u32::try_from(elements.len()).unwrap_or(u32::MAX)));
        if keys.0 == INTEGER {
            it.bytes(13, &KEYS_OF_THIS_MACHINE);
        }
    });
    for some in elements.chunks(ELEMENTS_AT_ONCE) {
        batch.push("fill a map", kind(NEW_ELEMENTS), CREATE | ACK, &fixed(number(family)), |it| {
            it.text(1, table);
            it.text(2, ANONYMOUS);
            it.be32(4, id);
            it.nest(3, |it| some.iter().for_each(|element| element.write(it)));
        });
    }
    Some(id)
}

struct Element {
    key: Vec<u8>,
    data: Data,
}

enum Data {
    Bytes(Vec<u8>),
    Chain(String),
}

impl Element {
    /// Parts of a key fill four bytes each.
    fn chain(protocol: Protocol, port: u16, chain: &str) -> Self {
        let [high, low] = port.to_be_bytes();
        Self { key: vec![protocol.number(), 0, 0, 0, high, low, 0, 0], data: Data::Chain(chain.to_owned()) }
    }

    fn destination(turn: usize, (address, port): (IpAddr, u16)) -> Self {
        let mut data = octets(address);
        data.extend(port.to_be_bytes());
        data.extend([0; 2]);
        Self { key: u32::try_from(turn).unwrap_or(u32::MAX).to_ne_bytes().to_vec(), data: Data::Bytes(data) }
    }

    fn write(&self, it: &mut Attributes<'_>) {
        it.nest(ELEMENT, |it| {
            it.nest(1, |it| it.bytes(VALUE, &self.key));
            it.nest(2, |it| match &self.data {
                Data::Bytes(bytes) => it.bytes(VALUE, bytes),
                Data::Chain(chain) => expression::write_verdict(it, GOTO, Some(chain)),
            });
        });
    }
}

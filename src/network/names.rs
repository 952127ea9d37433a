//! Names of interfaces and tables. They are the same for the same thing in every run.

use crate::Cidr;

/// What bridges of ours are called.
pub const BRIDGE_PREFIX: &str = "rc-";

/// What the host's ends of pairs are called.
pub const VETH_PREFIX: &str = "rv-";

/// Before a project's name in the name of its tables.
pub const TABLE_PREFIX: &str = "rcompose-";

/// The name of a network's bridge, `rc-` and 12 hex digits: the kernel allows 15 bytes. A network's name is unique on the engine.
pub fn bridge(network: &str) -> String {
    format!("{BRIDGE_PREFIX}{}", digits(&["bridge", network]))
}

/// The name of the host's end of the pair that joins a container to a network, `rv-` and 12 hex digits.
pub fn veth(container: &str, network: &str) -> String {
    format!("{VETH_PREFIX}{}", digits(&["veth", container, network]))
}

/// The name of a project's tables; there is one in each family.
pub fn table(project: &str) -> String {
    format!("{TABLE_PREFIX}{project}")
}

/// The number of the group of interfaces that a project's are in, so that they are found in one pass. Not 0, which is
/// everybody's, and no more than ip(8) can show.
pub fn group(project: &str) -> u32 {
    let hash = hash(&["group", project]);
    u32::try_from(hash & 0x7fff_ffff).unwrap_or(1).max(1)
}

/// What an interface of ours says about itself (`ip -d link`), by which it is known again.
pub fn alias(project: &str, network: &str) -> String {
    format!("rcompose {project} {network}")
}

/// The project in an interface's [`alias`].
pub fn project_of(alias: &str) -> Option<&str> {
    let mut words = alias.strip_prefix("rcompose ")?.split(' ');
    words.next().filter(|it| !it.is_empty())
}

/// Names for the interfaces in a container, in the order of its networks: what is asked for, else the lowest free `ethN`.
pub fn interfaces(wanted: &[Option<&str>]) -> Vec<String> {
    let mut next = 0;
    let mut names = Vec::with_capacity(wanted.len());
    for name in wanted {
        names.push(name.map_or_else(
            || loop {
                let candidate = format!("eth{next}");
                next += 1;
                if !wanted.contains(&Some(&candidate)) {
                    break candidate;
                }
            },
            str::to_owned,
        ));
    }
    names
}

/// Whether a text can name an interface. Source: `dev_valid_name` of the kernel.
pub fn is_interface(name: &str) -> bool {
    let bad = |it: char| it == '/' || it == ':' || it.is_whitespace() || it.is_control();
    !name.is_empty() && name.len() <= 15 && name != "." && name != ".." && !name.contains(bad)
}

/// What decides which of a container's networks gives the default route.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// The network's name.
    pub network: &'a str,
    /// The highest wins; 0 where nothing is said.
    pub priority: i64,
    /// Whether the network has a way out at all.
    pub is_internal: bool,
    /// Its subnets.
    pub subnets: &'a [Cidr],
}

/// Which network gives the default route of a family: of the highest priority, then the first by name, as docker does it.
pub fn default_route(ways: &[Way<'_>], is_ipv4: bool) -> Option<usize> {
    let leads = |it: &Way<'_>| !it.is_internal && it.subnets.iter().any(|subnet| subnet.is_ipv4() == is_ipv4);
    let best = ways.iter().enumerate().filter(|(_, it)| leads(it));
    best.min_by(|(_, a), (_, b)| b.priority.cmp(&a.priority).then_with(|| a.network.cmp(b.network)))
        .map(|(at, _)| at)
}

fn digits(parts: &[&str]) -> String {
    format!("{:012x}", hash(parts) & 0xffff_ffff_ffff)
}

/// FNV-1a of 64 bits, with a byte between parts that no name has. Not secret: who may name networks may as well make interfaces.
pub(crate) fn hash(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    let folded = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    // The high bits of a short text are the better ones.
    folded ^ (folded >> 29)
}

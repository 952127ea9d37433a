//! A project's tables in the kernel.

mod encode;

use crate::linux::netlink::Socket;
use crate::linux::nftables;
use crate::rules::{self, Family, Table, Wanted};
use crate::{Protocol, Result, names};

pub(crate) const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];

/// The number of a family. Source: `linux/netfilter.h`.
pub(crate) fn number(family: Family) -> u8 {
    match family {
        Family::Ipv4 => 2,
        Family::Ipv6 => 10,
    }
}

/// Makes a project's rules what is wanted, all at once: no packet sees half of them. Connections that are open stay so.
///
/// # Errors
/// What the kernel refuses; the old rules stay then.
pub fn apply(wanted: &Wanted) -> Result<()> {
    let socket = Socket::netfilter()?;
    let tables = rules::tables(wanted);
    let name = names::table(&wanted.project);
    nftables::commit(&socket, |batch| {
        let mut set = 0;
        for family in FAMILIES {
            nftables::drop_table(batch, number(family), &name);
        }
        for table in &tables {
            encode::table(batch, table, &mut set);
        }
    })
}

/// Replaces the backends of one published port by those in `wanted`, and nothing else. The port must have been there at the last [`apply`].
///
/// # Errors
/// What the kernel refuses; `ENOENT` when the port was not there.
pub fn set_backends(wanted: &Wanted, protocol: Protocol, port: u16) -> Result<()> {
    let socket = Socket::netfilter()?;
    nftables::commit(&socket, |batch| {
        let mut set = 0;
        for table in rules::tables(wanted) {
            let published = wanted.ports.iter().any(|it| it.protocol == protocol && it.port == port && it.is_of(table.family));
            if published {
                let chain = rules::port_chain(wanted, table.family, protocol, port);
                encode::replace(batch, table.family, &table.name, &chain, &mut set);
            }
        }
    })
}

/// Makes a table what is given, in the namespace of the caller.
pub(crate) fn replace_table(table: &Table) -> Result<()> {
    nftables::commit(&Socket::netfilter()?, |batch| {
        nftables::drop_table(batch, number(table.family), &table.name);
        encode::table(batch, table, &mut 0);
    })
}

/// Removes a project's rules; none are removed already.
///
/// # Errors
/// What the kernel refuses.
pub fn remove(project: &str) -> Result<()> {
    let socket = Socket::netfilter()?;
    let name = names::table(project);
    let there = projects_with(&socket)?;
    if !there.iter().any(|(_, it)| it == project) {
        return Ok(());
    }
    nftables::commit(&socket, |batch| {
        for family in FAMILIES {
            nftables::drop_table(batch, number(family), &name);
        }
    })
}

/// Projects that have a table, with its family.
///
/// # Errors
/// What the kernel refuses.
pub fn list() -> Result<Vec<(Family, String)>> {
    projects_with(&Socket::netfilter()?)
}

fn projects_with(socket: &Socket) -> Result<Vec<(Family, String)>> {
    let mut found = Vec::new();
    for family in FAMILIES {
        for (_, payload) in nftables::dump(socket, nftables::GET_TABLE, number(family), |_| {})? {
            let name = super::message::find(nftables::attributes(&payload), 1)
                .map(super::message::text)
                .unwrap_or_default();
            found.extend(name.strip_prefix(names::TABLE_PREFIX).map(|project| (family, project.to_owned())));
        }
    }
    Ok(found)
}

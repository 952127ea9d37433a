//! A project's tables in the kernel.

mod changes;
mod encode;
mod standing;

use crate::linux::message;
use crate::linux::netlink::Socket;
use crate::linux::nftables;
use crate::rules::{self, Family, Table, Wanted};
use crate::{Protocol, Result, names};

pub use changes::RuleChanges;
use standing::{Change, Standing};

pub(crate) const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];

/// The number of a family. Source: `linux/netfilter.h`.
pub(crate) fn number(family: Family) -> u8 {
    match family {
        Family::Ipv4 => 2,
        Family::Ipv6 => 10,
    }
}

/// A way to the kernel's rules.
///
/// Keep it open: what is replaced is destroyed a little later, and the kernel lets whoever closes such a socket wait for that, some 10 ms.
#[derive(Debug)]
pub struct Firewall {
    socket: Socket,
}

impl Firewall {
    /// Opens a way to the rules of this thread's network namespace.
    ///
    /// # Errors
    /// When the kernel gives no socket.
    pub fn open() -> Result<Self> {
        Ok(Self { socket: Socket::netfilter()? })
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Makes a project's rules what is wanted, all at once: no packet sees half of them. Connections that are open stay so. What is there
    /// already is left alone, so that a port more costs little, and a second time nothing.
    ///
    /// # Errors
    /// What the kernel refuses; the old rules stay then.
    pub fn apply(&self, wanted: &Wanted) -> Result<()> {
        let tables = rules::tables(wanted);
        match self.change(wanted, &tables) {
            // Somebody else changed the table meanwhile, or what is in it is not what its chains say.
            Err(error) if matches!(error.errno(), Some(libc::ENOENT | libc::EEXIST | libc::EBUSY)) => self.replace(wanted, &tables),
            other => other,
        }
    }

    fn change(&self, wanted: &Wanted, tables: &[Table]) -> Result<()> {
        let mut changes = Vec::new();
        for table in tables {
            changes.push((table, Standing::read(&self.socket, table)?.map(|it| it.change(table))));
        }
        // Without IPv6 its table goes.
        let stale: Vec<Family> = match FAMILIES.into_iter().find(|family| !tables.iter().any(|it| it.family == *family)) {
            Some(family) if self.list()?.contains(&(family, wanted.project.clone())) => vec![family],
            Some(_) | None => Vec::new(),
        };
        if stale.is_empty() && changes.iter().all(|(_, it)| it.as_ref().is_some_and(Change::is_empty)) {
            return Ok(());
        }
        nftables::commit(&self.socket, |batch| {
            let mut set = 0;
            stale
                .iter()
                .for_each(|family| nftables::drop_table(batch, number(*family), &names::table(&wanted.project)));
            for (table, change) in &changes {
                match change {
                    Some(change) => encode::change(batch, table, change, &mut set),
                    None => encode::table(batch, table, &mut set),
                }
            }
        })
    }

    fn replace(&self, wanted: &Wanted, tables: &[Table]) -> Result<()> {
        let name = names::table(&wanted.project);
        nftables::commit(&self.socket, |batch| {
            let mut set = 0;
            for family in FAMILIES {
                nftables::drop_table(batch, number(family), &name);
            }
            for table in tables {
                encode::table(batch, table, &mut set);
            }
        })
    }

    /// Replaces the backends of one published port by those in `wanted`, and nothing else. The port must have been there at the last
    /// [`Firewall::apply`].
    ///
    /// # Errors
    /// What the kernel refuses; `ENOENT` when the port was not there.
    pub fn set_backends(&self, wanted: &Wanted, protocol: Protocol, port: u16) -> Result<()> {
        nftables::commit(&self.socket, |batch| {
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

    /// Whether the tables of a project are there. What is in them is not looked at: somebody who changes rules by hand may.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn holds(&self, wanted: &Wanted) -> Result<bool> {
        let there = self.list()?;
        let is_there = |family| there.iter().any(|(it, project)| *it == family && *project == wanted.project);
        Ok(rules::tables(wanted).iter().all(|table| is_there(table.family)))
    }

    /// Removes a project's rules; none are removed already.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn remove(&self, project: &str) -> Result<()> {
        let name = names::table(project);
        if !self.list()?.iter().any(|(_, it)| it == project) {
            return Ok(());
        }
        nftables::commit(&self.socket, |batch| {
            for family in FAMILIES {
                nftables::drop_table(batch, number(family), &name);
            }
        })
    }

    /// Projects that have a table, with its family.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn list(&self) -> Result<Vec<(Family, String)>> {
        let mut found = Vec::new();
        for family in FAMILIES {
            for (_, payload) in nftables::dump(&self.socket, nftables::GET_TABLE, number(family), |_| {})? {
                let name = message::find(nftables::attributes(&payload), 1).map(message::text).unwrap_or_default();
                found.extend(name.strip_prefix(names::TABLE_PREFIX).map(|project| (family, project.to_owned())));
            }
        }
        Ok(found)
    }

    /// Makes a table what is given. One that is not there yet costs no waiting.
    pub(crate) fn set_table(&self, table: &Table) -> Result<()> {
        let there = nftables::dump(&self.socket, nftables::GET_TABLE, number(table.family), |_| {})?;
        let is_there = there
            .iter()
            .any(|(_, payload)| message::find(nftables::attributes(payload), 1).map(message::text).as_deref() == Some(table.name.as_str()));
        nftables::commit(&self.socket, |batch| {
            if is_there {
                nftables::drop_table(batch, number(table.family), &table.name);
            }
            encode::table(batch, table, &mut 0);
        })
    }
}

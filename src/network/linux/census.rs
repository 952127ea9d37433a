//! Everything of a project that is in the kernel.

use crate::linux::docker;
use crate::linux::firewall::Firewall;
use crate::linux::link::{self, Link};
use crate::linux::netlink::Socket;
use crate::rules::Family;
use crate::{NetworkError, Result, names};

/// What there is of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// Bridges.
    pub bridges: Vec<Link>,
    /// The host's ends of pairs.
    pub veths: Vec<Link>,
    /// Families in which it has a table.
    pub tables: Vec<Family>,
    /// Its rules in docker's chain.
    pub accepted: Vec<docker::Accepted>,
}

impl Census {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.bridges.is_empty() && self.veths.is_empty() && self.tables.is_empty() && self.accepted.is_empty()
    }
}

/// Counts what there is of a project.
///
/// # Errors
/// When the kernel refuses.
pub fn of(firewall: &Firewall, project: &str) -> Result<Census> {
    let links = link::list(&Socket::route()?)?;
    let bridges: Vec<Link> = links.iter().filter(|it| it.kind == "bridge" && it.project() == Some(project)).cloned().collect();
    let veths = links.into_iter().filter(|it| is_veth(it, project)).collect();
    let tables = firewall.list()?.into_iter().filter(|(_, it)| it == project).map(|(family, _)| family).collect();
    let accepted = docker::list(firewall)?
        .into_iter()
        .filter(|it| bridges.iter().any(|bridge| bridge.name == it.bridge))
        .collect();
    Ok(Census { bridges, veths, tables, accepted })
}

/// All projects of which there is something.
///
/// # Errors
/// When the kernel refuses.
pub fn projects(firewall: &Firewall) -> Result<Vec<String>> {
    let links = link::list(&Socket::route()?)?;
    let bridges = links.iter().filter(|it| it.kind == "bridge").filter_map(|it| it.project().map(str::to_owned));
    let mut found: Vec<String> = bridges.chain(firewall.list()?.into_iter().map(|(_, project)| project)).collect();
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Removes everything of a project, and tries all of it whatever fails. Containers that still run lose their networks.
pub fn remove_all(firewall: &Firewall, project: &str) -> Vec<NetworkError> {
    let mut errors = Vec::new();
    match of(firewall, project) {
        Ok(census) => {
            let bridges: Vec<String> = census.bridges.iter().map(|it| it.name.clone()).collect();
            errors.extend(docker::forget(firewall, &bridges).err());
            errors.extend(firewall.remove(project).err());
            errors.extend(remove_links(project, &census).err());
        }
        Err(error) => errors.push(error),
    }
    errors
}

/// Interfaces of a project have a group, which the kernel removes at once; unless somebody else's is in it.
fn remove_links(project: &str, census: &Census) -> Result<()> {
    let socket = Socket::route()?;
    let group = names::group(project);
    let ours = |it: &Link| census.bridges.iter().chain(&census.veths).any(|other| other.index == it.index);
    let members: Vec<Link> = link::list(&socket)?.into_iter().filter(|it| it.group == group).collect();
    if !members.is_empty() && members.iter().all(ours) {
        link::remove_all(&socket, group)?;
    }
    for rest in census.veths.iter().chain(&census.bridges) {
        if link::find(&socket, &rest.name)?.is_some_and(|it| it.index == rest.index) {
            link::remove(&socket, &rest.name, rest.index)?;
        }
    }
    Ok(())
}

fn is_veth(link: &Link, project: &str) -> bool {
    link.kind == "veth" && link.group == names::group(project) && link.name.starts_with(names::VETH_PREFIX)
}

//! A container's ends on networks: made when it starts, taken away when it ends; and what follows for its project's rules and names.

mod again;
mod change;
mod drain;
mod etc;
mod join;
mod lease;
mod names;
mod ports;
mod refresh;
mod stale;
mod turn;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;

use rcompose_engine_adapter::{Attachment, ContainerName, NetworkMode, NetworkName, Protocol, Result};
use rcompose_network::netns;
use serde::{Deserialize, Serialize};

use crate::document::Container;
use crate::engine::Native;
use crate::error;
use crate::file;
use crate::place::Places;

pub(crate) use again::hold_again;
pub(crate) use change::{connect, disconnect, renamed};
pub(crate) use drain::{drain, resume};
pub(crate) use join::join;
pub(crate) use refresh::refresh;
pub(crate) use stale::Stale;

/// How a container that runs is connected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Joined {
    pub(crate) endpoints: BTreeMap<NetworkName, Endpoint>,
    pub(crate) ports: Vec<Port>,
    /// It is being taken off: nobody is led to it any more.
    #[serde(default)]
    pub(crate) leaving: bool,
}

/// Its end on a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) interface: String,
    pub(crate) ipv4: Option<Ipv4Addr>,
    pub(crate) ipv6: Option<Ipv6Addr>,
}

impl Endpoint {
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.ipv4.map(IpAddr::V4).into_iter().chain(self.ipv6.map(IpAddr::V6))
    }
}

/// A port of the host that it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Port {
    pub(crate) host_ip: IpAddr,
    pub(crate) port: u16,
    pub(crate) target: u16,
    pub(crate) protocol: Protocol,
    /// What was asked for, which tells a port of all addresses from one of a family.
    pub(crate) asked_ip: Option<IpAddr>,
}

impl Joined {
    fn path(places: &Places, container: &Container) -> PathBuf {
        places.project(container.project()).folder().join(format!(".{}.links", container.id))
    }

    /// Reads how a container is connected; not at all where that was not written down.
    pub(crate) fn read(places: &Places, container: &Container) -> Result<Self> {
        Ok(file::read(&Self::path(places, container))?.unwrap_or_default())
    }

    /// As [`Joined::read`], where it is only looked at.
    pub(crate) fn shared(places: &Places, container: &Container) -> Result<Arc<Self>> {
        Ok(places.links.read(&container.id, &Self::path(places, container), |_| Ok(()))?.unwrap_or_default())
    }

    fn write(&self, places: &Places, container: &Container) -> Result<()> {
        let path = Self::path(places, container);
        let text = serde_json::to_vec(self).map_err(|it| error::malformed(&path, it))?;
        file::write_volatile(&path, &text)
    }

    /// Leads connections and names to the container, or to it no longer.
    fn lead(&mut self, native: &Native, container: &Container, there: bool) -> Result<()> {
        self.leaving = !there;
        self.write(&native.places, container)?;
        refresh(native, &native.places.project_name(container.project()))
    }
}

/// Other containers than this one, of those that are meant by what never changes: labels, and what was asked for. One of them may have been removed
/// a moment ago.
fn others(native: &Native, container: &Container, is_meant: impl Fn(&Container) -> bool) -> Result<Vec<Arc<Container>>> {
    let mut all = Vec::new();
    for id in native.places.ids()? {
        all.extend(native.places.labelled(&id)?.filter(|it| it.id != container.id && is_meant(it)));
    }
    Ok(all)
}

/// Tells whether containers are replicas of one service.
fn are_siblings(one: &Container, other: &Container) -> bool {
    one.service().is_some() && (one.project(), one.service()) == (other.project(), other.service())
}

/// The networks that a container is to be attached to; the default one where nothing else was said.
fn attachments(container: &Container) -> Vec<Attachment> {
    let named = |network: &str| Attachment {
        network: network.into(),
        aliases: Vec::new(),
        ipv4_address: None,
        ipv6_address: None,
        link_local_ips: Vec::new(),
        mac_address: None,
        interface_name: None,
        gateway_priority: None,
        driver_opts: BTreeMap::new(),
        links: Vec::new(),
    };
    match &container.spec.network {
        NetworkMode::Networks { attachments } => attachments.clone(),
        NetworkMode::Bridge => vec![named(crate::network::DEFAULT)],
        NetworkMode::Other { text } => vec![named(text)],
        NetworkMode::None | NetworkMode::Host | NetworkMode::Container { .. } => Vec::new(),
    }
}

/// Tells whether a container has a network of its own that must be made.
fn has_own(container: &Container) -> bool {
    matches!(
        container.spec.network,
        NetworkMode::Networks { .. } | NetworkMode::Bridge | NetworkMode::Other { .. } | NetworkMode::None
    )
}

fn own_namespace(places: &Places, container: &Container) -> PathBuf {
    places.project(container.project()).folder().join(format!(".{}.net", container.id))
}

/// Returns the network namespace that a container is put into; nothing for the host's.
pub(crate) fn namespace(native: &Native, container: &Container) -> Result<Option<PathBuf>> {
    match &container.spec.network {
        NetworkMode::Host => Ok(None),
        NetworkMode::Container { container: other } => {
            let owner = owner(native, other, container)?;
            match &owner.spec.network {
                NetworkMode::Host => Ok(Some(PathBuf::from("/proc/1/ns/net"))),
                _ => Ok(Some(own_namespace(&native.places, &owner))),
            }
        }
        _ => Ok(Some(own_namespace(&native.places, container))),
    }
}

/// Follows `container:` to who has the network.
fn owner(native: &Native, name: &ContainerName, asker: &Container) -> Result<Container> {
    const DEEPEST: u32 = 16;
    let mut next = name.clone();
    for _ in 0..DEEPEST {
        let found = native.places.known(&next)?;
        match &found.spec.network {
            NetworkMode::Container { container } => next = container.clone(),
            _ => return Ok(found),
        }
    }
    Err(error::conflict(format!("container {}: network_mode leads in a circle over {name}", asker.name)))
}

/// Whose `/etc/hosts` and `/etc/resolv.conf` a container has: its own, or those of the container whose network it shares.
pub(crate) fn files_owner(native: &Native, container: &Container) -> Result<String> {
    match &container.spec.network {
        NetworkMode::Container { container: other } => Ok(owner(native, other, container)?.id),
        _ => Ok(container.id.clone()),
    }
}

/// Counts a container that runs now among the replicas of its service. The only one was counted on before.
pub(crate) fn started(native: &Native, container: &Container) -> Result<()> {
    if !has_own(container) || others(native, container, |it| are_siblings(container, it))?.is_empty() {
        return Ok(());
    }
    refresh(native, &native.places.project_name(container.project()))
}

/// Gives addresses back, and has connections forgotten that were led there.
fn give_back(native: &Native, container: &Container, network: &NetworkName, endpoint: &Endpoint, ports: &[Port]) -> Result<()> {
    for address in endpoint.addresses() {
        if ports.is_empty() {
            lease::release(&native.places, network, address, &container.id)?;
        } else {
            native.stale.add(network, address, &container.id);
        }
    }
    Ok(())
}

/// Takes away a container's ends; none is success.
pub(crate) fn leave(native: &Native, container: &Container) -> Result<()> {
    let places = &native.places;
    let mut joined = Joined::read(places, container)?;
    let known = file::exists(&Joined::path(places, container));
    if known && has_own(container) {
        match joined.lead(native, container, false) {
            // Nothing can be written down, so it is as if nothing had been: nobody is led to it then either.
            Err(error) if error::is_full(&error) => {
                file::remove(&Joined::path(places, container))?;
                refresh(native, &places.project_name(container.project()))?;
            }
            other => other?,
        }
    }
    let path = own_namespace(places, container);
    // Its interfaces go with it: taking each away costs 20 ms.
    netns::remove(&path).map_err(error::network("remove the network namespace"))?;
    for (network, endpoint) in &joined.endpoints {
        give_back(native, container, network, endpoint, &joined.ports)?;
    }
    ports::release(native, container, &joined)?;
    file::remove(&Joined::path(places, container))?;
    if joined.endpoints.keys().any(|it| it.as_str() == crate::network::DEFAULT) {
        crate::network::drop_default(native)?;
    }
    Ok(())
}

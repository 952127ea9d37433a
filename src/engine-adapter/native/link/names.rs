//! What the guardian of a project serves: names of containers, and ports that the kernel's rules cannot carry.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rcompose_engine_adapter::{ContainerState, HealthStatus, NetworkName, Result, labels};
use rcompose_network::dns::{Client, Zone};
use rcompose_network::files::Resolv;
use rcompose_supervise::{Asker, Service};

use super::{Joined, attachments, own_namespace};
use crate::document::Container;
use crate::engine::Native;
use crate::error;
use crate::stand::{self, Patience};

/// The port of name servers.
const NAMES_PORT: u16 = 53;

/// A container that is joined to networks.
pub(super) struct Member {
    pub(super) container: Arc<Container>,
    pub(super) joined: Arc<Joined>,
    pub(super) health: Option<HealthStatus>,
    pub(super) runs: bool,
}

/// Finds all containers that are joined to networks, or have ports.
pub(super) fn members(native: &Native) -> Result<Vec<Member>> {
    let mut found = Vec::new();
    for id in native.places.ids()? {
        let Some(container) = native.places.shared(&id)? else { continue };
        let joined = Joined::shared(&native.places, &container)?;
        if joined.endpoints.is_empty() || joined.leaving {
            continue;
        }
        // What waits for the lock of links is everybody: who is gone has no name, however it ended.
        let (_, standing) = stand::look(&native.places, &container, Patience::none())?;
        let runs = standing.state == ContainerState::Running;
        found.push(Member { container, joined, health: standing.health, runs });
    }
    Ok(found)
}

/// Puts together what a project's guardian serves.
pub(super) fn service(native: &Native, project: &str, members: &[Member]) -> Result<Service> {
    let is_own = |it: &&Member| native.places.project_name(it.container.project()) == project;
    let networks: BTreeSet<&NetworkName> = members.iter().filter(is_own).flat_map(|it| it.joined.endpoints.keys()).collect();
    let mut service = Service { zone: zone(members, &networks), ..Service::default() };
    let internal: BTreeSet<NetworkName> = native
        .places
        .all_networks()?
        .into_iter()
        .filter(|it| it.spec.internal)
        .map(|it| it.spec.name)
        .collect();
    let host = Resolv::parse(&std::fs::read_to_string(Path::new("/etc/resolv.conf")).unwrap_or_default());
    for member in members.iter().filter(is_own) {
        let closed = member.joined.endpoints.keys().all(|it| internal.contains(it));
        let asker = Asker {
            namespace: own_namespace(&native.places, &member.container),
            client: client(&member.container, &host, closed)?,
            is_server: is_server(&member.container),
        };
        service.clients.insert(member.container.id.clone(), asker);
    }
    Ok(service)
}

/// Names on the networks that a project is on, of other projects' containers too. Of a service's replicas those that are not healthy are
/// left out, unless none is: a name that leads nowhere helps nobody.
fn zone(members: &[Member], networks: &BTreeSet<&NetworkName>) -> Zone {
    let mut zone = Zone::default();
    let is_well = |it: &&Member| it.runs && matches!(it.health, None | Some(HealthStatus::Healthy));
    let well: BTreeSet<_> = members.iter().filter(is_well).filter_map(service_of).collect();
    for member in members {
        let found_by_all = is_well(&member) || service_of(member).is_none_or(|it| !well.contains(&it));
        let short: String = member.container.id.chars().take(12).collect();
        for attachment in attachments(&member.container) {
            let Some(end) = member.joined.endpoints.get(&attachment.network) else {
                continue;
            };
            if !networks.contains(&attachment.network) {
                continue;
            }
            let addresses: Vec<IpAddr> = end.addresses().collect();
            let mut names = vec![member.container.name.as_str(), &short];
            names.extend(attachment.aliases.iter().filter(|it| found_by_all || **it == short).map(String::as_str));
            zone.add(attachment.network.as_str(), &names, &addresses);
        }
    }
    zone
}

fn service_of(member: &Member) -> Option<(&String, &String)> {
    let all = &member.container.labels;
    Some((all.get(labels::PROJECT)?, all.get(labels::SERVICE)?))
}

fn client(container: &Container, host: &Resolv, closed: bool) -> Result<Client> {
    let mut links = BTreeMap::new();
    for attachment in attachments(container) {
        links.extend(attachment.links.iter().chain(&container.spec.links).filter_map(|link| {
            let (name, alias) = link.split_once(':').unwrap_or((link, link));
            (alias != name).then(|| (alias.to_owned(), name.to_owned()))
        }));
    }
    let read = |text: &String| {
        text.parse::<IpAddr>()
            .map_err(|_| error::invalid(format!("container {}: dns: `{text}` is no address", container.name)))
    };
    let servers = container.spec.dns.iter().map(read).collect::<Result<Vec<_>>>()?;
    Ok(Client {
        networks: attachments(container).iter().map(|it| it.network.to_string()).collect(),
        links,
        upstreams: if closed { Vec::new() } else { host.upstreams(&servers) },
    })
}

/// Whether a container serves names itself.
fn is_server(container: &Container) -> bool {
    let exposes = |it: &String| it.split('/').next() == Some("53");
    container.spec.expose.iter().chain(&container.image.expose).any(exposes)
        || container.spec.ports.iter().any(|it| it.target == NAMES_PORT)
}

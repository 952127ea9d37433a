//! Brings the kernel's rules and the names of a project up to what its containers are now.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rcompose_engine_adapter::{HealthStatus, Result, labels};
use rcompose_network::Protocol;
use rcompose_network::options::BridgeOptions;
use rcompose_network::rules::{Backend, Network, Published, Wanted};
use rcompose_supervise::{Carried, Client};

use super::names::{self, Member};
use super::ports::{self, protocol};
use super::turn::Asked;
use crate::driver::Driver;
use crate::engine::Native;
use crate::error;
use crate::file;
use crate::network::bridge_name;

/// Makes rules and names of a project what they must be for what is written down at this moment; and the names of other projects that are
/// on its networks.
pub(crate) fn refresh(native: &Native, project: &str) -> Result<()> {
    let folder = native.places.projects().join(project);
    let asked = file::private(&folder).and_then(|()| Asked::ask(&folder.join(".links.asked")));
    let _lock = file::lock(&native.places.run.join("links.lock"))?;
    match asked {
        Ok(asked) => asked.work(|| bring_up(native, project)),
        // Where the disk is full nobody can leave the work to others.
        Err(error) if error::is_full(&error) => bring_up(native, project),
        Err(error) => Err(error),
    }
}

fn bring_up(native: &Native, project: &str) -> Result<()> {
    let members = names::members(native)?;
    let wanted = wanted(native, project, &members)?;
    if wanted.networks.is_empty() && wanted.ports.is_empty() {
        native.rules("remove the rules of the project", |it| it.remove(project))?;
    } else {
        native.rules("set the rules of the project", |it| it.apply(&wanted))?;
    }
    for concerned in concerned(native, project, &members) {
        let mut service = names::service(native, &concerned, &members)?;
        if concerned == project {
            service.ports = carried(&wanted);
        }
        let client = Client::new(native.places.project(Some(&concerned)), native.program.clone());
        client.serve(&service).map_err(error::supervise("serve names and ports"))?;
    }
    Ok(())
}

/// The project, and others whose containers are on networks with its containers.
fn concerned(native: &Native, project: &str, members: &[Member]) -> BTreeSet<String> {
    let of = |it: &Member| native.places.project_name(it.container.project());
    let own: BTreeSet<_> = members.iter().filter(|it| of(it) == project).flat_map(|it| it.joined.endpoints.keys()).collect();
    let others = members.iter().filter(|it| it.joined.endpoints.keys().any(|it| own.contains(it))).map(of);
    others.chain([project.to_owned()]).collect()
}

/// Ports that need the guardian, from the sockets that are kept for them.
fn carried(wanted: &Wanted) -> Vec<Carried> {
    let mut all = Vec::new();
    for port in wanted.ports.iter().filter(|it| it.needs_proxy()) {
        let request = rcompose_network::PortRequest { protocol: port.protocol, host_ip: port.host_ip, published: None };
        let addresses = request.addresses(true).into_iter().enumerate();
        for number in addresses.filter(|(_, it)| it.is_ipv6()).map(|(number, _)| number) {
            let kept = ports::kept(port.protocol, port.port, port.host_ip);
            all.push(Carried { kept, number, protocol: port.protocol, port: port.port, backends: port.backends.clone() });
        }
    }
    all
}

fn wanted(native: &Native, project: &str, members: &[Member]) -> Result<Wanted> {
    let places = &native.places;
    let is_of = |all: &BTreeMap<String, String>| places.project_name(all.get(labels::PROJECT).map(String::as_str)) == project;
    let mut wanted = Wanted { project: project.to_owned(), ..Wanted::default() };
    let mut internal = Vec::new();
    for network in places.all_networks()? {
        // The host does not reach what hangs on its own interface.
        let hangs = matches!(Driver::read(&network.spec), Ok(Driver::Hanging(_)));
        if network.spec.internal || hangs {
            internal.push(network.spec.name.clone());
        }
        if !is_of(&network.labels) || hangs {
            continue;
        }
        let options = BridgeOptions::parse(&network.spec.driver_opts).unwrap_or_default();
        wanted.networks.push(Network {
            bridge: bridge_name(&network, &options),
            subnets: network.pools.iter().map(|it| it.subnet).collect(),
            internal: network.spec.internal,
            inter_container: options.inter_container,
            masquerade: options.masquerade,
            gateway_ipv4: options.gateway_ipv4,
            gateway_ipv6: options.gateway_ipv6,
        });
    }
    let mut ports: BTreeMap<Door, Vec<(Backend, Fitness)>> = BTreeMap::new();
    for member in members.iter().filter(|it| is_of(&it.container.labels)) {
        let open = || member.joined.endpoints.iter().filter(|(name, _)| !internal.contains(name)).map(|(_, it)| it);
        let ipv4 = open().find_map(|it| it.ipv4.map(IpAddr::V4));
        let ipv6 = open().find_map(|it| it.ipv6.map(IpAddr::V6));
        for port in &member.joined.ports {
            let backends = ipv4.into_iter().chain(ipv6);
            let backends = backends.map(|address| (Backend { address, port: port.target, weight: 1 }, fitness(member)));
            ports.entry((protocol(port.protocol), port.asked_ip, port.port)).or_default().extend(backends);
        }
    }
    let published = |((protocol, host_ip, port), backends)| Published { protocol, host_ip, port, backends: balanced(backends) };
    wanted.ports = ports.into_iter().map(published).collect();
    Ok(wanted)
}

/// A port of the host: protocol, address that was asked for, number.
type Door = (Protocol, Option<IpAddr>, u16);

/// How fit a replica is to be connected to, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fitness {
    /// It runs, and nothing says that it is not well.
    Well,
    /// It runs, and may become well.
    Starting,
    /// It runs, and is not well.
    Unhealthy,
    /// It is about to be started, or started again.
    Down,
}

fn fitness(member: &Member) -> Fitness {
    match (member.runs, member.health) {
        (false, _) => Fitness::Down,
        (true, None | Some(HealthStatus::Healthy)) => Fitness::Well,
        (true, Some(HealthStatus::Starting)) => Fitness::Starting,
        (true, Some(HealthStatus::Unhealthy)) => Fitness::Unhealthy,
    }
}

/// Connections go to replicas that are well. Where none is, they go to those that may become so, and so on down to all: a port that
/// refuses everybody helps nobody.
fn balanced(backends: Vec<(Backend, Fitness)>) -> Vec<Backend> {
    let best = backends.iter().map(|(_, it)| *it).min();
    backends.into_iter().filter(|(_, it)| Some(*it) == best).map(|(it, _)| it).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_go_to_the_fittest() {
        let backend = |port| Backend { address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port, weight: 1 };
        let ports = |all: &[(u16, Fitness)]| -> Vec<u16> {
            balanced(all.iter().map(|(port, it)| (backend(*port), *it)).collect())
                .iter()
                .map(|it| it.port)
                .collect()
        };
        assert_eq!(ports(&[(1, Fitness::Well), (2, Fitness::Starting), (3, Fitness::Unhealthy), (4, Fitness::Well)]), [1, 4]);
        assert_eq!(ports(&[(1, Fitness::Starting), (2, Fitness::Unhealthy)]), [1]);
        assert_eq!(ports(&[(1, Fitness::Down), (2, Fitness::Down)]), [1, 2]);
        assert!(ports(&[]).is_empty());
    }
}

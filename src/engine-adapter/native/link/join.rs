//! Joins a container to its networks, before it starts.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rcompose_engine_adapter::{Attachment, NetworkMode, NetworkName, Result};
use rcompose_network::endpoint::{self, On};
use rcompose_network::ipam::Pool;
use rcompose_network::names::{self, Way};
use rcompose_network::netns::{self, Namespace};
use rcompose_network::options::endpoint_switches;
use rcompose_network::{Cidr, Mac};

use super::{Endpoint, Joined, attachments, etc, has_own, lease, leave, own_namespace, ports, refresh};
use crate::document::{Container, Network};
use crate::driver::Driver;
use crate::engine::Native;
use crate::error;
use crate::network;

/// Makes a container's namespace with its interfaces, its ports and files. What an earlier start left is taken away first.
pub(crate) fn join(native: &Native, container: &Container) -> Result<()> {
    leave(native, container)?;
    if !has_own(container) {
        if container.spec.network == NetworkMode::Host {
            etc::write(native, container, &Joined::default(), &[])?;
        }
        return Ok(());
    }
    let project = native.places.project(container.project());
    crate::file::private(project.folder())?;
    if matches!(container.spec.network, NetworkMode::Bridge) {
        network::ensure_default(native)?;
    }
    let made = Plan::new(native, container)?.carry_out(native, container);
    if made.is_err() {
        // The first error counts.
        let _left = leave(native, container);
    }
    made
}

/// One end that is to be made.
pub(super) struct End {
    pub(super) attachment: Attachment,
    pub(super) network: Network,
    pub(super) driver: Driver,
}

pub(super) struct Plan {
    pub(super) ends: Vec<End>,
    interfaces: Vec<String>,
}

/// Finds a network with what its driver is told.
pub(super) fn end(native: &Native, attachment: Attachment) -> Result<End> {
    let network = native
        .places
        .network(&attachment.network)?
        .ok_or_else(|| error::absent("network", &attachment.network))?;
    let driver = Driver::read(&network.spec)?;
    Ok(End { attachment, network, driver })
}

impl Plan {
    fn new(native: &Native, container: &Container) -> Result<Self> {
        let ends = attachments(container).into_iter().map(|it| end(native, it)).collect::<Result<Vec<_>>>()?;
        let wanted: Vec<Option<&str>> = ends.iter().map(|it| it.attachment.interface_name.as_deref()).collect();
        let interfaces = names::interfaces(&wanted);
        Ok(Self { ends, interfaces })
    }

    fn carry_out(self, native: &Native, container: &Container) -> Result<()> {
        let places = &native.places;
        let path = own_namespace(places, container);
        let namespace = netns::create(&path).map_err(error::network("make the network namespace"))?;
        let mut joined = Joined::default();
        let ways: Vec<(Vec<Cidr>, i64)> = self.ends.iter().map(way).collect();
        let routes = |ipv4: bool| {
            let ways = self.ends.iter().zip(&ways).map(|(it, (subnets, priority))| Way {
                network: it.network.spec.name.as_str(),
                priority: *priority,
                is_internal: it.network.spec.internal,
                subnets,
            });
            names::default_route(&ways.collect::<Vec<_>>(), ipv4)
        };
        let defaults = [routes(true), routes(false)];
        for (at, (end, interface)) in self.ends.iter().zip(&self.interfaces).enumerate() {
            let leads = [defaults[0] == Some(at), defaults[1] == Some(at)];
            let mac = container.spec.mac_address.as_deref().filter(|_| at == 0);
            let made = attach(native, container, end, interface, &namespace, leads, mac)?;
            joined.endpoints.insert(end.network.spec.name.clone(), made);
            // Written down step by step: whoever is killed in between leaves no address behind.
            joined.write(places, container)?;
        }
        ports::publish(native, container, &self.ends, &mut joined)?;
        let gateways: Vec<IpAddr> = defaults
            .iter()
            .flatten()
            .flat_map(|at| self.ends[*at].network.pools.iter().map(|it| it.gateway))
            .collect();
        etc::write(native, container, &joined, &gateways)?;
        refresh(native, &places.project_name(container.project()))
    }
}

fn way(end: &End) -> (Vec<Cidr>, i64) {
    let subnets = if end.driver.is_isolated() {
        Vec::new()
    } else {
        end.network.pools.iter().map(|it| it.subnet).collect()
    };
    (subnets, end.attachment.gateway_priority.unwrap_or(0))
}

/// Takes addresses and makes the interface.
pub(super) fn attach(
    native: &Native,
    container: &Container,
    end: &End,
    interface: &str,
    namespace: &Namespace,
    leads: [bool; 2],
    mac: Option<&str>,
) -> Result<Endpoint> {
    network::ensure_once(native, &end.network)?;
    let name = &end.network.spec.name;
    let mut made = Endpoint { interface: interface.to_owned(), ..Endpoint::default() };
    let mut addresses = Vec::new();
    for pool in first_of_each_family(&end.network.pools, &end.attachment)? {
        let wanted = wanted(&end.attachment, pool.subnet.is_ipv4())?;
        let lease::Taken { address, had } = lease::take(&native.places, name, pool, wanted, &container.id)?;
        if had {
            native.stale.settle(name, address)?;
        }
        match address {
            IpAddr::V4(address) => made.ipv4 = Some(address),
            IpAddr::V6(address) => made.ipv6 = Some(address),
        }
        addresses.push(pool.with_prefix(address));
    }
    for text in &end.attachment.link_local_ips {
        let address: IpAddr = text
            .parse()
            .map_err(|_| error::invalid(format!("container {}: link_local_ips: `{text}` is no address", container.name)))?;
        addresses.push(Cidr::new(address, if address.is_ipv4() { 16 } else { 64 }).unwrap_or(Cidr::host(address)));
    }
    let wrong = |it: rcompose_network::IpamError| error::invalid(format!("container {}: {it}", container.name));
    let given = end
        .attachment
        .mac_address
        .as_deref()
        .or(mac)
        .map(|it| it.parse::<Mac>().map_err(wrong))
        .transpose()?;
    let plain: Vec<IpAddr> = addresses.iter().map(Cidr::address).collect();
    let switches = endpoint_switches(&end.attachment.driver_opts, interface)
        .map_err(|it| error::invalid(format!("container {}: network {name}: {it}", container.name)))?;
    if end.driver.shares_mac() && given.is_some() {
        let message = format!("container {}: network {name}: on an ipvlan it has the hardware address of the host", container.name);
        return Err(error::invalid(message));
    }
    let wanted = endpoint::Endpoint {
        project: native.places.project_name(container.project()),
        on: on(container, end),
        interface: interface.to_owned(),
        mac: given.or_else(|| Mac::of(&plain)).filter(|_| !end.driver.shares_mac()),
        addresses,
        gateways: gateways(end, leads),
        mtu: end.driver.mtu(),
        switches,
    };
    let what = format!("attach container {} to network {name}", container.name);
    let attached = match endpoint::attach(namespace, &wanted) {
        // Somebody took the bridge away since this command looked.
        Err(error) if matches!(end.driver, Driver::Bridge(_)) && error.is_absence() => {
            network::ensure(native, &end.network)?;
            endpoint::attach(namespace, &wanted)
        }
        other => other,
    };
    attached.map_err(error::network(&what))?;
    Ok(made)
}

/// What a container's interface hangs on.
fn on(container: &Container, end: &End) -> On {
    match &end.driver {
        Driver::Bridge(options) => On::Bridge {
            bridge: network::bridge_name(&end.network, options),
            veth: names::veth(&container.id, end.network.spec.name.as_str()),
            isolated: !options.inter_container,
        },
        Driver::Hanging(options) => options.on.clone(),
    }
}

/// The gateways of a network that leads out, by family; unspecified where there is none to ask.
fn gateways(end: &End, leads: [bool; 2]) -> Vec<IpAddr> {
    let leading = end.network.pools.iter().filter(|it| leads[usize::from(!it.subnet.is_ipv4())]);
    let unspecified = |it: IpAddr| if it.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
    leading
        .map(|it| if end.driver.routes_itself() { unspecified(it.gateway) } else { it.gateway })
        .collect()
}

/// A container has one address of each family: in the pool where the wanted one lies, else in the first.
fn first_of_each_family<'a>(pools: &'a [Pool], attachment: &Attachment) -> Result<Vec<&'a Pool>> {
    let mut chosen: BTreeMap<bool, &Pool> = BTreeMap::new();
    for ipv4 in [true, false] {
        let address = wanted(attachment, ipv4)?;
        let family = || pools.iter().filter(move |it| it.subnet.is_ipv4() == ipv4);
        let fits = address.and_then(|address| family().find(|it| it.subnet.contains(address)));
        if let Some(pool) = fits.or_else(|| family().next()) {
            chosen.insert(ipv4, pool);
        } else if let Some(address) = address {
            let message = format!("network {}: it has no subnet for the address {address}", attachment.network);
            return Err(error::invalid(message));
        }
    }
    Ok(chosen.into_values().rev().collect())
}

fn wanted(attachment: &Attachment, ipv4: bool) -> Result<Option<IpAddr>> {
    let text = if ipv4 { &attachment.ipv4_address } else { &attachment.ipv6_address };
    let read = |text: &String| text.parse::<IpAddr>().ok().filter(|it| it.is_ipv4() == ipv4);
    let network: &NetworkName = &attachment.network;
    let wrong = |text: &String| error::invalid(format!("network {network}: `{text}` is no {} address", if ipv4 { "IPv4" } else { "IPv6" }));
    text.as_ref()
        .filter(|it| !it.is_empty())
        .map(|text| read(text).ok_or_else(|| wrong(text)))
        .transpose()
}

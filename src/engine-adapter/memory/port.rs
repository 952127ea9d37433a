//! Ports of the host.

use std::net::{IpAddr, Ipv4Addr};

use rcompose_engine_adapter::{ContainerName, EngineError, ErrorKind, PortSpec, Protocol, Result};

use crate::state::HeldPort;
use crate::world::World;

/// The first port an engine gives out by itself. Source: Linux `net.ipv4.ip_local_port_range`.
const FIRST_EPHEMERAL: u16 = 32768;
/// The last port an engine gives out by itself. Source: Linux `net.ipv4.ip_local_port_range`.
const LAST_EPHEMERAL: u16 = 60999;

impl World {
    /// Finds a port of the host for each published one: all of them, or none.
    pub(crate) fn take_ports(&self, name: &ContainerName) -> Result<Vec<HeldPort>> {
        let container = self.container(name)?;
        let mut taken: Vec<HeldPort> = Vec::new();
        for port in &container.spec.ports {
            let host_ip = port.host_ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            let (first, last) = port.published.unwrap_or((FIRST_EPHEMERAL, LAST_EPHEMERAL));
            let free = (first..=last).find(|candidate| {
                self.port_holder(name, host_ip, *candidate, port.protocol).is_none()
                    && !taken
                        .iter()
                        .any(|it| clash(it.host_ip, host_ip) && (it.port, it.protocol) == (*candidate, port.protocol))
            });
            match free {
                Some(free) => taken.push(HeldPort { host_ip, port: free, target: port.target, protocol: port.protocol }),
                None => return Err(self.port_taken(name, host_ip, first, port)),
            }
        }
        Ok(taken)
    }

    fn port_taken(&self, name: &ContainerName, host_ip: IpAddr, first: u16, port: &PortSpec) -> EngineError {
        let holder = self
            .port_holder(name, host_ip, first, port.protocol)
            .unwrap_or_else(|| format!("container {name} itself"));
        let protocol = port.protocol.as_str();
        EngineError::new(
            ErrorKind::PortTaken { port: first },
            format!("container {name} cannot start: port {host_ip}:{first}/{protocol} is taken by {holder}"),
        )
    }

    /// Names who holds a port of the host.
    fn port_holder(&self, but: &ContainerName, host_ip: IpAddr, port: u16, protocol: Protocol) -> Option<String> {
        let foreign = self
            .foreign_ports
            .iter()
            .find(|(ip, number, it, _)| clash(*ip, host_ip) && (*number, *it) == (port, protocol));
        if let Some((.., holder)) = foreign {
            return Some(holder.clone());
        }
        let holds = |held: &HeldPort| clash(held.host_ip, host_ip) && (held.port, held.protocol) == (port, protocol);
        let holder = self.containers.iter().find(|(name, it)| *name != but && it.ports.iter().any(holds));
        holder.map(|(name, _)| format!("container {name}"))
    }
}

/// Two addresses cannot both have a port where they are the same or one is every address.
fn clash(a: IpAddr, b: IpAddr) -> bool {
    a == b || a.is_unspecified() || b.is_unspecified()
}

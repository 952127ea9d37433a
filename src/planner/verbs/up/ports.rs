//! Host ports that cannot be had: found before anything is done, and the holder named.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rcompose_engine_adapter::{Feature, PortHolder, PortSpec};

use super::Builder;
use super::unit::Fate;
use crate::{Problem, ProblemKind};

impl Builder<'_> {
    pub(super) fn check_ports(&mut self) {
        if !self.shares_ports() {
            self.check_replicas();
        }
        self.check_holders();
        self.check_services();
    }

    /// Several replicas cannot share one fixed port on this engine.
    fn check_replicas(&mut self) {
        let mut problems = Vec::new();
        for (name, replicas) in &self.services {
            let count = replicas.units.len();
            let Some(ports) = replicas.units.first().filter(|_| count > 1).map(|unit| &unit.spec.ports) else {
                continue;
            };
            for port in ports {
                let Some((first, last)) = port.published else { continue };
                let room = usize::from(last - first) + 1;
                if room < count {
                    let wide = u32::from(first) + u32::try_from(count).unwrap_or(u32::MAX) - 1;
                    let message = if room == 1 {
                        format!("{count} containers of `{name}` cannot all publish port {first} on this engine")
                    } else {
                        format!("{count} containers of `{name}` do not fit into the ports {first}-{last}")
                    };
                    let problem = Problem::new(ProblemKind::ReplicaConflict, self.port_path(name, port), message);
                    problems.push(problem.hint(format!(
                        "give each its own with the range form \"{first}-{wide}:{}\", or use `--engine native`",
                        port.target
                    )));
                }
            }
        }
        problems.into_iter().for_each(|problem| self.lowering.problem(problem));
    }

    /// Containers outside this plan hold a port.
    fn check_holders(&mut self) {
        let mut problems = Vec::new();
        for (name, replicas) in &self.services {
            for unit in replicas.units.iter().filter(|unit| unit.fate != Fate::Keep && unit.fate != Fate::Unpause) {
                for port in &unit.spec.ports {
                    let Some(holder) = self.blocked(name, port) else { continue };
                    let path = self.port_path(name, port);
                    let owner = match (&holder.project, &holder.service) {
                        (Some(project), Some(service)) => format!("{} (service {service} of project {project})", holder.container),
                        _ => holder.container.to_string(),
                    };
                    let message = format!("port {} is taken by container {owner}", holder.port);
                    let free = self.free_port(holder.port);
                    let problem = Problem::new(ProblemKind::PortTaken, path, message);
                    problems
                        .push(problem.hint(format!("stop that container, or publish another port, such as \"{free}:{}\"", port.target)));
                }
            }
        }
        problems.into_iter().for_each(|problem| self.lowering.problem(problem));
    }

    /// Returns who holds the last port that was left, where none is left.
    fn blocked(&self, service: &str, port: &PortSpec) -> Option<&PortHolder> {
        let (first, last) = port.published?;
        let mut holder = None;
        for number in first..=last {
            holder =
                Some(self.observed.ports.iter().find(|it| {
                    self.stays(it) && !self.shares(service, it) && it.port == number && clashes(port, it.host_ip, it.protocol)
                })?);
        }
        holder
    }

    /// Replicas of a service may have one port in common.
    fn shares_ports(&self) -> bool {
        self.observed.engine.has(Feature::SharedPort)
    }

    fn shares(&self, service: &str, holder: &PortHolder) -> bool {
        let own = (Some(self.project.name.as_str()), Some(service));
        self.shares_ports() && (holder.project.as_deref(), holder.service.as_deref()) == own
    }

    /// Tells whether a holder still holds its port once the plan is done.
    fn stays(&self, holder: &PortHolder) -> bool {
        self.observed.containers.get(&holder.container).is_none_or(|container| !self.leaves(container))
    }

    /// Two services of the project want the same fixed port; unless one of them waits for the other to have ended.
    fn check_services(&mut self) {
        let mut seen: BTreeMap<(u16, &'static str), Vec<(String, PortSpec)>> = BTreeMap::new();
        let mut problems = Vec::new();
        for (name, replicas) in &self.services {
            let ports = replicas.units.first().map(|unit| unit.spec.ports.as_slice()).unwrap_or_default();
            for port in ports {
                let Some((first, _)) = port.published.filter(|(first, last)| first == last) else {
                    continue;
                };
                let others = seen.entry((first, port.protocol.as_str())).or_default();
                let clash = others
                    .iter()
                    .find(|(other, theirs)| overlap(port.host_ip, theirs.host_ip) && !self.never_together(name, other));
                if let Some((other, _)) = clash {
                    let message = if other == name {
                        format!("`{name}` publishes port {first} twice")
                    } else {
                        format!("`{name}` and `{other}` both publish port {first}")
                    };
                    let problem = Problem::new(ProblemKind::PortTaken, self.port_path(name, port), message);
                    let free = self.free_port(first);
                    problems.push(problem.hint(format!("publish one of them on another port, such as \"{free}:{}\"", port.target)));
                }
                others.push((name.clone(), port.clone()));
            }
        }
        problems.into_iter().for_each(|problem| self.lowering.problem(problem));
    }

    fn never_together(&self, one: &str, other: &str) -> bool {
        let waits = |from: &str, to: &str| {
            let dependencies = self.graph.dependencies(from);
            dependencies
                .iter()
                .any(|(name, it)| *name == to && it.condition == rcompose_spec::model::Condition::Completed)
        };
        waits(one, other) || waits(other, one)
    }

    fn free_port(&self, from: u16) -> u16 {
        let taken = |port: u16| self.observed.ports.iter().any(|it| it.port == port) || self.wanted_ports().any(|it| it == port);
        (from..=u16::MAX).skip(1).find(|&port| !taken(port)).unwrap_or(from)
    }

    fn wanted_ports(&self) -> impl Iterator<Item = u16> {
        let units = self.services.values().flat_map(|it| &it.units);
        units
            .flat_map(|unit| &unit.spec.ports)
            .filter_map(|port| port.published)
            .flat_map(|(first, last)| first..=last)
    }

    /// Returns the place of a port in the file.
    fn port_path(&self, service: &str, port: &PortSpec) -> String {
        let ports = self.project.services.get(service).map(|it| it.ports.as_slice()).unwrap_or_default();
        let index = ports
            .iter()
            .position(|it| crate::lower::host_ports(it).is_ok_and(|spec| spec == *port))
            .unwrap_or(0);
        format!("services.{service}.ports[{index}]")
    }
}

pub(super) fn clashes(port: &PortSpec, ip: IpAddr, protocol: rcompose_engine_adapter::Protocol) -> bool {
    port.protocol == protocol && overlap(port.host_ip, Some(ip))
}

fn overlap(one: Option<IpAddr>, other: Option<IpAddr>) -> bool {
    match (one, other) {
        (None, _) | (_, None) => true,
        (Some(one), Some(other)) if one.is_ipv4() != other.is_ipv4() => false,
        (Some(one), Some(other)) => one == other || one.is_unspecified() || other.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_overlap_where_one_is_every_address() {
        let ip = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        assert!(overlap(None, ip("127.0.0.1")));
        assert!(overlap(ip("0.0.0.0"), ip("127.0.0.1")));
        assert!(!overlap(ip("127.0.0.2"), ip("127.0.0.1")));
        assert!(!overlap(ip("::"), ip("127.0.0.1")));
    }
}

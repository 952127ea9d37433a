//! Host ports: that they can be had, and are published once.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Lint, MAX_COMPARED, MAX_FOUND};
use crate::error::{Code, Finding};
use crate::model::{Condition, Port, Service};

/// What one entry takes of the host.
struct Claim<'a> {
    service: &'a str,
    path: String,
    ip: Option<IpAddr>,
    target: u32,
    protocol: &'a str,
    first: u16,
    last: u16,
}

impl Lint<'_> {
    pub(super) fn service_ports(&mut self, service: &Service) {
        let name = &service.name;
        for (index, port) in service.ports.iter().enumerate() {
            self.one_port(&format!("services.{name}.ports[{index}]"), port);
        }
        for (index, entry) in service.expose.iter().enumerate() {
            if !is_exposable(entry) {
                let message = format!("`{entry}` is no port to expose");
                let hint = match entry.split_once(':') {
                    Some(_) => "`expose` publishes nothing; a port of the host belongs to `ports`",
                    None => "write 8080, 8080/udp or 8080-8090",
                };
                self.warn(format!("services.{name}.expose[{index}]"), Finding::new(Code::BadPort, message).hint(hint));
            }
        }
        if service.ports.is_empty() {
            return;
        }
        let mode = service.network_mode.as_str();
        let span = self.origins.get(&format!("services.{name}.network_mode"));
        let warning = match mode {
            "host" => Finding::new(Code::NoEffect, "published ports have no effect with `network_mode: host`")
                .hint("remove `ports`: the container's own ports are those of the host"),
            "none" => {
                Finding::new(Code::NoEffect, "published ports have no effect with `network_mode: none`").hint("remove one of the two")
            }
            _ if mode.starts_with("service:") || mode.starts_with("container:") => {
                let (_, other) = mode.split_once(':').unwrap_or_default();
                Finding::new(Code::Conflict, format!("a container in the network of `{other}` cannot publish ports: engines refuse it"))
                    .hint(format!("publish them on `{other}`"))
            }
            _ => return,
        };
        self.warn(format!("services.{name}.ports"), warning.note(span, "the network"));
    }

    fn one_port(&mut self, path: &str, port: &Port) {
        if !(1..=u32::from(u16::MAX)).contains(&port.target) {
            let warning = Finding::new(Code::BadPort, format!("the container port {} is not between 1 and 65535", port.target));
            self.warn(path, warning);
        }
        if !port.published.is_empty() && port.published != "0" && range(&port.published).is_none() {
            let warning = Finding::new(Code::BadPort, format!("`{}` is no port of the host", port.published))
                .hint("write a number from 1 to 65535, or a range such as 8000-8010");
            self.warn(format!("{path}.published"), warning);
        }
        if !matches!(port.protocol.to_ascii_lowercase().as_str(), "" | "tcp" | "udp" | "sctp") {
            let warning = Finding::new(Code::BadPort, format!("`{}` is no protocol of a port", port.protocol)).hint("use tcp, udp or sctp");
            self.warn(format!("{path}.protocol"), warning);
        }
        if !port.host_ip.is_empty() && port.host_ip.trim_matches(['[', ']']).parse::<IpAddr>().is_err() {
            let warning = Finding::new(Code::BadAddress, format!("`{}` is not an IP address", port.host_ip));
            self.warn(format!("{path}.host_ip"), warning.hint("name an address of this machine, such as 127.0.0.1"));
        }
    }

    /// Two entries cannot take the same host port, unless their services never run at the same time.
    pub(super) fn port_clashes(&mut self) {
        let claims: Vec<Claim<'_>> = self.running().filter(|service| publishes(service)).flat_map(claims).collect();
        let mut taken: BTreeMap<u16, Vec<&Claim<'_>>> = BTreeMap::new();
        let mut found = Vec::new();
        for claim in claims.iter().filter(|claim| claim.first == claim.last) {
            let others = taken.entry(claim.first).or_default();
            if let Some(other) = others.iter().take(MAX_COMPARED).find(|other| self.clash(claim, other)) {
                found.push((claim.path.clone(), self.clash_warning(claim, other)));
            }
            others.push(claim);
            if found.len() >= MAX_FOUND {
                break;
            }
        }
        for claim in claims.iter().filter(|claim| claim.first != claim.last) {
            let mut others = taken.range(claim.first..=claim.last).flat_map(|(_, others)| others).take(MAX_COMPARED);
            if let Some(other) = others.find(|other| self.clash(claim, other)) {
                let message = format!(
                    "an engine picks a port of {}-{}, and may pick {}, which `{}` publishes",
                    claim.first, claim.last, other.first, other.service
                );
                let warning = Finding::new(Code::PortClash, message)
                    .note(self.origins.get(&other.path), "published here")
                    .hint("leave that port out of the range");
                found.push((claim.path.clone(), warning));
            }
            if found.len() >= MAX_FOUND {
                break;
            }
        }
        for (path, warning) in found {
            self.warn(path, warning);
        }
    }

    fn clash_warning(&self, claim: &Claim<'_>, other: &Claim<'_>) -> Finding {
        let port = claim.first;
        let message = if claim.service == other.service {
            format!("`{}` publishes the host port {port} twice", claim.service)
        } else {
            format!("`{}` and `{}` both publish the host port {port}", other.service, claim.service)
        };
        let (here, there) = (self.origins.get(&claim.path), self.origins.get(&other.path));
        if claim.service != other.service && here == there {
            return Finding::new(Code::PortClash, message)
                .label("both have these lines")
                .hint("give one of them `ports: !override [\"HOST:CONTAINER\"]`");
        }
        Finding::new(Code::PortClash, message)
            .label("published")
            .note(there, "published here too")
            .hint(format!(
                "publish one of them on another port of the host, such as \"{}:{}\"",
                port.saturating_add(1),
                claim.target
            ))
    }

    fn clash(&self, one: &Claim<'_>, other: &Claim<'_>) -> bool {
        let same = one.service == other.service && one.target == other.target && one.ip == other.ip;
        let ends_first = |from: &str, to: &str| {
            let service = self.project.services.get(from);
            service.is_some_and(|service| service.depends_on.get(to).is_some_and(|it| it.condition == Condition::Completed))
        };
        one.protocol.eq_ignore_ascii_case(other.protocol)
            && overlap(one.ip, other.ip)
            && !same
            && !ends_first(one.service, other.service)
            && !ends_first(other.service, one.service)
    }
}

/// With the network of the host or of another container, no port is published.
fn publishes(service: &Service) -> bool {
    let mode = service.network_mode.as_str();
    !matches!(mode, "host" | "none") && !mode.starts_with("service:") && !mode.starts_with("container:") && service.provider.is_none()
}

fn claims(service: &Service) -> impl Iterator<Item = Claim<'_>> {
    service.ports.iter().enumerate().filter_map(|(index, port)| {
        let (first, last) = range(&port.published)?;
        Some(Claim {
            service: &service.name,
            path: format!("services.{}.ports[{index}]", service.name),
            ip: port.host_ip.trim_matches(['[', ']']).parse().ok(),
            target: port.target,
            protocol: if port.protocol.is_empty() { "tcp" } else { &port.protocol },
            first,
            last,
        })
    })
}

fn range(text: &str) -> Option<(u16, u16)> {
    let number = |digits: &str| digits.parse::<u16>().ok().filter(|port| *port > 0 && !digits.starts_with('+'));
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

fn overlap(one: Option<IpAddr>, other: Option<IpAddr>) -> bool {
    match (one, other) {
        (None, _) | (_, None) => true,
        (Some(one), Some(other)) if one.is_ipv4() != other.is_ipv4() => false,
        (Some(one), Some(other)) => one == other || one.is_unspecified() || other.is_unspecified(),
    }
}

fn is_exposable(entry: &str) -> bool {
    let (ports, protocol) = entry.split_once('/').unwrap_or((entry, "tcp"));
    range(ports).is_some() && matches!(protocol.to_ascii_lowercase().as_str(), "tcp" | "udp" | "sctp")
}

#[cfg(test)]
mod tests {
    use super::{is_exposable, overlap, range};

    #[test]
    fn host_ports_are_one_or_a_range() {
        assert_eq!((range("80"), range("80-82")), (Some((80, 80)), Some((80, 82))));
        for bad in ["", "0", "82-80", "70000", "a", "+80", "80-"] {
            assert_eq!(range(bad), None, "{bad}");
        }
        assert!(is_exposable("80/UDP") && !is_exposable("80:80") && !is_exposable("abc"));
    }

    #[test]
    fn addresses_overlap_where_one_is_every_address() {
        let ip = |text: &str| text.parse().ok();
        assert!(overlap(None, ip("127.0.0.1")) && overlap(ip("0.0.0.0"), ip("127.0.0.1")));
        assert!(!overlap(ip("127.0.0.2"), ip("127.0.0.1")) && !overlap(ip("::"), ip("127.0.0.1")));
    }
}

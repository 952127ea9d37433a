//! Published and exposed ports.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rcompose_engine_adapter::{PortSpec, Protocol};
use rcompose_spec::model::{Port, Service};

use super::Lowering;

pub(super) fn ports(lowering: &mut Lowering<'_>, service: &Service) -> Vec<PortSpec> {
    let mut all = Vec::new();
    for (index, port) in service.ports.iter().enumerate() {
        match host_ports(port) {
            Ok(spec) => all.push(spec),
            Err(message) => lowering.invalid(format!("services.{}.ports[{index}]", service.name), message),
        }
    }
    all.sort();
    all.dedup();
    all
}

/// Lowers one port of the file.
pub(crate) fn host_ports(port: &Port) -> Result<PortSpec, String> {
    let target = u16::try_from(port.target).ok().filter(|it| *it > 0);
    let target = target.ok_or_else(|| format!("container port {} is not between 1 and 65535", port.target))?;
    let protocol = protocol(&port.protocol).ok_or_else(|| format!("`{}` is no protocol; use tcp, udp or sctp", port.protocol))?;
    let host_ip = match port.host_ip.trim_matches(['[', ']']) {
        "" => None,
        text => Some(text.parse::<IpAddr>().map_err(|_| format!("`{text}` is no IP address"))?),
    };
    Ok(PortSpec { target, protocol, host_ip, published: published(&port.published)? })
}

fn published(text: &str) -> Result<Option<(u16, u16)>, String> {
    if text.is_empty() || text == "0" {
        return Ok(None);
    }
    let number = |digits: &str| {
        let parsed = digits.parse::<u16>().ok().filter(|it| *it > 0);
        parsed.ok_or_else(|| format!("host port `{digits}` is not between 1 and 65535"))
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    if first > last {
        return Err(format!("host port range {first}-{last} ends before it starts"));
    }
    Ok(Some((first, last)))
}

fn protocol(text: &str) -> Option<Protocol> {
    match text.to_ascii_lowercase().as_str() {
        "" | "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        "sctp" => Some(Protocol::Sctp),
        _ => None,
    }
}

/// Returns `port/protocol` for each port exposed, ranges spread out.
pub(super) fn expose(lowering: &mut Lowering<'_>, service: &Service) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (index, entry) in service.expose.iter().enumerate() {
        match spread(entry) {
            Some(ports) => all.extend(ports),
            None => {
                let message = format!("`{entry}` is no port to expose; use 8080, 8080/udp or 8080-8090");
                lowering.invalid(format!("services.{}.expose[{index}]", service.name), message);
            }
        }
    }
    all
}

fn spread(entry: &str) -> Option<Vec<String>> {
    let (range, name) = entry.split_once('/').unwrap_or((entry, "tcp"));
    let name = protocol(name)?.as_str();
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
    (first > 0 && first <= last).then(|| (first..=last).map(|port| format!("{port}/{name}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(published: &str) -> Port {
        Port { target: 80, published: published.into(), protocol: "tcp".into(), ..Port::default() }
    }

    #[test]
    fn host_ports_are_one_a_range_or_any() {
        assert_eq!(host_ports(&port("")).map(|it| it.published), Ok(None));
        assert_eq!(host_ports(&port("8080")).map(|it| it.published), Ok(Some((8080, 8080))));
        assert_eq!(host_ports(&port("4000-4004")).map(|it| it.published), Ok(Some((4000, 4004))));
        assert!(host_ports(&port("70000")).is_err());
        assert!(host_ports(&port("9-8")).is_err());
    }

    #[test]
    fn exposed_ranges_are_spread() {
        assert_eq!(spread("8000-8001/udp"), Some(vec!["8000/udp".into(), "8001/udp".into()]));
        assert_eq!(spread("abc"), None);
        assert_eq!(spread("80/icmp"), None);
    }
}

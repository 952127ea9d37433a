//! Ports as the docker command shows them: `0.0.0.0:8080->80/tcp`, neighbours joined to a range.

use std::net::IpAddr;

use rcompose_engine_adapter::{ObservedPort, Protocol};

/// Ports that follow each other, published under their own number at one address, or not at all.
struct Range {
    ip: Option<IpAddr>,
    protocol: Protocol,
    first: u16,
    last: u16,
}

/// Returns the ports as one text. Source: the form of `docker ps`.
pub(crate) fn displayed(ports: &[ObservedPort]) -> String {
    let mut sorted = ports.to_vec();
    sorted.sort_by_key(|port| (port.target, port.host, port.protocol));
    let mut ranges: Vec<Range> = Vec::new();
    let mut moved = Vec::new();
    let mut closed = Vec::new();
    for port in &sorted {
        let ip = match port.host {
            Some((ip, published)) if published != port.target => {
                moved.push(format!("{}->{}/{}", joined(ip, &published.to_string()), port.target, port.protocol.as_str()));
                continue;
            }
            Some((ip, _)) => Some(ip),
            None => None,
        };
        let open = ranges.iter_mut().find(|range| range.ip == ip && range.protocol == port.protocol);
        match open {
            Some(range) if range.last == port.target => {}
            Some(range) if range.last.checked_add(1) == Some(port.target) => range.last = port.target,
            Some(range) => {
                closed.push(range.text());
                (range.first, range.last) = (port.target, port.target);
            }
            None => ranges.push(Range { ip, protocol: port.protocol, first: port.target, last: port.target }),
        }
    }
    closed.extend(ranges.iter().map(Range::text));
    closed.extend(moved);
    closed.join(", ")
}

impl Range {
    fn text(&self) -> String {
        let ports = if self.first == self.last {
            self.first.to_string()
        } else {
            format!("{}-{}", self.first, self.last)
        };
        match self.ip {
            Some(ip) => format!("{}->{ports}/{}", joined(ip, &ports), self.protocol.as_str()),
            None => format!("{ports}/{}", self.protocol.as_str()),
        }
    }
}

fn joined(ip: IpAddr, port: &str) -> String {
    match ip {
        IpAddr::V4(ip) => format!("{ip}:{port}"),
        IpAddr::V6(ip) => format!("[{ip}]:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(target: u16, host: Option<(&str, u16)>) -> ObservedPort {
        ObservedPort { target, protocol: Protocol::Tcp, host: host.map(|(ip, port)| (ip.parse().unwrap(), port)) }
    }

    #[test]
    fn ports_are_grouped() {
        assert_eq!(displayed(&[]), "");
        assert_eq!(displayed(&[port(80, None), port(81, None), port(90, None)]), "80-81/tcp, 90/tcp");
        let both = [port(80, Some(("::", 8080))), port(80, Some(("0.0.0.0", 8080)))];
        assert_eq!(displayed(&both), "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp");
        let same = [port(80, Some(("0.0.0.0", 80))), port(81, Some(("0.0.0.0", 81)))];
        assert_eq!(displayed(&same), "0.0.0.0:80-81->80-81/tcp");
    }
}

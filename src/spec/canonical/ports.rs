//! The short form of ports: `[[IP:][HOST]:]CONTAINER[/PROTOCOL]`, with ranges.

use std::net::IpAddr;

use super::Fault;
use crate::error::Code;
use crate::tree::{Map, Node, Value};

const FORM: &str = "write [[IP:]HOST:]CONTAINER[/PROTOCOL], such as 8080:80 or 127.0.0.1:53:53/udp";

/// The long forms of one entry; a range of container ports becomes one for each.
pub(super) fn port(node: &Node) -> Result<Vec<Node>, Fault> {
    match &node.value {
        Value::Map(_) => {
            if node.get("target").is_none() {
                let hint = "a port needs `target`, the port inside the container";
                return Err(Fault::new(Code::BadPort, "a port is missing its target", hint));
            }
            Ok(vec![node.clone()])
        }
        Value::Int(0) => Err(bad("invalid container port: 0")),
        Value::Int(_) => {
            let mut long = Node::new(&node.span, Value::Map(Map::new()));
            long.set("target", node.clone());
            Ok(vec![long])
        }
        Value::Str(text) => {
            let mappings = parse(text).map_err(|fault| match text.contains(['“', '”', '„', '‘', '’']) {
                true => Fault { hint: "these quotes are no quotes to YAML: write \" instead", ..fault },
                false => fault,
            })?;
            Ok(mappings.into_iter().map(|mapping| mapping.node(node)).collect())
        }
        _ => Err(bad("invalid port")),
    }
}

struct Mapping {
    host_ip: String,
    published: String,
    target: u16,
    protocol: String,
}

impl Mapping {
    fn node(self, at: &Node) -> Node {
        let mut node = Node::new(&at.span, Value::Map(Map::new()));
        node.set("mode", Node::str(&at.span, "ingress"));
        if !self.host_ip.is_empty() {
            node.set("host_ip", Node::str(&at.span, self.host_ip));
        }
        node.set("target", Node::new(&at.span, Value::Int(self.target.into())));
        if !self.published.is_empty() {
            node.set("published", Node::str(&at.span, self.published));
        }
        node.set("protocol", Node::str(&at.span, self.protocol));
        node
    }
}

fn bad(message: impl Into<String>) -> Fault {
    Fault::new(Code::BadPort, message, FORM)
}

fn parse(text: &str) -> Result<Vec<Mapping>, Fault> {
    let (ip, host, container) = split(text)?;
    let (container, protocol) = match container.split_once('/') {
        Some((port, protocol)) if !protocol.is_empty() => (port, protocol.to_ascii_lowercase()),
        Some((port, _)) => (port, "tcp".to_owned()),
        None => (container, "tcp".to_owned()),
    };
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        let hint = "a protocol is tcp, udp or sctp; leave it out for tcp, on which http and https run";
        return Err(Fault::new(Code::BadPort, format!("invalid protocol: {protocol}"), hint));
    }
    if container.is_empty() {
        return Err(bad(format!("no port specified: {text}")));
    }
    let ip = address(ip)?;
    let targets = range(container)
        .filter(|(first, _)| *first > 0)
        .ok_or_else(|| bad(format!("invalid container port: {container}")))?;
    let published = match host {
        "" => None,
        host => Some(range(host).ok_or_else(|| bad(format!("invalid host port: {host}")))?),
    };
    let size = |(first, last): (u16, u16)| last - first;
    if let Some(published) = published
        && size(published) != size(targets)
        && size(targets) != 0
    {
        return Err(bad(format!("invalid ranges for container and host ports: {container} and {host}")));
    }
    let mappings = (0..=size(targets)).map(|offset| Mapping {
        host_ip: ip.clone(),
        published: match published {
            None => String::new(),
            Some((first, last)) if size(targets) == 0 && first != last => format!("{first}-{last}"),
            Some((first, _)) => (first + offset).to_string(),
        },
        target: targets.0 + offset,
        protocol: protocol.clone(),
    });
    let mut mappings: Vec<Mapping> = mappings.collect();
    // The reference orders by the text of the container port.
    mappings.sort_by_cached_key(|mapping| mapping.target.to_string());
    Ok(mappings)
}

/// Cuts an entry into address, host port and container port.
fn split(text: &str) -> Result<(&str, &str, &str), Fault> {
    let Some((front, container)) = text.rsplit_once(':') else {
        return Ok(("", "", text));
    };
    match front.rsplit_once(':') {
        None => Ok(("", front, container)),
        Some((ip, host)) => {
            if ip.contains(':') && !(ip.starts_with('[') && ip.ends_with(']')) {
                return Err(bad(format!("invalid IP address: {ip}")));
            }
            Ok((ip, host, container))
        }
    }
}

fn address(ip: &str) -> Result<String, Fault> {
    let bare = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(ip);
    let plain = bare.split_once('%').map_or(bare, |(plain, _)| plain);
    if !bare.is_empty() && plain.parse::<IpAddr>().is_err() {
        let hint = match bare {
            "localhost" => "an address is wanted, not a name: for localhost write 127.0.0.1",
            _ => FORM,
        };
        return Err(Fault::new(Code::BadPort, format!("invalid IP address: {ip}"), hint));
    }
    Ok(bare.to_owned())
}

fn range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten()
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn read(text: &str) -> Option<Vec<String>> {
        let mappings = parse(text).ok()?;
        Some(
            mappings
                .iter()
                .map(|m| format!("{}|{}|{}|{}", m.host_ip, m.published, m.target, m.protocol))
                .collect(),
        )
    }

    #[test]
    fn entries_are_cut_from_the_right() {
        for (text, long) in [
            ("80", "||80|tcp"),
            ("8080:80/UDP", "|8080|80|udp"),
            (":80", "||80|tcp"),
            ("[::1]::81", "::1||81|tcp"),
            ("3000-3005:80", "|3000-3005|80|tcp"),
        ] {
            assert_eq!(read(text), Some(vec![long.to_owned()]), "{text}");
        }
        assert_eq!(read("90-91:80-81").map(|all| all.len()), Some(2));
        for text in [
            "",
            "80:",
            "0",
            "80:0",
            "0-9",
            "a:80",
            "70000:80",
            "3-1:80",
            "1-3:4-5",
            "localhost:80:80",
            "80/x",
            "::1:80:80",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}

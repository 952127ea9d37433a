//! `/etc/hosts`.

use std::fmt::Write as _;
use std::net::IpAddr;

/// What stands in every container's file. Source: docker's own, and RFC 4291 for the IPv6 groups.
const EVERYWHERE: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\n\
                          ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

/// What an address is written as where the host itself is meant.
const HOST_GATEWAY: &str = "host-gateway";

/// What a container's `/etc/hosts` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts<'a> {
    /// The container's host name.
    pub hostname: &'a str,
    /// Its domain.
    pub domain: Option<&'a str>,
    /// Its addresses.
    pub addresses: &'a [IpAddr],
    /// Further lines: host and address, or `host-gateway`.
    pub extra: &'a [(String, String)],
    /// Where the host is for this container: the gateways of its network.
    pub host: &'a [IpAddr],
}

impl Hosts<'_> {
    /// Writes the text. Hosts whose address is no address are returned beside it.
    pub fn text(&self) -> (String, Vec<String>) {
        let mut text = EVERYWHERE.to_owned();
        let mut wrong = Vec::new();
        for (host, address) in self.extra {
            let plain = address.trim_start_matches('[').trim_end_matches(']');
            let addresses = match plain.parse::<IpAddr>() {
                Ok(address) => vec![address],
                Err(_) if plain == HOST_GATEWAY => self.host.to_vec(),
                Err(_) => Vec::new(),
            };
            if addresses.is_empty() || !is_name(host) {
                wrong.push(host.clone());
                continue;
            }
            for address in addresses {
                let _ = writeln!(text, "{address}\t{host}");
            }
        }
        for address in self.addresses {
            let _ = match self.domain {
                Some(domain) => writeln!(text, "{address}\t{0}.{domain} {0}", self.hostname),
                None => writeln!(text, "{address}\t{}", self.hostname),
            };
        }
        (text, wrong)
    }
}

/// A word, so that no name can add a line.
fn is_name(host: &str) -> bool {
    !host.is_empty() && !host.contains(|it: char| it.is_whitespace() || it.is_control() || it == '#')
}

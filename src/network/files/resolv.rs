//! `/etc/resolv.conf`. Source: resolv.conf(5).

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where a container's name server is. Files in the wild name this address, since docker has it there too.
pub const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11));

/// The port of name servers.
const PORT: u16 = 53;

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolv {
    /// Name servers; those with a zone (`fe80::1%eth0`) are left out.
    pub servers: Vec<IpAddr>,
    /// Domains that names without a dot are tried in.
    pub search: Vec<String>,
    /// Options.
    pub options: Vec<String>,
}

impl Resolv {
    /// Reads a file. What it does not know is left out, as the C library does.
    pub fn parse(text: &str) -> Self {
        let mut read = Self::default();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => read.servers.extend(words.next().and_then(|it| it.parse::<IpAddr>().ok())),
                // The last one counts.
                Some("search" | "domain") => read.search = words.take_while(|it| !is_comment(it)).map(str::to_owned).collect(),
                Some("options") => read.options.extend(words.take_while(|it| !is_comment(it)).map(str::to_owned)),
                _ => {}
            }
        }
        read
    }

    /// Where a container's questions about other names go: to its own servers (`dns`), else to the host's. That a server is the container's
    /// own, as in the file of a host that is a container itself, is left out.
    pub fn upstreams(&self, own: &[IpAddr]) -> Vec<SocketAddr> {
        let servers = if own.is_empty() { &self.servers } else { own };
        servers.iter().filter(|it| **it != SERVER).map(|it| SocketAddr::new(*it, PORT)).collect()
    }

    /// Writes the file of a container on the host of this one. Its search domains and options are the host's unless it has some of its own;
    /// a search domain `.` means none at all.
    pub fn in_container(&self, search: &[String], options: &[String]) -> String {
        let search = if search.is_empty() { &self.search } else { search };
        let mut options: Vec<&str> = if options.is_empty() { &self.options } else { options }.iter().map(String::as_str).collect();
        // Names with a dot are asked for as they are first, and so are those without.
        if !options.iter().any(|it| it.starts_with("ndots:")) {
            options.push("ndots:0");
        }
        let mut text = format!("nameserver {SERVER}\n");
        let domains: Vec<&str> = search.iter().map(String::as_str).filter(|it| *it != "." && is_word(it)).collect();
        if !domains.is_empty() {
            let _ = writeln!(text, "search {}", domains.join(" "));
        }
        let options: Vec<&str> = options.into_iter().filter(|it| is_word(it)).collect();
        let _ = writeln!(text, "options {}", options.join(" "));
        text
    }
}

fn is_comment(word: &str) -> bool {
    word.starts_with(['#', ';'])
}

/// A word, so that no value can add a line.
fn is_word(word: &str) -> bool {
    !word.is_empty() && !word.contains(|it: char| it.is_whitespace() || it.is_control())
}

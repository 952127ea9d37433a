//! Where a registry is.

use crate::error::{ImageError, Problem};
use crate::reference::DOCKER_IO;

/// The host of docker.io's registry. Source: distribution `registry` package, `DefaultV2Registry`.
const DOCKER_IO_HOST: &str = "registry-1.docker.io";

/// Where a registry, or a mirror of one, is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// By what name people and credentials know it.
    pub(crate) name: String,
    /// Host, with port where one is written.
    pub(crate) host: String,
    /// The scheme, where it was written.
    pub(crate) scheme: Option<String>,
    /// What stands before `/v2/`.
    pub(crate) prefix: String,
    /// The registry that it is a mirror of.
    pub(crate) mirrors: Option<String>,
}

impl Address {
    /// Returns the address of a registry itself.
    pub(crate) fn of(registry: &str) -> Self {
        let host = if registry == DOCKER_IO { DOCKER_IO_HOST } else { registry };
        Self { name: registry.to_owned(), host: host.to_owned(), scheme: None, prefix: String::new(), mirrors: None }
    }

    /// Reads the address of a mirror.
    pub(crate) fn mirror(text: &str, registry: &str) -> Result<Self, ImageError> {
        let wrong = || ImageError::Malformed {
            what: format!("address `{text}` of a mirror"),
            why: "it is written [https://]HOST[:PORT][/PATH]".into(),
        };
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme @ ("http" | "https"), rest)) => (Some(scheme.to_owned()), rest),
            Some(_) => return Err(wrong()),
            None => (None, text),
        };
        let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        // The rules for a host are those of a registry in a name; a host without dot is one here too.
        let fits = !host.is_empty() && host.bytes().all(|it| it.is_ascii_alphanumeric() || b".-:[]".contains(&it));
        if !fits || prefix.contains(['?', '#', ' ']) {
            return Err(wrong());
        }
        let prefix = prefix.trim_end_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
        Ok(Self { name: host.to_owned(), host: host.to_owned(), scheme, prefix, mirrors: Some(registry.to_owned()) })
    }

    /// Returns the path of something below `/v2/`.
    pub(crate) fn path(&self, rest: &str) -> String {
        // A mirror of several registries is told which one is meant. Source: containerd `docs/hosts.md`, `ns`.
        let of = self
            .mirrors
            .as_ref()
            .filter(|it| *it != DOCKER_IO)
            .map(|it| format!("?ns={it}"))
            .unwrap_or_default();
        format!("{}/v2/{rest}{of}", self.prefix)
    }
}

/// Tells whether a host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback())
}

/// Parts of an absolute address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) scheme: String,
    pub(crate) host: String,
    pub(crate) rest: String,
}

impl Url {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") {
            return None;
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, rest) = rest.split_at(end);
        let rest = rest.split('#').next().unwrap_or_default();
        let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
        // No user and password in an address that somebody else wrote.
        let is_plain = !host.is_empty() && !host.contains('@') && text.bytes().all(|it| it.is_ascii_graphic());
        is_plain.then(|| Self { scheme, host: host.to_ascii_lowercase(), rest })
    }

    /// Reads where an answer leads, which may be relative to what was asked.
    pub(crate) fn join(&self, to: &str) -> Option<Self> {
        if to.contains("://") && !to.starts_with('/') {
            return Self::parse(to);
        }
        if let Some(rest) = to.strip_prefix("//") {
            return Self::parse(&format!("{}://{rest}", self.scheme));
        }
        if to.starts_with('/') {
            return Self::parse(&format!("{}://{}{to}", self.scheme, self.host));
        }
        let path = self.rest.split('?').next().unwrap_or_default();
        let folder = path.rfind('/').map_or("/", |at| &path[..=at]);
        Self::parse(&format!("{}://{}{folder}{to}", self.scheme, self.host))
    }

    pub(crate) fn text(&self) -> String {
        format!("{}://{}{}", self.scheme, self.host, self.rest)
    }

    /// Adds a parameter.
    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        let sign = if self.rest.contains('?') { '&' } else { '?' };
        self.rest = format!("{}{sign}{key}={}", self.rest, escaped(value));
        self
    }
}

/// Writes a value of a parameter. Source: RFC 3986, unreserved characters.
pub(crate) fn escaped(value: &str) -> String {
    use std::fmt::Write as _;
    value.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _never = write!(text, "%{byte:02X}");
        }
        text
    })
}

/// Reads where an answer leads, and refuses what is no address.
pub(crate) fn lead(registry: &str, from: &Url, to: &str) -> Result<Url, ImageError> {
    let shown = || to.chars().take(200).collect();
    from.join(to)
        .ok_or_else(|| ImageError::registry(registry, Problem::Redirect { to: shown(), why: "which is no address" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_joined() {
        let from = Url::parse("https://h:1/v2/a/blobs/x?y=1").unwrap();
        for (to, whole) in [
            ("https://Other/z", "https://other/z"),
            ("/z?q=http://x", "https://h:1/z?q=http://x"),
            ("//cdn/z", "https://cdn/z"),
            ("z", "https://h:1/v2/a/blobs/z"),
            ("?z", "https://h:1/v2/a/blobs/?z"),
        ] {
            assert_eq!(from.join(to).unwrap().text(), whole, "{to}");
        }
        for to in ["ftp://x/", "file:///etc/passwd", "https://u:p@h/", "http:// h/", "https://", "/a\nb"] {
            assert_eq!(from.join(to), None, "{to}");
        }
        assert_eq!(from.with("digest", "sha256:a b").text(), "https://h:1/v2/a/blobs/x?y=1&digest=sha256:a%20b");
    }

    #[test]
    fn this_machine_is_known() {
        for host in ["localhost", "localhost:5000", "127.0.0.1:1", "127.9.9.9", "[::1]:5000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "128.0.0.1", "[::2]:1", "127.0.0.1.example"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn mirrors_are_read() {
        let mirror = Address::mirror("https://m.example:1/docker/", "ghcr.io").unwrap();
        assert_eq!(
            (mirror.host.as_str(), mirror.path("a/manifests/b").as_str()),
            ("m.example:1", "/docker/v2/a/manifests/b?ns=ghcr.io")
        );
        assert_eq!(Address::mirror("m", DOCKER_IO).unwrap().path("a"), "/v2/a");
        for text in ["", "ftp://m", "https://", "https://m/?x", "a b"] {
            assert!(Address::mirror(text, DOCKER_IO).is_err(), "{text}");
        }
    }
}

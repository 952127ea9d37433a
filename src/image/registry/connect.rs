//! Connections: TLS, authorities, proxies, patience.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy};

use super::address::is_loopback;
use super::{Client, locked, transport};
use crate::error::ImageError;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(30);
/// How long a registry may say nothing in the middle of an answer.
const SILENCE: Duration = Duration::from_secs(60);
/// How long it may take to answer: some look at a large upload for a while.
const ANSWER: Duration = Duration::from_secs(180);
/// Where distributions keep the authorities they trust. Source: Go `crypto/x509`, `root_linux.go`.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl Client {
    /// Tells whether a host may be spoken to without TLS.
    pub(super) fn may_be_plain(&self, host: &str) -> bool {
        is_loopback(host) || self.is_told(host)
    }

    fn is_told(&self, host: &str) -> bool {
        let name = name(host);
        let address = name.trim_matches(['[', ']']).parse().ok();
        let fits = |entry: &String| entry == host || entry == name || address.is_some_and(|it| is_within(it, entry));
        self.registries.insecure.iter().any(fits)
    }

    /// Returns the connections to a host.
    pub(super) fn agent(&self, scheme: &str, host: &str) -> Result<Agent, ImageError> {
        let key = format!("{scheme}://{host}");
        if let Some(agent) = locked(&self.agents).get(&key) {
            return Ok(agent.clone());
        }
        let agent = self.connect(scheme, host)?;
        locked(&self.agents).insert(key, agent.clone());
        Ok(agent)
    }

    fn connect(&self, scheme: &str, host: &str) -> Result<Agent, ImageError> {
        let mut config = Agent::config_builder()
            // Answers of every kind are read here, and nobody is led anywhere unseen.
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("rcompose/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .input_buffer_size(256 << 10)
            .output_buffer_size(256 << 10)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_per_read(Some(SILENCE))
            .timeout_per_write(Some(SILENCE))
            .proxy(self.proxy(scheme, host)?);
        if scheme == "https" {
            config = config.tls_config(self.tls(host)?);
        }
        Ok(config.build().into())
    }

    fn proxy(&self, scheme: &str, host: &str) -> Result<Option<Proxy>, ImageError> {
        let proxies = &self.registries.proxies;
        let chosen = if scheme == "https" { &proxies.https } else { &proxies.http };
        let Some(address) = chosen.as_ref().filter(|it| !it.is_empty() && !is_loopback(host)) else {
            return Ok(None);
        };
        if proxies.none.as_deref().is_some_and(|list| is_listed(host, list)) {
            return Ok(None);
        }
        // The address may hold a password, so it is not told.
        Proxy::new(address)
            .map(Some)
            .map_err(|error| transport(host, "reading the address of the proxy", error))
    }

    fn tls(&self, host: &str) -> Result<TlsConfig, ImageError> {
        let own = self
            .registries
            .certificates
            .as_ref()
            .map(|folder| folder.join(host))
            .filter(|folder| folder.is_dir());
        let mut roots = self.authorities()?;
        let mut client = None;
        if let Some(folder) = own {
            let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
                .and_then(|entries| entries.map(|entry| entry.map(|it| it.path())).collect())
                .map_err(ImageError::file("read", &folder))?;
            files.sort();
            for file in &files {
                match file.extension().and_then(|it| it.to_str()) {
                    Some("crt") => roots.extend(certificates(file)?),
                    Some("cert") if client.is_none() => {
                        client = Some(ClientCert::new_with_certs(&certificates(file)?, key(&file.with_extension("key"))?))
                    }
                    _ => {}
                }
            }
        }
        let roots = if roots.is_empty() {
            RootCerts::WebPki
        } else {
            RootCerts::new_with_certs(&roots)
        };
        Ok(TlsConfig::builder()
            .root_certs(roots)
            .client_cert(client)
            .disable_verification(self.is_told(host))
            .build())
    }

    /// Returns the authorities of the system; where it has none, those of Mozilla are taken.
    fn authorities(&self) -> Result<Vec<Certificate<'static>>, ImageError> {
        if let Some(told) = &self.registries.authorities {
            return certificates(told);
        }
        BUNDLES.iter().map(Path::new).find(|it| it.is_file()).map_or(Ok(Vec::new()), certificates)
    }
}

fn pem(path: &Path) -> Result<Vec<PemItem<'static>>, ImageError> {
    let bytes = std::fs::read(path).map_err(ImageError::file("read", path))?;
    // A bundle may have an entry that is none; the others count.
    Ok(parse_pem(&bytes).flatten().collect())
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, ImageError> {
    let found = pem(path)?.into_iter().filter_map(|item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    });
    Ok(found.collect())
}

fn key(path: &Path) -> Result<PrivateKey<'static>, ImageError> {
    let found = pem(path)?.into_iter().find_map(|item| match item {
        PemItem::PrivateKey(key) => Some(key),
        _ => None,
    });
    found.ok_or_else(|| ImageError::Malformed { what: path.display().to_string(), why: "it holds no private key".into() })
}

/// Returns a host without its port.
fn name(host: &str) -> &str {
    host.rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|it| it.is_ascii_digit()))
        .map_or(host, |(name, _)| name)
}

/// Tells whether an address is in a network, written `10.0.0.0/8`.
fn is_within(address: IpAddr, network: &str) -> bool {
    let Some((base, length)) = network.split_once('/') else {
        return false;
    };
    let (Ok(base), Ok(length)) = (base.parse::<IpAddr>(), length.parse::<u32>()) else {
        return false;
    };
    let bits = |address: IpAddr| match address {
        IpAddr::V4(it) => (u128::from(it.to_bits()) << 96, 32),
        IpAddr::V6(it) => (it.to_bits(), 128),
    };
    let ((base, width), (address, other)) = (bits(base), bits(address));
    width == other && length <= width && (length == 0 || (base ^ address) >> (128 - length) == 0)
}

/// Tells whether a host is in a list of `NO_PROXY`: names, their ends, addresses, or `*`. Source: Go `golang.org/x/net/http/httpproxy`.
fn is_listed(host: &str, list: &str) -> bool {
    let name = name(host);
    list.split(',').map(str::trim).filter(|it| !it.is_empty()).any(|entry| {
        let end = entry.strip_prefix("*.").or_else(|| entry.strip_prefix('.')).unwrap_or(entry);
        entry == "*" || entry == host || name == end || name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_addresses() {
        let within = |address: &str, network: &str| is_within(address.parse().unwrap(), network);
        assert!(within("10.1.2.3", "10.0.0.0/8") && within("10.1.2.3", "0.0.0.0/0") && within("fd00::1", "fd00::/8"));
        for network in ["10.0.0.0/16", "10.1.2.4/32", "::/0", "10.0.0.0/33", "x/8", "10.1.2.3"] {
            assert!(!within("10.1.2.3", network), "{network}");
        }
    }

    #[test]
    fn hosts_without_proxy_are_known() {
        for list in ["*", "ghcr.io", ".ghcr.io, x", "io", "h,ghcr.io:443"] {
            assert!(is_listed("ghcr.io:443", list), "{list}");
        }
        for list in ["", "hcr.io", "ghcr.io.example", "other:443"] {
            assert!(!is_listed("ghcr.io:443", list), "{list}");
        }
    }
}

//! The client of registries. Sources: OCI distribution spec 1.1; distribution, "Token Authentication Specification"; RFC 9110.
//!
//! A registry is believed nothing: every answer is bounded, every blob is hashed, it leads only so far, and credentials go to
//! nobody that it names over an open line.

mod address;
mod answer;
mod auth;
mod challenge;
mod connect;
mod pull;
mod push;
mod request;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

pub(crate) use address::Address;
pub(crate) use pull::Fetched;
pub(crate) use push::Source;
pub(crate) use request::chain;

use crate::error::{ImageError, Problem};

/// Who asks a registry.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// Their name.
    pub username: Option<String>,
    /// Their password, or a token that takes its place.
    pub password: Option<String>,
    /// A token that is exchanged for others.
    pub identity_token: Option<String>,
    /// A token that is sent as it is.
    pub registry_token: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("username", &self.username).finish_non_exhaustive()
    }
}

/// What went wrong with finding credentials.
pub type LoginError = Box<dyn std::error::Error + Send + Sync>;
/// Finds who asks a registry: `docker.io` or `HOST[:PORT]`.
pub type Keychain = Arc<dyn Fn(&str) -> Result<Option<Login>, LoginError> + Send + Sync>;

/// How registries are reached.
#[derive(Clone)]
pub struct Registries {
    /// Hosts, with port where one is written, that may be spoken to without TLS, or with certificates that nobody vouches for.
    /// Those of this machine (127.0.0.0/8, `::1`, `localhost`) may be spoken to without TLS always.
    pub insecure: BTreeSet<String>,
    /// Addresses that are asked before a registry, in this order: `https://HOST[/PATH]`.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// The proxy for `http`, for `https`, and names that need none, in the forms of `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`.
    pub proxies: Proxies,
    /// A folder with certificates by host, in the form of `/etc/docker/certs.d`.
    pub certificates: Option<PathBuf>,
    /// A file of authorities to trust instead of the system's.
    pub authorities: Option<PathBuf>,
    /// Who asks.
    pub keychain: Keychain,
}

/// Proxies on the way to registries.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// For `http`.
    pub http: Option<String>,
    /// For `https`.
    pub https: Option<String>,
    /// Names that need none.
    pub none: Option<String>,
}

impl Default for Registries {
    fn default() -> Self {
        Self {
            insecure: BTreeSet::new(),
            mirrors: BTreeMap::new(),
            proxies: Proxies::default(),
            certificates: None,
            authorities: None,
            keychain: Arc::new(|_| Ok(None)),
        }
    }
}

impl fmt::Debug for Registries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registries")
            .field("insecure", &self.insecure)
            .field("mirrors", &self.mirrors)
            .finish_non_exhaustive()
    }
}

/// A client, which remembers connections, tokens, and who speaks TLS.
#[derive(Debug)]
pub struct Client {
    registries: Registries,
    agents: Mutex<BTreeMap<String, ureq::Agent>>,
    bases: Mutex<BTreeMap<String, String>>,
    tokens: Mutex<BTreeMap<(String, String), auth::Token>>,
}

impl Client {
    /// Makes a client.
    #[must_use]
    pub fn new(registries: Registries) -> Self {
        Self { registries, agents: Mutex::default(), bases: Mutex::default(), tokens: Mutex::default() }
    }

    /// Returns where images of a registry are asked for: its mirrors, then itself.
    pub(crate) fn addresses(&self, registry: &str) -> Result<Vec<Address>, ImageError> {
        let mirrors = self.registries.mirrors.get(registry).into_iter().flatten();
        let mut addresses = mirrors.map(|text| Address::mirror(text, registry)).collect::<Result<Vec<_>, _>>()?;
        addresses.push(Address::of(registry));
        Ok(addresses)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is inside is a memory of things that can be found out again; a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn transport(registry: &str, what: &str, source: impl Into<LoginError>) -> ImageError {
    ImageError::registry(registry, Problem::Transport { what: what.to_owned(), source: source.into() })
}

//! `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf` of a container.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcompose_engine_adapter::{NetworkMode, Result};
use rcompose_network::files::{Hosts, Resolv};

use super::Joined;
use crate::document::Container;
use crate::engine::Native;
use crate::error;
use crate::file;

/// What this host's names are looked up by.
const HOSTS_RESOLV: &str = "/etc/resolv.conf";

pub(super) fn write(native: &Native, container: &Container, joined: &Joined, gateways: &[IpAddr]) -> Result<()> {
    let place = native.places.container(&container.id);
    let spec = &container.spec;
    let resolv = std::fs::read_to_string(HOSTS_RESOLV).unwrap_or_default();
    let is_host = spec.network == NetworkMode::Host;
    let hostname = if is_host && spec.hostname.is_none() {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    } else {
        spec.hostname.clone().unwrap_or_else(|| container.id.chars().take(12).collect())
    };
    let addresses: Vec<IpAddr> = joined.endpoints.values().flat_map(|it| it.addresses()).collect();
    let extra: Vec<(String, String)> = spec.extra_hosts.iter().map(|it| (it.host.clone(), it.address.clone())).collect();
    let hosts = Hosts {
        hostname: &hostname,
        domain: spec.domainname.as_deref(),
        addresses: &addresses,
        extra: &extra,
        host: gateways,
    };
    let (mut hosts, wrong) = hosts.text();
    if let Some(host) = wrong.first() {
        return Err(error::invalid(format!(
            "container {}: extra_hosts: `{host}` has no address that can be written down",
            container.name
        )));
    }
    let resolv = if is_host {
        hosts = std::fs::read_to_string("/etc/hosts").unwrap_or(hosts);
        resolv
    } else {
        Resolv::parse(&resolv).in_container(&spec.dns_search, &spec.dns_options)
    };
    for (name, text) in [("hosts", hosts), ("hostname", format!("{hostname}\n")), ("resolv.conf", resolv)] {
        let path = place.etc(name);
        file::private(path.parent().unwrap_or(Path::new("/")))?;
        file::write_volatile(&path, text.as_bytes())?;
        // Whoever runs in the container reads them.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).map_err(error::file("open to others", &path))?;
    }
    Ok(())
}

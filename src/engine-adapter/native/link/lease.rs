//! Addresses that containers have: a file for each, named by the address, that holds the container's id. Made by its name at once, so
//! that no two get one.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use rcompose_engine_adapter::{EngineError, ErrorKind, NetworkName, Result};
use rcompose_network::ipam::Pool;

use crate::error;
use crate::file;
use crate::place::Places;

fn path(places: &Places, network: &NetworkName, address: IpAddr) -> PathBuf {
    // A colon in a name is nothing special, but a tool may take it for a host.
    places.leases(network).join(address.to_string().replace(':', "_"))
}

/// Takes an address of a pool: the one that is wanted, or the lowest that is free.
pub(super) fn take(places: &Places, network: &NetworkName, pool: &Pool, wanted: Option<IpAddr>, id: &str) -> Result<IpAddr> {
    let folder = places.leases(network);
    file::private(&folder)?;
    let _lock = file::lock(&folder.join(".lock"))?;
    let mut used = BTreeSet::new();
    for name in file::names(&folder)? {
        let Ok(address) = name.replace('_', ":").parse::<IpAddr>() else {
            continue;
        };
        let holder = std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
        // A container that was removed the hard way holds nothing.
        if holder != id && places.container(&holder).document().exists() {
            used.insert(address);
        }
    }
    let address = pool
        .allocate(&used, wanted)
        .map_err(|it| EngineError::new(ErrorKind::Invalid, format!("network {network}: {it}")).caused_by(it))?;
    file::write_volatile(&path(places, network, address), id.as_bytes())?;
    Ok(address)
}

/// Gives an address back, unless it is somebody else's by now.
pub(super) fn release(places: &Places, network: &NetworkName, address: IpAddr, id: &str) -> Result<()> {
    let path = path(places, network, address);
    match std::fs::read_to_string(&path) {
        Ok(holder) if holder == id => file::remove(&path),
        Ok(_) => Ok(()),
        Err(failed) if failed.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(failed) => Err(error::file("read", &path)(failed)),
    }
}

#[cfg(test)]
mod tests {
    use rcompose_network::ipam::PoolRequest;

    use super::*;

    #[test]
    fn an_address_has_one_holder_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::new(folder.path().join("root"), folder.path().join("run"));
        let request = PoolRequest { subnet: Some("10.1.2.0/29".parse().unwrap()), ..PoolRequest::default() };
        let pool = Pool::new(&request, &[]).unwrap();
        for id in ["a", "b"] {
            std::fs::create_dir_all(places.container(id).folder).unwrap();
            std::fs::write(places.container(id).document(), "{}").unwrap();
        }
        let network = NetworkName::from("n");
        let first = take(&places, &network, &pool, None, "a").unwrap();
        assert_eq!(take(&places, &network, &pool, None, "a").unwrap(), first, "asked again, it is the same");
        assert_ne!(take(&places, &network, &pool, None, "b").unwrap(), first);
        assert!(take(&places, &network, &pool, Some(first), "b").is_err(), "one address for two");
        release(&places, &network, first, "b").unwrap();
        assert!(take(&places, &network, &pool, Some(first), "b").is_err(), "given back by who does not have it");
        std::fs::remove_file(places.container("a").document()).unwrap();
        assert_eq!(take(&places, &network, &pool, Some(first), "b").unwrap(), first, "its holder is gone");
    }
}

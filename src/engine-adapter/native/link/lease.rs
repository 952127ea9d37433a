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
    let names = file::names(&folder)?;
    let address = |name: &String| name.replace('_', ":").parse::<IpAddr>().ok();
    let taken: BTreeSet<IpAddr> = names.iter().filter_map(address).collect();
    let chosen = pool.allocate(&taken, wanted).or_else(|_| {
        // Its own is free for it, and a container that was removed the hard way holds nothing.
        let is_held = |name: &&String| {
            let holder = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
            holder != id && places.container(&holder).document().exists()
        };
        pool.allocate(&names.iter().filter(is_held).filter_map(address).collect(), wanted)
    });
    let address = chosen.map_err(|it| EngineError::new(ErrorKind::Invalid, format!("network {network}: {it}")).caused_by(it))?;
    file::write_volatile(&path(places, network, address), id.as_bytes())?;
    Ok(address)
}

/// Tells whether somebody has an address.
pub(super) fn is_taken(places: &Places, network: &NetworkName, address: IpAddr) -> bool {
    file::exists(&path(places, network, address))
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
        assert_eq!(take(&places, &network, &pool, Some(first), "a").unwrap(), first, "asked again, it is the same");
        assert_ne!(take(&places, &network, &pool, None, "b").unwrap(), first);
        assert!(take(&places, &network, &pool, Some(first), "b").is_err(), "one address for two");
        release(&places, &network, first, "b").unwrap();
        assert!(take(&places, &network, &pool, Some(first), "b").is_err(), "given back by who does not have it");
        std::fs::remove_file(places.container("a").document()).unwrap();
        assert_eq!(take(&places, &network, &pool, Some(first), "b").unwrap(), first, "its holder is gone");
        let all: BTreeSet<IpAddr> = (0..4).map(|_| take(&places, &network, &pool, None, "b").unwrap()).collect();
        assert_eq!(all.len(), 4, "those that are free come first");
        assert!(all.contains(&take(&places, &network, &pool, None, "b").unwrap()), "its own last");
        std::fs::write(places.container("a").document(), "{}").unwrap();
        assert!(take(&places, &network, &pool, None, "a").unwrap_err().message.contains("10.1.2.0/29"));
    }
}

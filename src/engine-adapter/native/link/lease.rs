//! Addresses that containers have: a file for each, named by the address, that holds the container's id. Made by its name at once, so
//! that no two get one.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rcompose_engine_adapter::{EngineError, ErrorKind, NetworkName, Result};
use rcompose_network::ipam::Pool;

use crate::error;
use crate::file;
use crate::place::Places;

fn path(places: &Places, network: &NetworkName, address: IpAddr) -> PathBuf {
    // A colon in a name is nothing special, but a tool may take it for a host.
    places.leases(network).join(address.to_string().replace(':', "_"))
}

/// An address that was taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) address: IpAddr,
    /// Somebody had it who did not give it back: connections may lead there still.
    pub(super) had: bool,
}

/// Takes an address of a pool: the one that is wanted, or the lowest that is free.
pub(super) fn take(places: &Places, network: &NetworkName, pool: &Pool, wanted: Option<IpAddr>, id: &str) -> Result<Taken> {
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
    // Each taking is another file, which tells it from an earlier one of the same container.
    file::write_volatile(&path(places, network, address), id.as_bytes())?;
    Ok(Taken { address, had: taken.contains(&address) })
}

/// One taking of an address, by the inode and the time of its file, in seconds and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left(u64, i64, i64);

/// Returns the taking of an address by a container that is about to leave it; nothing where somebody else has it.
pub(super) fn left(places: &Places, network: &NetworkName, address: IpAddr, id: &str) -> Option<Left> {
    let path = path(places, network, address);
    std::fs::read_to_string(&path).is_ok_and(|holder| holder == id).then(|| Left::of(&path)).flatten()
}

impl Left {
    fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self(found.ino(), found.ctime(), found.ctime_nsec()))
    }

    /// Tells whether nobody has taken the address since, the same container neither.
    pub(super) fn is_still(self, places: &Places, network: &NetworkName, address: IpAddr) -> bool {
        Self::of(&path(places, network, address)) == Some(self)
    }

    /// Gives the address back, unless it was taken since.
    pub(super) fn give_back(self, places: &Places, network: &NetworkName, address: IpAddr) -> Result<()> {
        let folder = places.leases(network);
        if !folder.is_dir() {
            return Ok(());
        }
        let _lock = file::lock(&folder.join(".lock"))?;
        if self.is_still(places, network, address) {
            file::remove(&path(places, network, address))?;
        }
        Ok(())
    }
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
        let ask = |wanted, id| take(&places, &network, &pool, wanted, id);
        let first = ask(None, "a").unwrap().address;
        assert_eq!(ask(Some(first), "a").unwrap(), Taken { address: first, had: true }, "asked again, it is the same");
        assert_ne!(ask(None, "b").unwrap().address, first);
        assert!(ask(Some(first), "b").is_err(), "one address for two");
        release(&places, &network, first, "b").unwrap();
        assert!(ask(Some(first), "b").is_err(), "given back by who does not have it");
        std::fs::remove_file(places.container("a").document()).unwrap();
        assert_eq!(ask(Some(first), "b").unwrap(), Taken { address: first, had: true }, "its holder is gone");
        let rest: Vec<Taken> = (0..3).map(|_| ask(None, "b").unwrap()).collect();
        assert!(rest.iter().all(|it| !it.had && it.address != first), "those that are free come first: {rest:?}");
        assert!(ask(None, "b").unwrap().had, "its own last");
        std::fs::write(places.container("a").document(), "{}").unwrap();
        assert!(ask(None, "a").unwrap_err().message.contains("10.1.2.0/29"));

        let taken = left(&places, &network, first, "b").unwrap();
        assert!(left(&places, &network, first, "a").is_none() && taken.is_still(&places, &network, first));
        ask(Some(first), "b").unwrap();
        taken.give_back(&places, &network, first).unwrap();
        assert!(ask(Some(first), "a").is_err(), "given back though it was taken again");
        left(&places, &network, first, "b").unwrap().give_back(&places, &network, first).unwrap();
        assert_eq!(ask(None, "a").unwrap(), Taken { address: first, had: false });
    }
}

//! Connections to containers that are gone, which the kernel is to forget. It walks through its whole table for that, so of thirty
//! containers that go at once not each has it done. Until then the address is given to nobody else.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rcompose_engine_adapter::{NetworkName, Result};
use rcompose_network::conntrack;

use super::lease::{self, Left};
use crate::error;
use crate::place::Places;

/// How long those that go together are waited for. Who sends from the same port again within it meets nobody; that is seldom.
const TOGETHER: Duration = Duration::from_millis(100);

/// Addresses that containers had. What is here when the engine is closed is forgotten then. Where its process is killed, they stay taken until
/// there are no others, and whoever takes one has it forgotten first.
#[derive(Debug)]
pub(crate) struct Stale(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    places: Places,
    left: Mutex<BTreeMap<(NetworkName, IpAddr), Left>>,
}

impl Stale {
    pub(crate) fn new(places: Places) -> Self {
        Self(Arc::new(Inner { places, left: Mutex::default() }))
    }

    /// Has the connections to an address forgotten, and the address given back, soon. It is that of the container with this id.
    pub(super) fn add(&self, network: &NetworkName, address: IpAddr, id: &str) {
        let Some(left) = lease::left(&self.0.places, network, address, id) else {
            return;
        };
        let mut all = self.0.left.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = all.is_empty();
        all.insert((network.clone(), address), left);
        drop(all);
        if is_first {
            let inner = Arc::clone(&self.0);
            let later = move || {
                std::thread::sleep(TOGETHER);
                inner.forget();
            };
            // Without a thread it is done when the engine is closed.
            let _started = std::thread::Builder::new().name("forget".into()).spawn(later);
        }
    }

    /// Has all that is here forgotten now.
    pub(crate) fn close(&self) {
        self.0.forget();
    }

    /// Has the connections to an address forgotten that a container had before the one that has just taken it.
    pub(super) fn settle(&self, network: &NetworkName, address: IpAddr) -> Result<()> {
        self.0.left.lock().unwrap_or_else(PoisonError::into_inner).remove(&(network.clone(), address));
        conntrack::forget(&[address]).map(drop).map_err(error::network("forget connections"))
    }
}

impl Inner {
    /// Held throughout: whoever settles one of them waits for this, and so does the end of the engine.
    fn forget(&self) {
        let mut all = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if all.is_empty() {
            return;
        }
        let left = std::mem::take(&mut *all);
        // One that its container has again, by another process, has new connections.
        let mut left: Vec<_> = left
            .into_iter()
            .filter(|((network, address), it)| it.is_still(&self.places, network, *address))
            .collect();
        let addresses: Vec<IpAddr> = left.iter().map(|((_, address), _)| *address).collect();
        if conntrack::forget(&addresses).is_err() {
            // They stay taken, as after a kill.
            left.clear();
        }
        for ((network, address), it) in left {
            // What cannot be given back is taken by whoever finds no other.
            let _taken = it.give_back(&self.places, &network, address);
        }
    }
}

impl Drop for Stale {
    fn drop(&mut self) {
        self.close();
    }
}

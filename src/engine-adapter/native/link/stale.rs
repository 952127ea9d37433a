//! Connections to containers that are gone, which the kernel is to forget. It walks through its whole table for that, so of thirty
//! containers that go at once not each has it done.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rcompose_engine_adapter::{NetworkName, Result};
use rcompose_network::conntrack;

use super::lease;
use crate::error;
use crate::place::Places;

/// How long those that go together are waited for. Who sends from the same port again within it meets nobody; that is seldom.
const TOGETHER: Duration = Duration::from_millis(100);

/// Addresses that containers had. What is here when the engine is closed is forgotten then.
#[derive(Debug)]
pub(crate) struct Stale {
    places: Places,
    left: Mutex<BTreeSet<(NetworkName, IpAddr)>>,
}

impl Stale {
    pub(crate) fn new(places: Places) -> Self {
        Self { places, left: Mutex::default() }
    }

    /// Has the connections to an address forgotten, soon.
    pub(super) fn add(self: &Arc<Self>, network: &NetworkName, address: IpAddr) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = left.is_empty();
        left.insert((network.clone(), address));
        drop(left);
        if is_first {
            let this = Arc::downgrade(self);
            let later = move || {
                std::thread::sleep(TOGETHER);
                // Closed meanwhile, it has been done.
                if let Some(this) = this.upgrade() {
                    this.forget();
                }
            };
            // Without a thread it is done when the engine is closed.
            let _started = std::thread::Builder::new().name("forget".into()).spawn(later);
        }
    }

    /// Has the connections to an address forgotten that another container is about to have.
    pub(super) fn settle(&self, network: &NetworkName, address: IpAddr) -> Result<()> {
        let is_left = self.left.lock().unwrap_or_else(PoisonError::into_inner).remove(&(network.clone(), address));
        if is_left {
            conntrack::forget(&[address]).map_err(error::network("forget connections"))?;
        }
        Ok(())
    }

    fn forget(&self) {
        let left = std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner));
        // One that a container has by now, of another process, has new connections.
        let free = left.into_iter().filter(|(network, address)| !lease::is_taken(&self.places, network, *address));
        let free: Vec<IpAddr> = free.map(|(_, it)| it).collect();
        // They end by themselves otherwise, in minutes.
        let _kept = conntrack::forget(&free);
    }
}

impl Drop for Stale {
    fn drop(&mut self) {
        self.forget();
    }
}

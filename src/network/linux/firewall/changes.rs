//! Tells when anybody changed rules, so that ours can be put back.

use std::os::fd::{AsFd, BorrowedFd};

use crate::Result;
use crate::linux::netlink::Socket;

/// `NFNLGRP_NFTABLES`.
const GROUP: u32 = 7;

/// A descriptor that is ready when rules of this network namespace were changed, by whomever.
#[derive(Debug)]
pub struct RuleChanges {
    socket: Socket,
}

impl RuleChanges {
    /// Begins to watch.
    ///
    /// # Errors
    /// When the kernel gives no socket.
    pub fn watch() -> Result<Self> {
        Ok(Self { socket: Socket::notices(GROUP)? })
    }

    /// Whether something was changed since the last call. What it was is to be looked up ([`crate::Firewall::holds`]).
    ///
    /// # Errors
    /// When the socket fails.
    pub fn take(&self) -> Result<bool> {
        self.socket.drain()
    }
}

impl AsFd for RuleChanges {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

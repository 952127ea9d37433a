//! Many descriptors as one to wait for: an epoll descriptor is ready when one of its own is.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

pub(crate) use rustix::event::epoll::EventFlags as Ready;

use crate::{NetworkError, Result};

/// Events taken at once; the rest comes with the next call.
const AT_ONCE: usize = 64;

#[derive(Debug)]
pub(crate) struct Watch {
    epoll: OwnedFd,
}

impl Watch {
    pub(crate) fn new() -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(NetworkError::step("make an epoll descriptor"))?;
        Ok(Self { epoll })
    }

    pub(crate) fn add(&self, fd: impl AsFd, token: u64, wanted: Ready) -> Result<()> {
        epoll::add(&self.epoll, fd, epoll::EventData::new_u64(token), wanted).map_err(NetworkError::step("watch a socket"))
    }

    pub(crate) fn change(&self, fd: impl AsFd, token: u64, wanted: Ready) -> Result<()> {
        epoll::modify(&self.epoll, fd, epoll::EventData::new_u64(token), wanted).map_err(NetworkError::step("watch a socket"))
    }

    /// Needed where a duplicate of the descriptor may live on elsewhere; one that is not watched is as good.
    pub(crate) fn remove(&self, fd: impl AsFd) {
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// What is ready now; it does not wait.
    pub(crate) fn ready(&self) -> Result<Vec<(u64, Ready)>> {
        let mut events = Vec::with_capacity(AT_ONCE);
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&now)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(NetworkError::step("look which sockets are ready")(errno)),
        }
        Ok(events.into_iter().map(|event: epoll::Event| (event.data.u64(), event.flags)).collect())
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

//! Waits for descriptors, by number.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

pub(crate) use rustix::event::epoll::EventFlags as Ready;

use crate::error::{Result, SuperviseError};
use crate::kernel;

/// Events taken at once.
const AT_ONCE: usize = 16;
/// How long nothing must have happened until memory is given back.
const QUIET: Duration = Duration::from_secs(1);

pub(crate) struct Poll {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poll {
    pub(crate) fn new() -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(SuperviseError::step("make an epoll descriptor"))?;
        Ok(Self { epoll, events: Vec::with_capacity(AT_ONCE) })
    }

    pub(crate) fn add(&self, fd: impl AsFd, number: u64, wanted: Ready) -> Result<()> {
        epoll::add(&self.epoll, fd, epoll::EventData::new_u64(number), wanted).map_err(SuperviseError::step("watch a descriptor"))
    }

    pub(crate) fn change(&self, fd: impl AsFd, number: u64, wanted: Ready) -> Result<()> {
        epoll::modify(&self.epoll, fd, epoll::EventData::new_u64(number), wanted).map_err(SuperviseError::step("watch a descriptor"))
    }

    /// Watches no longer. Needed where a duplicate of the descriptor lives on elsewhere: closing one's own is not enough then.
    pub(crate) fn remove(&self, fd: impl AsFd) {
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Waits; returns numbers and what they are ready for, nothing when the time is up. Who waits for long does it with little memory.
    pub(crate) fn wait(&mut self, limit: Option<Duration>) -> Result<Vec<(u64, Ready)>> {
        if limit.is_some_and(|it| it <= QUIET) {
            self.wait_once(limit)?;
        } else {
            self.wait_once(Some(QUIET))?;
            if self.events.is_empty() {
                kernel::give_back();
                self.wait_once(limit.map(|it| it.saturating_sub(QUIET)))?;
            }
        }
        Ok(self.events.drain(..).map(|event| (event.data.u64(), event.flags)).collect())
    }

    fn wait_once(&mut self, limit: Option<Duration>) -> Result<()> {
        let limit =
            limit.map(|it| Timespec { tv_sec: i64::try_from(it.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(it.subsec_nanos()) });
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), limit.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => Err(SuperviseError::step("wait for descriptors")(errno)),
        }
    }
}

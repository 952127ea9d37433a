//! Which process is meant: a number alone may be another's tomorrow.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

use crate::kernel;
use crate::parcel::Reaped;

/// A process, surely that one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its number.
    pub pid: i32,
    /// When it began, in ticks since boot (field 22 of `/proc/PID/stat`).
    pub began: u64,
    /// Number of its descriptor's inode; unique for the time of a boot since Linux 6.9.
    pub inode: u64,
    /// The boot.
    pub boot: String,
}

/// What `/proc/PID/stat` says.
struct Stat {
    zombie: bool,
    began: u64,
    exit: Option<i32>,
}

fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and brackets: what comes after its last bracket is plain. Fields count from 1, the state is the third.
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3);
    Some(Stat {
        zombie: field(3).is_some_and(|it| *it == "Z"),
        began: field(22)?.parse().ok()?,
        exit: field(52).and_then(|it| it.parse().ok()),
    })
}

/// Returns what tells this boot from others; empty where there is no such file.
#[must_use]
pub fn boot() -> String {
    static BOOT: OnceLock<String> = OnceLock::new();
    let read = || fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
    BOOT.get_or_init(read).clone()
}

/// Returns whether the inode of a process's descriptor tells it from all others of this boot. Source: `PID_FS_MAGIC` of `linux/magic.h`; such
/// descriptors have one inode for all before Linux 6.9.
fn tells(pidfd: &OwnedFd) -> bool {
    const PID_FS: u64 = 0x5049_4446;
    static TELLS: OnceLock<bool> = OnceLock::new();
    *TELLS.get_or_init(|| rustix::fs::fstatfs(pidfd).is_ok_and(|it| u64::try_from(it.f_type) == Ok(PID_FS)))
}

/// Reaps a child that has ended, if there is one.
pub(crate) fn reap() -> Option<Reaped> {
    use rustix::process::{WaitOptions, waitpid};
    // Looked at first: afterwards nothing tells when it began.
    let (pid, _) = kernel::ended_child(None)?;
    let began = stat(pid).map_or(0, |it| it.began);
    let (_, status) = waitpid(Pid::from_raw(pid), WaitOptions::NOHANG).ok()??;
    Some(Reaped { pid, began, status: status.as_raw() })
}

impl Identity {
    /// Knows a process by a descriptor of it that is held.
    #[must_use]
    pub fn of(pid: i32, pidfd: BorrowedFd<'_>) -> Option<Self> {
        let began = stat(pid)?.began;
        let inode = rustix::fs::fstat(pidfd).ok()?.st_ino;
        Some(Self { pid, began, inode, boot: boot() })
    }

    /// Opens the process, if it is still there; one that ended and was not yet reaped is.
    #[must_use]
    pub fn open(&self) -> Option<OwnedFd> {
        if boot() != self.boot {
            return None;
        }
        let pidfd = pidfd_open(Pid::from_raw(self.pid)?, PidfdFlags::empty()).ok()?;
        // Asked with the descriptor held: from here on the number cannot become another's.
        self.is(&pidfd).then_some(pidfd)
    }

    /// Returns whether a descriptor is of this process.
    #[must_use]
    pub fn is(&self, pidfd: &OwnedFd) -> bool {
        let same_inode = rustix::fs::fstat(pidfd).is_ok_and(|it| it.st_ino == self.inode);
        same_inode && (tells(pidfd) || self.began_then())
    }

    /// Whether the process of this number, if there is one, began when this one did.
    fn began_then(&self) -> bool {
        stat(self.pid).is_none_or(|it| it.began == self.began)
    }

    /// Returns whether the process has ended, reaped or not.
    pub(crate) fn has_ended(&self) -> bool {
        stat(self.pid).is_none_or(|it| it.zombie || it.began != self.began)
    }

    /// Returns the wait status of the process if it has ended and anybody knows it. A child of the caller is not reaped: who takes the
    /// caller's place, should that be killed now, can still ask.
    #[must_use]
    pub(crate) fn wait_status(&self, pidfd: &OwnedFd) -> Option<i32> {
        if let Some((_, status)) = kernel::ended_child(Some(self.pid)) {
            return Some(status);
        }
        // Reaped by another, and the kernel kept the status for whoever holds a descriptor; or not yet reaped, and field 52 has it.
        kernel::exit_of(pidfd.as_fd())
            .or_else(|| stat(self.pid).filter(|it| it.zombie && it.began == self.began)?.exit)
            .or_else(|| kernel::exit_of(pidfd.as_fd()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn open(pid: i32) -> OwnedFd {
        pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap()
    }

    #[test]
    fn a_process_is_known_again_and_another_is_not_taken_for_it() {
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let pidfd = open(pid);
        let who = Identity::of(pid, pidfd.as_fd()).unwrap();
        assert!(who.is(&pidfd) && who.open().is_some());
        assert!(who.began_then() && !Identity { began: who.began + 1, ..who.clone() }.began_then());
        assert!(Identity { inode: who.inode + 1, ..who.clone() }.open().is_none());
        assert!(Identity { boot: "another".to_owned(), ..who.clone() }.open().is_none());
        child.kill().unwrap();
        assert_eq!(rustix::event::poll(&mut [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)], None), Ok(1));
        // Not reaped yet: field 52 of its stat.
        assert_eq!(stat(pid).and_then(|it| it.zombie.then_some(it.exit)?), Some(libc::SIGKILL));
        child.wait().unwrap();
        assert!(who.open().is_none());
        // Reaped: the kernel keeps it for the descriptor.
        if let Some(status) = kernel::exit_of(pidfd.as_fd()) {
            assert_eq!(status, libc::SIGKILL);
        }
    }
}

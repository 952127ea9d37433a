//! Waiting for a guardian, which answers in its time unless somebody has stopped it.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::{Result, SuperviseError};
use crate::place::Project;

/// How long a guardian that is stopped may take to go on. One command may wait for it, and before that for another one that does.
const STOPPED: Duration = Duration::from_secs(2);

/// Whether a process was stopped by a signal or a debugger. Source: proc_pid_stat(5).
fn is_stopped(pid: u32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['T', 't']))
}

/// Returns the number of a guardian's process, or of the last one that was.
pub(crate) fn guardian(project: &Project) -> Option<u32> {
    std::fs::read_to_string(project.lock()).ok()?.trim().parse().ok()
}

/// Waits until a guardian has said something, as long as that takes, unless it is stopped.
pub(crate) fn await_answer(project: &Project, socket: &OwnedFd) -> Result<()> {
    let mut since: Option<Instant> = None;
    let look = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };
    loop {
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&look)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(SuperviseError::step("wait for the guardian")(errno)),
        }
        let Some(pid) = guardian(project).filter(|it| is_stopped(*it)) else {
            since = None;
            continue;
        };
        if since.get_or_insert_with(Instant::now).elapsed() > STOPPED {
            return Err(SuperviseError::Stopped { path: project.folder().to_owned(), pid });
        }
    }
}

//! Waiting for a guardian, which answers in its time unless somebody has stopped it.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::SocketType;

use crate::error::{Result, SuperviseError};
use crate::place::Project;
use crate::socket;

/// How long a guardian that is stopped may take to go on. One command may wait for it, and before that for
/// another one that does.
const STOPPED: Duration = Duration::from_secs(2);

/// Nobody waits for this process, and others wait for what it holds.
static IMPATIENT: AtomicBool = AtomicBool::new(false);

/// Lets this process give up a guardian that is stopped as soon as it sees that: for what is done in the background, while commands wait for
/// the same locks.
pub fn be_impatient() {
    IMPATIENT.store(true, Ordering::Relaxed);
}

/// Whether a process was stopped by a signal or a debugger. Source: proc_pid_stat(5).
fn is_stopped(pid: u32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['T', 't']))
}

/// Returns the number of a guardian's process, or of the last one that was.
pub(crate) fn guardian(project: &Project) -> Option<u32> {
    std::fs::read_to_string(project.lock()).ok()?.trim().parse().ok()
}

/// Since when guardians are known to be stopped, by the numbers of their processes: of many who wait for one in turn, only the first waits long.
static KNOWN: Mutex<BTreeMap<u32, Instant>> = Mutex::new(BTreeMap::new());

/// Looks whether a guardian is stopped; tells its process once it has been for too long.
fn stopped_for_long(project: &Project) -> Option<u32> {
    let pid = guardian(project)?;
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if !is_stopped(pid) {
        known.remove(&pid);
        return None;
    }
    let patience = if IMPATIENT.load(Ordering::Relaxed) { Duration::ZERO } else { STOPPED };
    (known.entry(pid).or_insert_with(Instant::now).elapsed() >= patience).then_some(pid)
}

/// Connects to a guardian; nothing where there is none. Of one that is stopped nobody more may wait to be accepted in the end.
pub(crate) fn connect(project: &Project) -> Result<Option<OwnedFd>> {
    const LOOK: Duration = Duration::from_millis(20);
    loop {
        match socket::call_at_once(&project.socket(), SocketType::SEQPACKET) {
            Ok(socket) => return Ok(Some(socket)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return Ok(None),
        }
        if let Some(pid) = stopped_for_long(project) {
            return Err(SuperviseError::Stopped { path: project.folder().to_owned(), pid });
        }
        std::thread::sleep(LOOK);
    }
}

/// Waits until a guardian has said something, as long as that takes, unless it is stopped.
pub(crate) fn await_answer(project: &Project, socket: &OwnedFd) -> Result<()> {
    /// How often it is looked: at first soon, for who has waited before.
    const LOOKS: [i64; 2] = [20, 500];
    let mut looks = LOOKS.iter();
    let mut look = LOOKS[0];
    loop {
        look = looks.next().copied().unwrap_or(look);
        let limit = Timespec { tv_sec: 0, tv_nsec: look * 1_000_000 };
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&limit)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(SuperviseError::step("wait for the guardian")(errno)),
        }
        if let Some(pid) = stopped_for_long(project) {
            return Err(SuperviseError::Stopped { path: project.folder().to_owned(), pid });
        }
    }
}

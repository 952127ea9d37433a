//! A container that was made: its state, and what can be done to it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use oci_spec::runtime::LinuxResources;

use crate::error::{Result, RuntimeError};
use crate::linux::launch::{Created, How};
use crate::linux::wire::Kind;
use crate::linux::{cgroup, exec, hook, host, sys, wire};
use crate::plan::process::Process;
use crate::socket;
use crate::store::Record;

/// How long a killed process may take to be gone.
const GONE: Duration = Duration::from_secs(10);

/// State of a container, as the OCI spec has it, and `Paused`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It awaits its start.
    Created,
    /// Its program runs.
    Running,
    /// Its processes are frozen.
    Paused,
    /// Its first process has ended.
    Stopped,
}

impl Status {
    /// Returns the word of the OCI spec.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

/// A container.
#[derive(Debug, Clone)]
pub struct Container {
    record: Record,
    start: PathBuf,
}

impl Container {
    /// Knows a container by its record and the path of its start socket.
    #[must_use]
    pub fn new(record: Record, start: PathBuf) -> Self {
        Self { record, start }
    }

    /// Returns what is written about it.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Returns its state now.
    #[must_use]
    pub fn status(&self) -> Status {
        let alive = host::process(self.record.pid).is_some_and(|(began, state)| began == self.record.began && !matches!(state, 'Z' | 'X'));
        if !alive || boot() != self.record.boot {
            Status::Stopped
        } else if cgroup::is_frozen(&self.record.folders()) {
            Status::Paused
        } else if self.start.exists() {
            Status::Created
        } else {
            Status::Running
        }
    }

    /// Opens the first process, surely the container's own.
    fn open(&self) -> Result<OwnedFd> {
        let gone = || RuntimeError::State { reason: "container not running".to_owned() };
        let pidfd = sys::own(sys::pidfd_open(self.record.pid).map_err(|_| gone())?);
        // Checked with the descriptor held: from here on the number cannot become another's.
        if self.status() == Status::Stopped { Err(gone()) } else { Ok(pidfd) }
    }

    /// Lets the program run.
    ///
    /// # Errors
    /// It does not await its start, or the program cannot be run.
    pub fn start(&self) -> Result<()> {
        match self.status() {
            Status::Created => start(&self.start),
            Status::Stopped => Err(RuntimeError::State { reason: "cannot start a container that has stopped".to_owned() }),
            Status::Running | Status::Paused => Err(RuntimeError::State { reason: "cannot start an already running container".to_owned() }),
        }
    }

    /// Sends a signal to the first process, or to every process.
    ///
    /// # Errors
    /// It has stopped; for every process that is none.
    pub fn kill(&self, signal: i32, all: bool) -> Result<()> {
        let folders = self.record.folders();
        if all {
            cgroup::kill(&folders, signal);
            return Ok(());
        }
        let pidfd = self.open()?;
        sys::pidfd_send_signal(pidfd.as_raw_fd(), signal).map_err(|errno| match errno {
            sys::Errno(libc::ESRCH) => RuntimeError::State { reason: "container not running".to_owned() },
            errno => RuntimeError::step(format!("send signal {signal}"), errno.into()),
        })?;
        // A frozen process dies when it is thawed; SIGKILL shall be the end.
        if signal == libc::SIGKILL && cgroup::is_frozen(&folders) {
            cgroup::freeze(&folders, false)?;
        }
        Ok(())
    }

    /// Removes the control groups of a container that has stopped, and ends what is left in them. With `force`, one that has not stopped
    /// is ended first.
    ///
    /// # Errors
    /// It has not stopped, or cannot be ended.
    pub fn delete(&self, force: bool) -> Result<()> {
        let status = self.status();
        if status != Status::Stopped {
            if !force && status != Status::Created {
                let reason = format!("cannot delete container {} that is not stopped: {}", self.record.id, status.as_str());
                return Err(RuntimeError::State { reason });
            }
            self.end()?;
        }
        let folders = self.record.folders();
        let until = Instant::now() + GONE;
        while !cgroup::processes(&folders).is_empty() && Instant::now() < until {
            cgroup::kill(&folders, libc::SIGKILL);
            std::thread::sleep(Duration::from_millis(1));
        }
        cgroup::remove(&folders)
    }

    fn end(&self) -> Result<()> {
        let pidfd = match self.open() {
            Err(RuntimeError::State { .. }) => return Ok(()),
            other => other?,
        };
        self.kill(libc::SIGKILL, false)
            .or_else(|error| if self.status() == Status::Stopped { Ok(()) } else { Err(error) })?;
        if wait_end(&pidfd, Some(GONE)).map_err(|error| RuntimeError::step("wait for the container to end", error))? {
            return Ok(());
        }
        Err(RuntimeError::State { reason: format!("container {} does not end on SIGKILL", self.record.id) })
    }

    /// Freezes every process.
    ///
    /// # Errors
    /// It does not run, or nothing here freezes.
    pub fn pause(&self) -> Result<()> {
        match self.status() {
            Status::Running | Status::Created => cgroup::freeze(&self.record.folders(), true),
            other => Err(RuntimeError::State { reason: format!("container not running: it is {}", other.as_str()) }),
        }
    }

    /// Lets frozen processes go on.
    ///
    /// # Errors
    /// It is not frozen.
    pub fn resume(&self) -> Result<()> {
        match self.status() {
            Status::Paused => cgroup::freeze(&self.record.folders(), false),
            other => Err(RuntimeError::State { reason: format!("container not paused: it is {}", other.as_str()) }),
        }
    }

    /// Sets new limits; returns warnings.
    ///
    /// # Errors
    /// It has stopped, or a limit cannot be set; the field is named.
    pub fn update(&self, resources: &LinuxResources) -> Result<Vec<String>> {
        if self.status() == Status::Stopped {
            return Err(RuntimeError::State { reason: "container not running".to_owned() });
        }
        let mut warnings = Vec::new();
        for folder in crate::plan::cgroup::update(&self.record.folders(), resources, &mut warnings)? {
            cgroup::apply(&folder)?;
        }
        Ok(warnings)
    }

    /// Lists its processes.
    #[must_use]
    pub fn processes(&self) -> Vec<i32> {
        cgroup::processes(&self.record.folders())
    }

    /// Runs a further process in it.
    ///
    /// # Errors
    /// It does not run, or the process cannot be made; the step is named.
    pub fn exec(&self, process: &Process, how: How<'_>) -> Result<Created> {
        match self.status() {
            Status::Running | Status::Created => exec::exec(self.record.pid, &self.record.folders(), self.record.no_pivot, process, how),
            Status::Paused => Err(RuntimeError::State { reason: "cannot exec in a paused container: resume it first".to_owned() }),
            Status::Stopped => Err(RuntimeError::State { reason: "cannot exec in a stopped container: container not running".to_owned() }),
        }
    }
}

/// Starts the program that waits at a socket of [`launch::Start::Later`]. What awaited its start is removed.
///
/// # Errors
/// Nobody waits there, or the program cannot be run.
pub fn start(path: &Path) -> Result<()> {
    let step = |error| RuntimeError::step("start the container", error);
    let mut stream = socket::connect(path).map_err(step)?;
    stream.write_all(b"s").map_err(step)?;
    // From here on it has been started, however that ends.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(RuntimeError::file("remove", path, error)),
        _ => {}
    }
    // As the child sends: one message at most, and the end when the program runs.
    let mut answer = [0u8; 512];
    let length = match stream.read(&mut answer) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
        other => other.map_err(step)?,
    };
    match wire::parse(&answer[..length]).map_err(step)? {
        None => Ok(()),
        Some(message) if message.kind == Kind::Program => {
            let reason = io::Error::from_raw_os_error(message.number).to_string();
            Err(RuntimeError::Program { name: "process.args[0]".to_owned(), reason })
        }
        Some(message) => Err(RuntimeError::step(message.text, io::Error::from_raw_os_error(message.number))),
    }
}

/// Waits until a process has ended; returns whether it has.
///
/// # Errors
/// As poll(2).
pub fn wait_end(pidfd: &OwnedFd, limit: Option<Duration>) -> io::Result<bool> {
    sys::poll_one(pidfd.as_raw_fd(), limit.map_or(-1, |it| i32::try_from(it.as_millis()).unwrap_or(i32::MAX)))
}

/// Returns what tells this boot of the machine from others; empty where there is no such file.
#[must_use]
pub fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Runs the hooks of the host that come after a container's start (`poststart`) or end (`poststop`).
///
/// # Errors
/// A hook failed. After the start the container runs on, and after the end it is gone all the same.
pub fn run_hooks(
    kind: &'static str,
    hooks: &[oci_spec::runtime::Hook],
    record: &Record,
    annotations: &BTreeMap<String, String>,
) -> Result<()> {
    if hooks.is_empty() {
        return Ok(());
    }
    let (status, pid) = if kind == "poststop" { ("stopped", 0) } else { ("running", record.pid) };
    hook::run(kind, hooks, &hook::state(&record.id, pid, status, &record.bundle, annotations))
}

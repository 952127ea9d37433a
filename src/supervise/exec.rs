//! Further processes of a container that runs: what is asked for, and how the caller hears of it.
//!
//! The caller makes the pipes and sends their far ends to the shim (`SCM_RIGHTS`), which hands them on to the process; of a terminal the
//! shim sends the near end back. So no byte passes through the shim: its end breaks no stream, and one who reads slowly holds up nobody
//! else. It is never a descriptor of the caller's own terminal that a container gets. As in a pipeline, a process that writes to a caller
//! who is gone gets SIGPIPE; one that is to outlive its caller is detached.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::termios::Winsize;
use serde::{Deserialize, Serialize};

use crate::client::{Client, Control};
use crate::error::{Result, SuperviseError};
use crate::exit::Exit;
use crate::identity::Identity;
use crate::place::Place;

/// A further process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exec {
    /// Program and arguments.
    pub args: Vec<String>,
    /// `KEY=value`, added to what the container's own process has.
    pub env: Vec<String>,
    /// Its working folder; that of the container's own process when absent.
    pub cwd: Option<PathBuf>,
    /// Who it is; as the container's own process when absent.
    pub user: Option<User>,
    /// It has a terminal instead of streams.
    pub tty: bool,
    /// Lines of that terminal, and characters in a line.
    pub size: Option<(u16, u16)>,
    /// Its standard input is the caller's; else it has none.
    pub stdin: bool,
    /// It has every capability that this machine gives.
    pub privileged: bool,
    /// Nobody is connected with it.
    pub detach: bool,
}

/// A user of a container, by numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Number of the user.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
    /// Numbers of further groups.
    pub groups: Vec<u32>,
}

impl Exec {
    /// How many descriptors go with it.
    pub(crate) fn streams(&self) -> usize {
        if self.tty || self.detach { 0 } else { 2 + usize::from(self.stdin) }
    }
}

/// What a shim knows of further processes, in a file of the container's place: it is of this boot only.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// Those that run.
    pub(crate) running: Vec<Entry>,
    /// How the last ones ended.
    pub(crate) ended: Vec<(u64, Exit)>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: u64,
    pub(crate) who: Identity,
    /// It probes the container's health.
    pub(crate) probe: bool,
}

impl Ledger {
    pub(crate) fn read(place: &Place) -> Self {
        let text = fs::read(place.execs()).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Written at once or not at all; not so that it outlives the machine.
    pub(crate) fn write(&self, place: &Place) -> io::Result<()> {
        let (path, draft) = (place.execs(), place.execs().with_extension("new"));
        fs::write(&draft, serde_json::to_vec(self)?)?;
        fs::rename(draft, path)
    }

    pub(crate) fn exit(&self, id: u64) -> Option<Exit> {
        self.ended.iter().find(|it| it.0 == id).map(|it| it.1.clone())
    }
}

/// A further process that was begun, and the caller's ends of its streams.
#[derive(Debug)]
pub struct Execution {
    client: Client,
    name: String,
    id: u64,
    control: Option<Control>,
    /// Its standard input, if it was asked for.
    pub input: Option<OwnedFd>,
    /// Its standard output, unless it is detached or has a terminal.
    pub output: Option<OwnedFd>,
    /// Its standard error, as `output`.
    pub error: Option<OwnedFd>,
    /// The other end of its terminal: what it writes is read here, and what is written here is typed.
    pub terminal: Option<OwnedFd>,
}

/// How often is looked while a shim is being replaced.
const LOOK: Duration = Duration::from_millis(20);

impl Execution {
    pub(crate) fn begin(client: &Client, name: &str, exec: &Exec) -> Result<Self> {
        let pair = || pipe_with(PipeFlags::CLOEXEC).map_err(SuperviseError::step("make a pipe"));
        let (mut theirs, mut input, mut output, mut error) = (Vec::new(), None, None, None);
        if exec.streams() > 0 {
            if exec.stdin {
                let (out, into) = pair()?;
                theirs.push(out);
                input = Some(into);
            }
            for ours in [&mut output, &mut error] {
                let (out, into) = pair()?;
                theirs.push(into);
                *ours = Some(out);
            }
        }
        let mut control = client.reach(name)?;
        let (id, terminal) = control.exec(exec, &theirs)?;
        Ok(Self {
            client: client.clone(),
            name: name.to_owned(),
            id,
            control: Some(control),
            input,
            output,
            error,
            terminal,
        })
    }

    /// Returns its number, unique among those of the container's run.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Waits until it has ended, also across shims that are killed meanwhile; nothing when the time is up.
    ///
    /// # Errors
    /// Nobody knows of it: the container was started anew.
    pub fn wait(&mut self, limit: Option<Duration>) -> Result<Option<Exit>> {
        let until = limit.map(|it| Instant::now() + it);
        loop {
            let left = until.map(|it| it.saturating_duration_since(Instant::now()));
            if let Some(Ok(exit)) = self.control.take().map(|mut it| it.exec_exit(self.id, left)) {
                return Ok(Some(exit));
            }
            if let Some(exit) = Ledger::read(&self.client.place(&self.name)?).exit(self.id) {
                return Ok(Some(exit));
            }
            if left.is_some_and(|it| it.is_zero()) {
                return Ok(None);
            }
            match self.client.control(&self.name) {
                Ok(mut control) => match control.exec_exit(self.id, left) {
                    Err(refused @ SuperviseError::Refused { .. }) => return Err(refused),
                    Ok(exit) => return Ok(Some(exit)),
                    Err(_) => {}
                },
                // Its shim died. If the guardian did too, this brings another one.
                Err(_) if !self.client.recorded(&self.name)?.is_over() => drop(self.client.census()?),
                // The container ended, and with it the process; nobody saw how.
                Err(_) => return Ok(Some(Exit::Unknown)),
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Gives its terminal a size.
    ///
    /// # Errors
    /// It has none.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        let refused = || SuperviseError::Refused { reason: "the process has no terminal".to_owned() };
        let terminal = self.terminal.as_ref().ok_or_else(refused)?;
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(terminal, size).map_err(SuperviseError::step("give the terminal a size"))
    }
}

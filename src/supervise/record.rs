//! What is known of a container, on disk: every step is written before it is taken, and its result after.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Result, SuperviseError};
use crate::event::Event;
use crate::exit::Exit;
use crate::health::Health;
use crate::identity::Identity;
use crate::restart::Row;

/// How a container stands. Times are since boot, those of [`Ended`] aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Form of this file.
    pub form: u32,
    /// The boot during which it was written.
    pub boot: String,
    /// Which order to run it is being followed: the same order twice is one.
    pub ticket: u64,
    /// Where it is on its way.
    pub phase: Phase,
    /// It was told to stop: signal, and when SIGKILL follows.
    pub stop: Option<Stop>,
    /// Restarts in a row.
    pub row: Row,
    /// All restarts.
    pub restarts: u32,
    /// Its last end.
    pub ended: Option<Ended>,
    /// What is not as asked, though it runs.
    pub warnings: Vec<String>,
    /// When its last run began: nanoseconds since 1970.
    #[serde(default)]
    pub started: Option<u64>,
    /// Its processes are frozen.
    #[serde(default)]
    pub paused: bool,
    /// During its last run a process of it was ended for want of memory.
    #[serde(default)]
    pub oom: bool,
    /// How healthy it is, where that is looked after. Not in this file: see [`Health`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Events that this record tells of. They are in the project's file once it is written; the next shim adds what a killed one did not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) news: Vec<Event>,
}

/// Where a container is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It is being made; nothing of it may be there yet.
    Starting,
    /// Its first process waits at the gate.
    Made(Identity),
    /// Its gate is being opened, or has been.
    Running {
        /// Its first process.
        who: Identity,
        /// Since when.
        since: Duration,
    },
    /// It has ended and is started again at that time.
    Pausing {
        /// When.
        until: Duration,
    },
    /// It has ended and stays so.
    Ended,
}

/// An order to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// The signal that asks.
    pub signal: u8,
    /// When every process is killed; nothing once that was done.
    pub kill_at: Option<Duration>,
    /// It came as a signal to the shim, as a machine that goes down sends it to whoever runs, and from no client.
    #[serde(default)]
    pub by_signal: bool,
}

/// An end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// How.
    pub exit: Exit,
    /// When: nanoseconds since 1970.
    pub at: u64,
}

const FORM: u32 = 1;

/// Nanoseconds since 1970 in RFC 3339; without any, what Docker prints then.
fn moment(at: Option<u64>) -> String {
    let time = at.and_then(|it| jiff::Timestamp::from_nanosecond(i128::from(it)).ok());
    time.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |it| it.to_string())
}

impl Record {
    /// Begins a record.
    #[must_use]
    pub fn new(boot: String, ticket: u64) -> Self {
        Self {
            form: FORM,
            boot,
            ticket,
            phase: Phase::Starting,
            stop: None,
            row: Row::default(),
            restarts: 0,
            ended: None,
            warnings: Vec::new(),
            started: None,
            paused: false,
            oom: false,
            health: None,
            news: Vec::new(),
        }
    }

    /// Returns the first process of a container that runs.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        match &self.phase {
            Phase::Running { who, .. } => Some(who.pid),
            Phase::Starting | Phase::Made(_) | Phase::Pausing { .. } | Phase::Ended => None,
        }
    }

    /// Returns whether it has ended and stays so.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Returns when its last run began, in RFC 3339 as Docker has it; year 1 where it never ran.
    #[must_use]
    pub fn started_at(&self) -> String {
        moment(self.started)
    }

    /// Returns when its last run ended, as [`Record::started_at`].
    #[must_use]
    pub fn finished_at(&self) -> String {
        moment(self.ended.as_ref().map(|it| it.at))
    }

    /// Returns the status of its last end as shells have it; nothing where it is unknown, or none was.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        self.ended.as_ref()?.exit.status()
    }

    /// Reads a record; nothing where there is none.
    ///
    /// # Errors
    /// The file cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(SuperviseError::file("read", path))?,
        };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|source| SuperviseError::Malformed { path: path.to_owned(), source })
    }

    /// Writes it so that a loss of power finds the old one or the new one.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let written = Self { health: None, ..self.clone() };
        put(path, &serde_json::to_vec(&written).unwrap_or_default())
    }
}

/// Writes a file at once or not at all, and so that it stays.
pub(crate) fn put(path: &Path, content: &[u8]) -> Result<()> {
    let draft = path.with_extension("new");
    let failed = |error| SuperviseError::file("write", path)(error);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .map_err(failed)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&draft, path).map_err(failed)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|it| it.sync_all())
        .map_err(SuperviseError::file("write the folder", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_absence_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        assert_eq!(Record::read(&path).unwrap(), None);
        let mut record = Record::new("boot".to_owned(), 1);
        record.phase = Phase::Running {
            who: Identity { pid: 7, began: 9, inode: 11, boot: "boot".to_owned() },
            since: Duration::from_millis(3),
        };
        record.ended = Some(Ended { exit: Exit::Unknown, at: 5 });
        record.write(&path).unwrap();
        assert_eq!(Record::read(&path).unwrap(), Some(record));
        fs::write(&path, "{").unwrap();
        assert!(matches!(Record::read(&path), Err(SuperviseError::Malformed { .. })));
    }

    #[test]
    fn times_and_status_are_those_of_docker() {
        let mut record = Record::new(String::new(), 1);
        assert_eq!((record.started_at().as_str(), record.exit_code(), record.pid()), ("0001-01-01T00:00:00Z", None, None));
        record.started = Some(1_700_000_000_123_456_700);
        record.ended = Some(Ended { exit: Exit::Signal(9), at: 1_700_000_001_000_000_000 });
        assert_eq!(record.started_at(), "2023-11-14T22:13:20.1234567Z");
        assert_eq!((record.finished_at().as_str(), record.exit_code()), ("2023-11-14T22:13:21Z", Some(137)));
    }
}

//! What is known of a container, on disk: every step is written before it is taken, and its result after.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
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

/// The form that a record says it has.
#[derive(Deserialize)]
struct Formed {
    form: u32,
}

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
        let text = filled(&text);
        let newer = |form| SuperviseError::Newer { path: path.to_owned(), form };
        match serde_json::from_slice::<Self>(text) {
            Ok(found) if found.form > FORM => Err(newer(found.form)),
            Ok(found) => Ok(Some(found)),
            Err(source) => Err(match serde_json::from_slice(text) {
                // What it holds beside is for that version to know.
                Ok(Formed { form }) if form > FORM => newer(form),
                _ => SuperviseError::Malformed { path: path.to_owned(), source },
            }),
        }
    }

    /// Writes it so that a loss of power finds the old one or the new one. Once it was written, a full disk does not keep it from being
    /// written again: beside it lies a spare file of its length.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let written = Self { health: None, ..self.clone() };
        exchange(path, &serde_json::to_vec(&written).unwrap_or_default(), true)?;
        sync_folder(path)
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
    sync_folder(path)
}

fn sync_folder(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|it| it.sync_all())
        .map_err(SuperviseError::file("write the folder", folder))
}

/// Bytes in which files take space; a spare is a whole number of them.
const BLOCK: usize = 4096;

/// Writes a file at once or not at all: into the spare, which then changes places with it. Where there is none, as for the first time, or
/// the document has grown, space is needed. What is not durable no disk is waited for.
pub(crate) fn exchange(path: &Path, content: &[u8], durable: bool) -> Result<()> {
    let spare = path.with_extension("spare");
    let fill = |path: &Path, content: &[u8]| fill(path, content, durable);
    fill(&spare, content).map_err(SuperviseError::file("write", path))?;
    match renameat_with(CWD, &spare, CWD, path, RenameFlags::EXCHANGE) {
        Ok(()) => {}
        // The first one needs a spare of its own, or else it is not written: what follows must not find the disk full.
        Err(Errno::NOENT) => {
            let next = path.with_extension("new");
            let made = fill(&next, &[]).and_then(|()| fs::rename(&spare, path)).and_then(|()| fs::rename(&next, &spare));
            made.map_err(|error| {
                let _ = fs::remove_file(&next);
                SuperviseError::file("write", path)(error)
            })?;
        }
        // A file system that cannot do that: the spare is used up.
        Err(Errno::INVAL | Errno::NOSYS) => fs::rename(&spare, path).map_err(SuperviseError::file("write", path))?,
        Err(errno) => return Err(SuperviseError::file("write", path)(errno.into())),
    }
    Ok(())
}

/// Returns what a file was filled with, less the empty lines behind it.
fn filled(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|it| *it == b'\n').unwrap_or(text.len());
    let (content, rest) = text.split_at(end);
    // Not byte by byte, as whoever reads JSON does: most of a file is this.
    if rest.iter().fold(0, |all, it| all | (it ^ b'\n')) == 0 {
        content
    } else {
        text
    }
}

/// Writes a file over what it held, filled up with empty lines: it takes no more space than before unless it must.
fn fill(path: &Path, content: &[u8], durable: bool) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(0).max(BLOCK).max(content.len());
    let mut text = content.to_vec();
    text.resize(length.next_multiple_of(BLOCK), b'\n');
    file.write_all(&text)?;
    // When it was changed is all that may be lost by that.
    if durable { file.sync_data() } else { Ok(()) }
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
        let spare = fs::metadata(folder.path().join("state.spare")).unwrap();
        assert_eq!((spare.len(), fs::read_dir(folder.path()).unwrap().count()), (4096, 2));
        for newer in ["{\"form\":2}".to_owned(), fs::read_to_string(&path).unwrap().replace("\"form\":1", "\"form\":9")] {
            fs::write(&path, newer).unwrap();
            assert!(matches!(Record::read(&path), Err(SuperviseError::Newer { .. })));
        }
        fs::write(&path, "{").unwrap();
        assert!(matches!(Record::read(&path), Err(SuperviseError::Malformed { .. })));
    }

    #[test]
    fn a_record_that_shrinks_and_grows_is_the_one_that_was_written_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        for length in [10, 9000, 0, 5000, 20_000, 3] {
            let mut record = Record::new("boot".to_owned(), length);
            record.warnings.push("w".repeat(usize::try_from(length).unwrap()));
            record.write(&path).unwrap();
            assert_eq!(Record::read(&path).unwrap(), Some(record), "{length}");
            assert_eq!(fs::metadata(&path).unwrap().len() % 4096, 0);
        }
    }

    #[test]
    fn only_empty_lines_are_left_out() {
        assert_eq!(filled(b"{}\n\n\n"), b"{}");
        assert_eq!(filled(b"{}"), b"{}");
        assert_eq!(filled(b"{\n}\n"), b"{\n}\n", "whatever is behind it is for who reads the JSON");
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

//! What a shim is to do with one container: written once, before its guardian is asked to run it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use oci_spec::runtime::LinuxResources;
use rcompose_health::Check;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::error::{Result, SuperviseError};
use crate::place::{self, Place};
use crate::record::{self, Phase, Record};
use crate::restart::Restart;

/// What a shim is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// What the launcher makes the container of.
    pub bundle: PathBuf,
    /// Folder of what outlives a start of the machine: record and log.
    pub keep: PathBuf,
    /// It has a terminal instead of two streams.
    pub terminal: bool,
    /// Its standard input.
    pub input: Input,
    /// Who may open its streams anew (`/dev/stdout`): user and group; the owner of the folder when absent.
    pub owner: Option<(u32, u32)>,
    /// When it is started again.
    pub restart: Restart,
    /// The signal that asks it to stop.
    pub stop_signal: u8,
    /// Milliseconds from that signal to SIGKILL.
    pub grace: u32,
    /// How much of its log is kept.
    pub log: Limits,
    /// Its root, where that is not the bundle's.
    #[serde(default)]
    pub layers: Option<Layers>,
    /// Program and arguments that are run once it has ended, was started again, or is as healthy as it was no longer: whoever made the
    /// container makes of what is recorded then what follows.
    #[serde(default)]
    pub changed: Vec<PathBuf>,
    /// How its health is probed; a line for a shell is one for `/bin/sh`.
    #[serde(default)]
    pub health: Option<Check>,
}

/// The layers of a root. It is put together anew for each start, and mounted in no namespace but the container's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// From the top down.
    pub lower: Vec<PathBuf>,
    /// Where changes go.
    pub upper: PathBuf,
    /// What overlayfs needs beside it.
    pub work: PathBuf,
}

/// Where standard input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Nowhere.
    None,
    /// From whoever attaches; it stays open when they leave.
    Open,
}

/// How much of a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// A segment of at least this many bytes is followed by another.
    pub max_size: u64,
    /// Most segments; the oldest goes.
    pub max_file: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_size: 16 << 20, max_file: 5 }
    }
}

/// What is changed of a container that is there, running or not.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// Limits of this run. The caller writes them into the bundle as well, from which the next run is made.
    pub limits: Option<LinuxResources>,
    /// When it is started again.
    pub restart: Option<Restart>,
}

impl Task {
    /// Makes the folders of a container and writes its task.
    ///
    /// # Errors
    /// A folder or the file cannot be made.
    pub fn write(&self, place: &Place) -> Result<()> {
        place::private(place.folder())?;
        place::private(&self.keep)?;
        record::put(&place.task(), &serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads the task of a container.
    ///
    /// # Errors
    /// There is none, or it is none.
    pub fn read(place: &Place) -> Result<Self> {
        let path = place.task();
        let text = fs::read(&path).map_err(SuperviseError::file("read", &path))?;
        serde_json::from_slice(&text).map_err(|source| SuperviseError::Malformed { path, source })
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.keep.join("state.json")
    }

    /// Returns the folder of its log.
    #[must_use]
    pub fn log_folder(&self) -> &Path {
        &self.keep
    }
}

/// How long the shim of a container that has ended may take to be gone: it lets whoever attached read the rest.
const LEAVING: Duration = Duration::from_secs(6);
const LOOK: Duration = Duration::from_millis(5);

/// Removes what a container that has ended left under `/run`; its log and its record stay. An absent place is removed.
///
/// # Errors
/// It has not ended, or the folder cannot be removed.
pub fn forget(place: &Place) -> Result<()> {
    let record = Task::read(place).ok().and_then(|task| Record::read(&task.record()).ok().flatten());
    if record.is_some_and(|it| it.phase != Phase::Ended) {
        return Err(refused(place, "has not ended: stop it first"));
    }
    let _lock = lock(place)?;
    // What a shim that comes now was to do goes first, so that it does not get far.
    match fs::remove_file(place.task()) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(SuperviseError::file("remove", place.task())(error)),
        _ => {}
    }
    let until = Instant::now() + LEAVING;
    loop {
        match fs::remove_dir_all(place.folder()) {
            // A shim that follows one that was killed, or its guardian, has put something into it.
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty && Instant::now() < until => std::thread::sleep(LOOK),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(SuperviseError::file("remove", place.folder())(error)),
            _ => return Ok(()),
        }
    }
}

fn refused(place: &Place, reason: &str) -> SuperviseError {
    SuperviseError::Refused { reason: format!("the container {} {reason}", place.name()) }
}

/// Takes the lock of a shim that is about to be gone; nothing where there was none.
fn lock(place: &Place) -> Result<Option<fs::File>> {
    let path = place.lock();
    let lock = match fs::File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(SuperviseError::file("open", &path))?,
    };
    let until = Instant::now() + LEAVING;
    while rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() > until {
            return Err(refused(place, "is still looked after by its shim"));
        }
        std::thread::sleep(LOOK);
    }
    Ok(Some(lock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_forgotten_though_a_shim_has_just_begun_for_it() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..50 {
            let place = Place::of(&folder.path().join(format!("c{round}"))).unwrap();
            fs::create_dir(place.folder()).unwrap();
            let until = Instant::now() + Duration::from_millis(20);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let files = ["shim.err", "shim.lock", "out", "err"];
                    while Instant::now() < until && files.iter().all(|it| fs::write(place.folder().join(it), "").is_ok()) {}
                });
                std::thread::sleep(Duration::from_micros(200));
                forget(&place).unwrap();
            });
            assert!(!place.folder().exists());
        }
    }
}

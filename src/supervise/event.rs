//! What happens to the containers of a project, in its order: files of lines of JSON in the project's folder, to which every shim adds.
//!
//! A file and not the guardian, since nothing is lost with whoever is killed: what is written is there, and a reader knows how far it is.
//! What comes of a record is in that record first ([`crate::Record`]), so that the next shim adds what a killed one could not.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rcompose_health::Status;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::FlockOperation;
use rustix::fs::inotify;
use serde::{Deserialize, Serialize};

use crate::error::{Result, SuperviseError};
use crate::exit::Exit;
use crate::place::{self, Project};

/// Something that happened to a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When: nanoseconds since 1970.
    pub at: u64,
    /// To which.
    pub container: String,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened. The names are those of Docker's events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum What {
    /// Its program runs.
    Start {
        /// Its first process.
        pid: i32,
    },
    /// Its first process has ended, or could not be started.
    Die {
        /// How.
        exit: Exit,
        /// A process of it was ended for want of memory.
        oom: bool,
    },
    /// It is started again, as its policy says.
    Restart {
        /// How many times it was.
        count: u32,
    },
    /// It has ended since it was told to.
    Stop,
    /// A signal was sent to it.
    Kill {
        /// Which.
        signal: u8,
    },
    /// A process of it was ended for want of memory.
    Oom,
    /// It was frozen.
    Pause,
    /// It goes on.
    Unpause,
    /// It has other limits or another policy.
    Update,
    /// Its health is another.
    HealthStatus {
        /// Which.
        status: Status,
    },
    /// A further process runs in it.
    ExecStart {
        /// Number of the process, unique among those of a container.
        id: u64,
        /// Program and arguments.
        args: Vec<String>,
    },
    /// Whoever drives the project did something.
    Told {
        /// With what: a container, a network, a volume.
        kind: String,
        /// Its name.
        name: String,
        /// What was done.
        action: String,
        /// Its labels.
        labels: BTreeMap<String, String>,
    },
    /// A further process has ended.
    ExecDie {
        /// Number of the process.
        id: u64,
        /// How.
        exit: Exit,
    },
}

/// A file of at least this many bytes is followed by another.
const FULL: u64 = 1 << 20;
/// Files that are kept. Whoever reads one has it open, and loses it only if this many more were filled meanwhile.
const KEPT: u64 = 4;
/// How far back the last lines are looked for.
const TAIL: u64 = 64 * 1024;
/// How long another may be at the change of files. It takes microseconds; one who was stopped in it must not stop all others.
const CHANGE: Duration = Duration::from_millis(200);

fn file(project: &Project, number: u64) -> PathBuf {
    project.folder().join(format!(".events.{number}"))
}

fn numbers(project: &Project) -> Result<Vec<u64>> {
    let entries = match fs::read_dir(project.folder()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(SuperviseError::file("read the folder", project.folder()))?,
    };
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_prefix(".events.")?.parse().ok();
    let mut numbers: Vec<u64> = entries.flatten().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Waits for a lock of the change of files, but not for one who does not let go; returns whether it has it.
fn take(lock: &File, how: FlockOperation) -> bool {
    let until = Instant::now() + CHANGE;
    loop {
        if rustix::fs::flock(lock, how).is_ok() {
            return true;
        }
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Opens and takes the lock that those who write share; without it where another does not let go.
fn turn(project: &Project) -> io::Result<File> {
    let path = project.folder().join(".events.lock");
    let lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    take(&lock, FlockOperation::NonBlockingLockShared);
    Ok(lock)
}

/// Adds events. With `unless_there`, those that the last lines hold already are left out.
pub(crate) fn put(project: &Project, events: &[Event], unless_there: bool) -> Result<()> {
    let failed = |error| SuperviseError::file("write the events of", project.folder())(error);
    let lock = turn(project).map_err(failed)?;
    let number = numbers(project)?.last().copied().unwrap_or(1);
    let opened = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(file(project, number));
    let mut into = opened.map_err(failed)?;
    let end = into.metadata().map_err(failed)?.len();
    let mut tail = vec![0; usize::try_from(if unless_there { end.min(TAIL) } else { end.min(1) }).unwrap_or(0)];
    let from = end - tail.len() as u64;
    into.read_exact_at(&mut tail, from).map_err(failed)?;
    // A line that was cut off by a SIGKILL ends here, and is none.
    let mut text = if tail.last().is_some_and(|it| *it != b'\n') {
        vec![b'\n']
    } else {
        Vec::new()
    };
    for event in events {
        let line = serde_json::to_vec(event).unwrap_or_default();
        if !unless_there || !tail.split(|it| *it == b'\n').any(|it| it == line) {
            text.extend(line);
            text.push(b'\n');
        }
    }
    into.write_all(&text).map_err(failed)?;
    // Alone with the lock, nobody is at writing to the file that is full. If it cannot be had the next one makes the change.
    if end + text.len() as u64 >= FULL && take(&lock, FlockOperation::NonBlockingLockExclusive) {
        change(project, number).map_err(failed)?;
    }
    Ok(())
}

fn change(project: &Project, number: u64) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(file(project, number + 1))?;
    if let Some(old) = (number + 1).checked_sub(KEPT) {
        match fs::remove_file(file(project, old)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Reads events as they come.
#[derive(Debug)]
pub struct Events {
    project: Project,
    watch: OwnedFd,
    file: Option<(File, u64)>,
    /// What was read and is no whole line yet.
    rest: Vec<u8>,
}

impl Events {
    pub(crate) fn open(project: &Project, from_start: bool) -> Result<Self> {
        place::private(project.folder())?;
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK);
        let watch = watch.map_err(SuperviseError::step("make an inotify descriptor"))?;
        let wanted = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE;
        inotify::add_watch(&watch, project.folder(), wanted)
            .map_err(|errno| SuperviseError::file("watch the folder", project.folder())(errno.into()))?;
        let mut events = Self { project: project.clone(), watch, file: None, rest: Vec::new() };
        if !from_start && let Some(last) = numbers(project)?.last() {
            let path = file(project, *last);
            let mut opened = File::open(&path).map_err(SuperviseError::file("open", &path))?;
            opened.seek(SeekFrom::End(0)).map_err(SuperviseError::file("read", &path))?;
            events.file = Some((opened, *last));
        }
        Ok(events)
    }

    /// Returns the next event; nothing when the time is up. Without a limit it waits for one.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn next_event(&mut self, limit: Option<Duration>) -> Result<Option<Event>> {
        let until = limit.map(|it| Instant::now() + it);
        loop {
            // Emptied before the files are read: what is written from here on is told anew.
            while rustix::io::read(&self.watch, &mut [0u8; 4096]).is_ok_and(|it| it > 0) {}
            if let Some(event) = self.here()? {
                return Ok(Some(event));
            }
            let left = until.map(|it| it.saturating_duration_since(Instant::now()));
            if left.is_some_and(|it| it.is_zero()) {
                return Ok(None);
            }
            let left =
                left.map(|it| Timespec { tv_sec: i64::try_from(it.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(it.subsec_nanos()) });
            match rustix::event::poll(&mut [PollFd::new(&self.watch, PollFlags::IN)], left.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(SuperviseError::step("wait for events")(errno)),
            }
        }
    }

    /// Returns a descriptor that can be read when there may be more, for a caller with a loop of its own.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }

    fn here(&mut self) -> Result<Option<Event>> {
        loop {
            while let Some(end) = self.rest.iter().position(|it| *it == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                // What is none was cut off by a SIGKILL.
                if let Ok(event) = serde_json::from_slice(&line) {
                    return Ok(Some(event));
                }
            }
            if !self.read()? {
                return Ok(None);
            }
        }
    }

    /// Reads on; returns whether there was something.
    fn read(&mut self) -> Result<bool> {
        let read = |opened: &mut File, rest: &mut Vec<u8>| opened.take(TAIL).read_to_end(rest);
        loop {
            let number = self.file.as_ref().map_or(0, |it| it.1);
            let next = numbers(&self.project)?.into_iter().find(|it| *it > number);
            // Asked for the next first: when there is one, nobody adds to this one any more.
            if let Some((opened, number)) = &mut self.file {
                let path = file(&self.project, *number);
                if read(opened, &mut self.rest).map_err(SuperviseError::file("read", path))? > 0 {
                    return Ok(true);
                }
            }
            let Some(next) = next else { return Ok(false) };
            let path = file(&self.project, next);
            match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => self.file = Some((other.map_err(SuperviseError::file("open", &path))?, next)),
            }
            self.rest.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: u64) -> Event {
        Event { at, container: "a".to_owned(), what: What::Die { exit: Exit::Code(3), oom: false } }
    }

    fn all(events: &mut Events) -> Vec<u64> {
        std::iter::from_fn(|| events.next_event(Some(Duration::ZERO)).unwrap()).map(|it| it.at).collect()
    }

    #[test]
    fn events_are_read_as_they_are_written_over_many_files() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::new(folder.path().join("run"));
        let mut from_start = Events::open(&project, true).unwrap();
        let many = 60_000;
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let project = project.clone();
                std::thread::spawn(move || {
                    for at in (writer * many / 4..(writer + 1) * many / 4).collect::<Vec<u64>>().chunks(10) {
                        put(&project, &at.iter().map(|it| event(*it)).collect::<Vec<_>>(), false).unwrap();
                    }
                })
            })
            .collect();
        let mut seen = Vec::new();
        while seen.len() < usize::try_from(many).unwrap() {
            seen.push(from_start.next_event(Some(Duration::from_secs(20))).unwrap().unwrap().at);
        }
        writers.into_iter().for_each(|it| it.join().unwrap());
        seen.sort_unstable();
        assert_eq!(seen, (0..many).collect::<Vec<_>>());
        let left = numbers(&project).unwrap();
        assert!(left.len() <= usize::try_from(KEPT).unwrap() && left[0] > 1, "{left:?}");
        let mut from_now = Events::open(&project, false).unwrap();
        assert!(all(&mut from_now).is_empty());
        put(&project, &[event(7)], false).unwrap();
        assert_eq!(all(&mut from_now), [7]);
    }

    #[test]
    fn a_line_that_was_cut_off_is_none_and_one_that_is_there_is_not_added_again() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::new(folder.path().to_owned());
        let mut events = Events::open(&project, true).unwrap();
        put(&project, &[event(1), event(2)], true).unwrap();
        put(&project, &[event(2), event(3)], true).unwrap();
        let mut cut = OpenOptions::new().append(true).open(file(&project, 1)).unwrap();
        cut.write_all(b"{\"at\":9").unwrap();
        assert_eq!(all(&mut events), [1, 2, 3]);
        put(&project, &[event(4)], true).unwrap();
        assert_eq!(all(&mut events), [4]);
    }
}

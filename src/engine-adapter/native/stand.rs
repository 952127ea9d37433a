//! How a container stands, from what its shim wrote down.

use std::path::Path;
use std::time::{Duration, Instant};

use rcompose_engine_adapter::{ContainerState, Result};
use rcompose_supervise::{Client, Ended, Exit, Health, Phase, Record, SuperviseError, boot};

use crate::clock;
use crate::container::healthcheck;
use crate::document::Container;
use crate::error;
use crate::place::Places;
use crate::sentence::Standing;

/// Status of an end that nobody saw. It is not known, so it must not be 0; Docker takes 255 too, after a crash of its host.
const UNKNOWN: i64 = 255;
/// How long it may take until an end is written down: a shim may have to be made first, and asks for two seconds who knows the status.
const WRITTEN: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(5);
/// How often it is asked meanwhile whether there is somebody to write it.
const ASKED: Duration = Duration::from_millis(250);

impl Places {
    /// Reads what a container's shim wrote down last; nothing where it never ran.
    pub(crate) fn record(&self, container: &Container) -> Result<Option<Record>> {
        let path = self.container(&container.id).record();
        let found = match Record::read(&path) {
            Err(SuperviseError::Malformed { .. }) => self.known_otherwise(container, &path),
            other => other,
        };
        let Some(mut record) = found.map_err(error::supervise("read how a container stands"))? else {
            return Ok(None);
        };
        if healthcheck(container).is_some() {
            record.health = Health::read(&self.shim(container.project(), &container.id)?);
        }
        Ok(Some(record))
    }
}

impl Places {
    /// How a container stands whose record is damaged: its shim knows, and writes the record again with the next step. Without one it has
    /// ended, and nobody knows how; the damaged record is moved aside.
    fn known_otherwise(&self, container: &Container, path: &Path) -> std::result::Result<Option<Record>, SuperviseError> {
        let client = Client::new(self.project(container.project()), None);
        if let Ok(record) = client.control(&container.id).and_then(|mut it| it.status()) {
            return Ok(Some(record));
        }
        let mut record = Record::new(boot(), 0);
        record.phase = Phase::Ended;
        record.ended = Some(Ended { exit: Exit::Unknown, at: clock::now() });
        // What cannot be moved is found again.
        let _left = std::fs::rename(path, path.with_extension("damaged"));
        record.write(path).map(|()| Some(record))
    }
}

/// Until when ends that are not written down yet are waited for: all of one question together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience(Instant);

impl Patience {
    /// As long as a shim may take.
    pub(crate) fn new() -> Self {
        Self(Instant::now() + WRITTEN)
    }

    /// Nothing is waited for.
    pub(crate) fn none() -> Self {
        Self(Instant::now())
    }
}

/// Reads what a container's shim wrote down last, and tells how it stands.
pub(crate) fn look(places: &Places, container: &Container, patience: Patience) -> Result<(Option<Record>, Standing)> {
    if places.container(&container.id).is_going() {
        return Ok((places.record(container)?, Standing::of(ContainerState::Removing)));
    }
    let mut record = places.record(container)?;
    let mut gone = record.as_ref().is_some_and(is_gone);
    let mut asked = None;
    while gone {
        let is_attended = if asked.is_none_or(|it: Instant| it.elapsed() >= ASKED) {
            asked = Some(Instant::now());
            Client::new(places.project(container.project()), None).is_attended(&container.id)
        } else {
            true
        };
        // Read after that was asked: whoever was there has written it down by now, or is about to.
        record = places.record(container)?;
        gone = record.as_ref().is_some_and(is_gone);
        if !is_attended || Instant::now() >= patience.0 {
            break;
        }
        if gone {
            std::thread::sleep(LOOK);
        }
    }
    let standing = standing(container, record.as_ref(), gone);
    Ok((record, standing))
}

/// Whether a container is written down as running, and its process is not there any more. A shim that is its parent leaves it there until
/// its end is written; a guardian that inherited it cannot.
fn is_gone(record: &Record) -> bool {
    record.boot == boot() && matches!(&record.phase, Phase::Running { who, .. } if who.open().is_none())
}

/// Tells how a container stands. Whoever is written down as running, and is gone, has lost shim and guardian together; or they are stopped, or
/// the disk is full, and nobody knows yet how it ended.
fn standing(container: &Container, record: Option<&Record>, gone: bool) -> Standing {
    let (nothing, state) = (Standing::of(ContainerState::Created), Standing::of);
    if container.files_of.as_ref().is_some_and(|it| *it != boot()) {
        // Its secrets were in memory and went with it: it has to be made anew.
        return state(ContainerState::Dead);
    }
    let Some(record) = record else { return nothing };
    let ended = |seen: Option<&Ended>| Standing {
        state: ContainerState::Exited { code: seen.map_or(UNKNOWN, code) },
        ended: seen.map_or(0, |it| clock::seconds_since(it.at)),
        ..nothing
    };
    if record.phase == Phase::Ended {
        return ended(record.ended.as_ref());
    }
    if record.boot != boot() {
        return ended(None);
    }
    match &record.phase {
        Phase::Running { since, .. } if !gone => {
            let state = if record.paused { ContainerState::Paused } else { ContainerState::Running };
            let health = record.health.as_ref().map(Health::status);
            Standing { state, health, up: clock::since_boot().saturating_sub(*since).as_secs(), ..nothing }
        }
        Phase::Running { .. } => ended(None),
        Phase::Pausing { .. } => Standing {
            state: ContainerState::Restarting,
            last: record.ended.as_ref().map_or(UNKNOWN, code),
            ended: record.ended.as_ref().map_or(0, |it| clock::seconds_since(it.at)),
            ..nothing
        },
        Phase::Starting | Phase::Made(_) => match &record.ended {
            Some(_) => state(ContainerState::Restarting),
            None => nothing,
        },
        Phase::Ended => ended(record.ended.as_ref()),
    }
}

/// The status of an end as Docker gives it.
pub(crate) fn code(ended: &Ended) -> i64 {
    exit_code(&ended.exit)
}

pub(crate) fn exit_code(exit: &Exit) -> i64 {
    exit.status().map_or(UNKNOWN, i64::from)
}

/// The status of a container's last end as Docker gives it.
pub(crate) fn last_code(record: &Record) -> i64 {
    record.ended.as_ref().map_or(UNKNOWN, code)
}

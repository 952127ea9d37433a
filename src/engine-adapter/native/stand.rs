//! How a container stands, from what its shim wrote down.

use std::path::Path;

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

/// Reads what a container's shim wrote down last, and tells how it stands.
pub(crate) fn look(places: &Places, container: &Container) -> Result<(Option<Record>, Standing)> {
    if places.container(&container.id).is_going() {
        return Ok((places.record(container)?, Standing::of(ContainerState::Removing)));
    }
    let read = || {
        let record = places.record(container)?;
        let standing = standing(container, record.as_ref());
        Ok((record, standing))
    };
    let first: (Option<Record>, Standing) = read()?;
    let is_written_as_running = first.0.as_ref().is_some_and(|it| matches!(it.phase, Phase::Running { .. }));
    if is_written_as_running && matches!(first.1.state, ContainerState::Exited { .. }) {
        // It ended between the reading and the look at its process: by now it is written down how.
        return read();
    }
    Ok(first)
}

/// Tells how a container stands. Whoever is written down as running, and does not, has lost shim and guardian together.
fn standing(container: &Container, record: Option<&Record>) -> Standing {
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
        Phase::Running { who, since } if who.open().is_some() => {
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

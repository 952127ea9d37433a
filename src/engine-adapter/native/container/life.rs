//! What happens to a container that was started. Every call may be repeated.

use std::time::{Duration, Instant};

use rcompose_engine_adapter::{ContainerName, Result, Stop};
use rcompose_supervise::{Client, Control, Phase, Record};

use crate::document::Container;
use crate::engine::Native;
use crate::error;
use crate::file;
use crate::link;
use crate::place::is_name;
use crate::stand;

const KILL: u8 = 9;
/// Time between the stop signal and SIGKILL where nothing else was asked for; Docker's.
pub(super) const GRACE: Duration = Duration::from_secs(10);
/// How long a container may take to be gone after every process of it was killed.
const GONE: Duration = Duration::from_secs(30);
/// How long a shim that was killed may take to be there again, and how often it is looked.
const RETURN: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

impl Native {
    /// Speaks to the shims of a container's project.
    pub(crate) fn client(&self, container: &Container) -> Client {
        Client::new(self.places.project(container.project()), self.program.clone())
    }

    /// Looks whether a container runs, and returns its record.
    pub(crate) fn running(&self, container: &Container) -> Result<Option<Record>> {
        let (record, standing) = stand::look(&self.places, container, stand::Patience::new())?;
        Ok(record.filter(|_| standing.state.is_up()))
    }
}

/// Sends a signal to a container's first process; one that does not run is success.
pub(crate) fn kill(native: &Native, name: &ContainerName, signal: &str) -> Result<()> {
    let signal = number(signal)?;
    let container = native.places.known(name)?;
    if native.running(&container)?.is_none() {
        return Ok(());
    }
    match native.client(&container).reach(&container.id).and_then(|mut it| it.signal(signal)) {
        Ok(()) => Ok(()),
        // It ended meanwhile.
        Err(_) if native.running(&container)?.is_none() => Ok(()),
        Err(error) => Err(error::supervise("send the signal")(error)),
    }
}

pub(super) fn number(signal: &str) -> Result<u8> {
    rcompose_runtime::signal_number(signal)
        .ok_or_else(|| error::invalid(format!("`{signal}` is no signal: give a name such as SIGTERM, or a number from 1 to 64")))
}

/// Stops a container and waits for its end; one that does not run, or is absent, is success.
pub(crate) fn stop(native: &Native, name: &ContainerName, stop: &Stop) -> Result<()> {
    let Some(container) = native.places.find(name)? else {
        return Ok(());
    };
    let signal = stop.signal.as_deref().map(number).transpose()?;
    if stop.drain && native.running(&container)?.is_some() {
        let grace = stop.grace.or(container.spec.stop_grace).unwrap_or(GRACE);
        let Some((container, _lock)) = native.places.hold(name)? else {
            return Ok(());
        };
        link::drain(native, &container, grace)?;
    }
    let following = stop_with(native, &container, signal, stop.grace)?;
    let Some((container, _lock)) = native.places.hold(name)? else {
        return Ok(());
    };
    // Started again by somebody else meanwhile: then its network is in use.
    if native.running(&container)?.is_some() {
        return Ok(());
    }
    link::leave(native, &container)?;
    super::mounts::detach(native, &container.id)?;
    following.done();
    Ok(())
}

/// Word to a shim that what follows from the end of its container is done here, so that it need not start a program for that. Where it is
/// not given, the shim does.
#[must_use]
pub(super) struct Following(Option<Control>);

impl Following {
    /// Says that it is done.
    pub(super) fn done(self) {
        // A shim that is gone by now has seen to it itself.
        self.0.map(|mut it| it.followed()).into_iter().for_each(drop);
    }
}

/// Ends a container at once, which is to be removed.
pub(super) fn end(native: &Native, container: &Container) -> Result<Following> {
    // On a connection of its own: a shim of an older version does not know the word, and hears nothing after it. One that is gone has
    // nothing to write.
    let _gone = native.client(container).control(&container.id).and_then(|mut it| it.discard());
    stop_with(native, container, Some(KILL), Some(Duration::ZERO))
}

fn stop_with(native: &Native, container: &Container, signal: Option<u8>, grace: Option<Duration>) -> Result<Following> {
    let Some(record) = native.places.record(container)?.filter(|it| it.phase != Phase::Ended) else {
        return Ok(Following(None));
    };
    if record.boot != rcompose_supervise::boot() {
        return Ok(Following(None));
    }
    let client = native.client(container);
    let limit = grace.map(|it| it + GONE);
    let order = || {
        let mut control = client.control(&container.id)?;
        // One that goes by itself is removed by what its shim starts.
        if !container.spec.auto_remove {
            control.follow()?;
        }
        control.stop(signal, grace).map(|()| control)
    };
    let until = Instant::now() + RETURN;
    let control = loop {
        let error = match order() {
            Ok(control) => break Some(control),
            Err(error) => error,
        };
        // Its shim is gone: the guardian that this brings, if there is none, starts another, or finds out what became of the container.
        client.census().map_err(error::supervise("find the guardian"))?;
        if native.places.record(container)?.is_none_or(|it| it.phase == Phase::Ended) {
            break None;
        }
        if Instant::now() > until {
            return Err(error::supervise("stop the container")(error));
        }
        std::thread::sleep(LOOK);
    };
    match client.wait(&container.id, limit).map_err(error::supervise("wait for the end of the container"))? {
        Some(_) => Ok(Following(control)),
        None => {
            let message = format!(
                "container {} was killed, and its processes do not end: they wait for a device or a network disk",
                container.name
            );
            Err(error::conflict(message))
        }
    }
}

/// Waits for the end of a container and returns its status; one that never ran has 0, as with Docker.
pub(crate) fn wait(native: &Native, name: &ContainerName) -> Result<i64> {
    let container = native.places.known(name)?;
    let Some(record) = native.places.record(&container)? else {
        return Ok(0);
    };
    let code = |record: &Record| stand::last_code(record);
    if record.phase == Phase::Ended || record.boot != rcompose_supervise::boot() {
        return Ok(code(&record));
    }
    let ended = native.client(&container).wait(&container.id, None);
    match ended {
        Ok(Some(record)) => Ok(code(&record)),
        Ok(None) => Ok(code(&record)),
        // Removed from below run, or the record stayed after all.
        Err(error) => match native.places.record(&container)? {
            Some(record) if record.phase == Phase::Ended => Ok(code(&record)),
            _ => Err(error::supervise("wait for the end of the container")(error)),
        },
    }
}

/// Renames a container.
pub(crate) fn rename(native: &Native, from: &ContainerName, to: &ContainerName) -> Result<()> {
    if !is_name(to.as_str()) {
        return Err(error::invalid(format!("container {to}: a name has letters, digits, `_`, `.` and `-` only, at most 128")));
    }
    let places = &native.places;
    let (mut container, _lock) = places.hold_known(from)?;
    if container.name == *to {
        return Ok(());
    }
    let engine = places.lock()?;
    let path = places.names().join(to.as_str());
    let draft = places.container(&container.id).folder.join("name");
    let mut claimed = file::claim(&path, &container.id, &draft)?;
    if !claimed && let Some(holder) = places.id(to)? {
        // Its own, from a rename that was cut off.
        claimed =
            holder == container.id || (super::remove::clear_remains(native, &holder, to)? && file::claim(&path, &container.id, &draft)?);
    }
    if !claimed {
        return Err(error::conflict(format!("cannot rename container {from} to {to}: that name is in use by another container")));
    }
    drop(engine);
    file::settle(&path)?;
    let old = std::mem::replace(&mut container.name, to.clone());
    file::write(&places.container(&container.id).document(), &container)?;
    file::remove(&places.names().join(old.as_str()))?;
    native.tell_of(&container, "rename");
    link::renamed(native, &container)
}

/// Freezes a container's processes, or thaws them.
pub(crate) fn pause(native: &Native, name: &ContainerName, frozen: bool) -> Result<()> {
    let container = native.places.known(name)?;
    if native.running(&container)?.is_none() {
        return Err(error::conflict(format!("container {name} is not running")));
    }
    let control = native.client(&container).reach(&container.id);
    let done = control.and_then(|mut it| if frozen { it.pause() } else { it.unpause() });
    done.map_err(error::supervise(if frozen { "pause the container" } else { "unpause the container" }))
}

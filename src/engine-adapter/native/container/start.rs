//! Starting a container.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rcompose_engine_adapter::{Check, ContainerName, NetworkMode, Restart, Result, Test};
use rcompose_supervise::{Input, Layers, Pace, Restart as Policy, Task};

use super::facts::{self, Found};
use super::life::GRACE;
use super::{init, logging, mounts};
use crate::bundle::{self, Facts, Lowered};
use crate::document::Container;
use crate::engine::Native;
use crate::error;
use crate::file;
use crate::link;
use crate::root::Root;

/// The verb under which this program does what follows from a change of a container.
pub(crate) const CHANGED: &str = "__changed";

/// Starts a container; one that runs is success.
pub(crate) fn start(native: &Native, name: &ContainerName) -> Result<()> {
    let (container, _lock) = native.places.hold_known(name)?;
    if native.places.container(&container.id).is_going() {
        return Err(error::conflict(format!("container {name} is being removed")));
    }
    if native.running(&container)?.is_some() {
        return Ok(());
    }
    mounts::make_sources(&container.spec)?;
    link::join(native, &container)?;
    let started = begin(native, &container);
    if started.is_err() {
        // The first error counts; what stays of its network goes with the container.
        let _left = link::leave(native, &container);
        let _left = mounts::detach(native, &container.id);
        return started;
    }
    // Only now it counts among the replicas of its service.
    link::started(native, &container)
}

fn begin(native: &Native, container: &Container) -> Result<()> {
    let places = &native.places;
    let place = places.container(&container.id);
    let below = native.images.layers(container.image_id.as_str()).map_err(error::image)?;
    // What the container changed is on top, as one more layer: an upper folder belongs to one overlay at a time, the shim's.
    let upper = place.upper();
    let layers: Vec<&Path> = std::iter::once(upper.as_path()).chain(below.iter().map(PathBuf::as_path)).collect();
    let found = facts::find(native, container, &Root::open(&layers)?)?;
    let lowered = lower(native, container, &found)?;
    native.remarks.add(container, lowered.warnings.iter().cloned());
    file::private(&place.bundle())?;
    let text = serde_json::to_vec(&lowered.spec).map_err(|it| error::malformed(&place.bundle(), it))?;
    file::write_volatile(&place.bundle().join("config.json"), &text)?;
    let task = task(native, container, &lowered, &found, Layers { lower: below, upper: place.upper(), work: place.work() })?;
    let shim = places.shim(container.project(), &container.id)?;
    task.write(&shim).map_err(error::supervise("write down what the shim is to do"))?;
    let client = native.client(container);
    client.run(&container.id).map_err(|it| {
        let error = error::supervise("start the container")(it);
        // What the launcher reports came here as words.
        let full = if error::tells_of_a_full_disk(&error.message) {
            format!("; most likely that is the disk of {}: free some of it, then repeat the command", place.folder.display())
        } else {
            String::new()
        };
        rcompose_engine_adapter::EngineError { message: format!("container {}: {}{full}", container.name, error.message), ..error }
    })?;
    if let Some(record) = places.record(container)? {
        native.remarks.add(container, record.warnings);
    }
    Ok(())
}

pub(super) fn lower(native: &Native, container: &Container, found: &Found) -> Result<Lowered> {
    // Legacy links are told by names only, without variables.
    let links = BTreeMap::new();
    let init = if spec_wants_init(container) { Some(init::find(native)?) } else { None };
    let facts = Facts {
        id: &container.id,
        // Nothing is mounted there: the shim brings the root.
        rootfs: &native.places.container(&container.id).upper(),
        image: &container.image,
        user: &found.user,
        host: &found.host,
        kernel: found.kernel,
        cpus: found.cpus,
        swap_accounting: found.swap_accounting,
        apparmor: found.apparmor.as_deref(),
        mounts: &found.mounts,
        joined: &found.joined,
        shm: found.shm.as_deref(),
        hostname: found.hostname.as_deref(),
        links: &links,
        cgroup: &found.cgroup,
        init: init.as_deref(),
        nodes: &found.nodes,
        cdi: &found.cdi,
    };
    let mut spec = container.spec.clone();
    if let NetworkMode::Networks { .. } | NetworkMode::Bridge = &spec.network
        && let Some(owner) = &found.joined.network
        && !owner.exists()
    {
        return Err(error::conflict(format!("container {}: its network is gone", container.name)));
    }
    spec.name = container.name.clone();
    bundle::lower(&spec, &facts)
}

fn task(native: &Native, container: &Container, lowered: &Lowered, found: &Found, layers: Layers) -> Result<Task> {
    let place = native.places.container(&container.id);
    let spec = &container.spec;
    let grace = spec.stop_grace.unwrap_or(GRACE);
    let program = native.program.clone().unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
    Ok(Task {
        bundle: place.bundle(),
        keep: place.keep(),
        terminal: spec.process.tty,
        input: if spec.process.stdin_open { Input::Open } else { Input::None },
        owner: Some((found.user.uid, found.user.gid)),
        restart: policy(spec.restart),
        stop_signal: lowered.stop_signal,
        grace: u32::try_from(grace.as_millis()).unwrap_or(u32::MAX),
        log: logging::read(&container.who(), spec.logging.as_ref())?.limits,
        layers: Some(layers),
        health: healthcheck(container),
        changed: vec![
            program,
            CHANGED.into(),
            native.places.root.clone(),
            native.places.run.clone(),
            PathBuf::from(&container.id),
        ],
    })
}

fn spec_wants_init(container: &Container) -> bool {
    container.spec.init == Some(true)
}

/// The container's healthcheck over the image's, field by field; source: Docker, `merge` of `HealthConfig`.
pub(crate) fn healthcheck(container: &Container) -> Option<Check> {
    let image = container.image.healthcheck.clone();
    let merged = match (&container.spec.healthcheck, image) {
        (None, image) => image,
        (Some(own), None) => Some(own.clone()),
        (Some(own), Some(image)) => Some(Check {
            test: own.test.clone().or(image.test),
            interval: own.interval.or(image.interval),
            timeout: own.timeout.or(image.timeout),
            retries: own.retries.or(image.retries),
            start_period: own.start_period.or(image.start_period),
            start_interval: own.start_interval.or(image.start_interval),
        }),
    };
    merged.filter(|it| !matches!(it.test, None | Some(Test::None)))
}

fn policy(restart: Restart) -> Policy {
    match restart {
        Restart::No => Policy::No,
        Restart::Always => Policy::Always,
        Restart::UnlessStopped => Policy::UnlessStopped,
        Restart::OnFailure { attempts } => Policy::OnFailure(Some(attempts).filter(|it| *it > 0)),
        Restart::Paced { failures_only, delay, attempts, window } => Policy::Paced(Pace { failures_only, delay, attempts, window }),
    }
}

//! The launcher of OCI bundles: the runtime room behind the seam.

use std::collections::BTreeMap;
use std::fs;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxResources;
use rcompose_runtime::bundle::Bundle;
use rcompose_runtime::overlay::Overlay;
use rcompose_runtime::plan::{self, Choices, Plan};
use rcompose_runtime::{Container, How, Record, RuntimeError, Start, Status};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::exec::Exec;
use crate::further;
use crate::identity::{self, Identity};
use crate::launch::{Launcher, Made, Streams};
use crate::place::Place;
use crate::record;
use crate::task::{Layers, Task};

/// Makes containers of OCI bundles ([`Task::bundle`]), by system calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Oci;

/// What is known of a container from before it is made until it is cleaned away.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    record: Record,
    hooks: BTreeMap<String, Vec<oci_spec::runtime::Hook>>,
    annotations: BTreeMap<String, String>,
}

/// Returns the container that is made at a place, for who asks what it uses; nothing where none is.
#[must_use]
pub fn container(place: &Place) -> Option<Container> {
    Known::read(place).map(|it| it.container(place))
}

fn path(place: &Place) -> PathBuf {
    place.folder().join("container.json")
}

fn words(error: RuntimeError) -> String {
    error.chain()
}

/// Puts a root together; it is mounted nowhere yet.
fn root(layers: &Layers) -> Result<OwnedFd, String> {
    let lower: Vec<&Path> = layers.lower.iter().map(PathBuf::as_path).collect();
    let overlay = Overlay { lower: &lower, upper: Some((&layers.upper, &layers.work)), userxattr: false };
    rcompose_runtime::overlay::mount(&overlay).map_err(words)
}

impl Known {
    fn new(place: &Place, plan: &Plan) -> Self {
        let group = |it: &plan::cgroup::Folder| (it.path.clone(), it.mount.clone(), it.unified, it.controllers.clone());
        let record = Record {
            id: place.name().to_owned(),
            pid: 0,
            began: 0,
            boot: identity::boot(),
            bundle: plan.bundle.clone(),
            rootfs: plan.rootfs.clone(),
            created: String::new(),
            groups: plan.cgroup.folders.iter().map(group).collect(),
            no_pivot: false,
            hooked: false,
        };
        let hooks = [("poststart", &plan.hooks.poststart), ("poststop", &plan.hooks.poststop)];
        let hooks = hooks.into_iter().map(|(name, hooks)| (name.to_owned(), hooks.clone())).collect();
        Self { record, hooks, annotations: plan.annotations.clone() }
    }

    fn write(&self, place: &Place) -> Result<(), String> {
        record::put(&path(place), &serde_json::to_vec(self).unwrap_or_default()).map_err(|error| error.chain())
    }

    /// Nothing where nothing was made.
    fn read(place: &Place) -> Option<Self> {
        serde_json::from_slice(&fs::read(path(place)).ok()?).ok()
    }

    fn of(place: &Place) -> Result<Self, String> {
        Self::read(place).ok_or_else(|| "the container does not run".to_owned())
    }

    fn container(&self, place: &Place) -> Container {
        Container::new(self.record.clone(), place.gate())
    }

    fn run_hooks(&self, kind: &'static str) -> Result<(), String> {
        let hooks = self.hooks.get(kind).map(Vec::as_slice).unwrap_or_default();
        rcompose_runtime::run_hooks(kind, hooks, &self.record, &self.annotations).map_err(words)
    }
}

impl Launcher for Oci {
    fn make(&self, place: &Place, task: &Task, streams: Option<Streams>) -> Result<Made, String> {
        // In the launching child only: folders that are made to mount on are part of the container, and all in it may enter them.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        // This child ends with it all: to take it apart would take longer than to end.
        let bundle = ManuallyDrop::new(Bundle::read(&task.bundle).map_err(words)?);
        let host = ManuallyDrop::new(rcompose_runtime::host::read().map_err(words)?);
        let plan = plan::plan(place.name(), &bundle.spec, &bundle.folder, &host, Choices::default()).map_err(words)?;
        let plan = ManuallyDrop::new(plan);
        // Written first: should this child be killed half way, its groups are known, and with them what is in them.
        let mut known = Known::new(place, &plan);
        known.write(place)?;
        let gate = place.gate();
        let _ = fs::remove_file(&gate);
        let (ours, theirs) = UnixStream::pair().map_err(|error| format!("make a pair of sockets: {error}"))?;
        let console = if streams.is_none() { Some(OwnedFd::from(theirs)) } else { None };
        let stdio = streams.as_ref().map(|it| [it.input.as_fd(), it.output.as_fd(), it.error.as_fd()]);
        let layers = task.layers.as_ref().map(root).transpose()?;
        let how = How {
            start: Start::Later(&gate),
            root: layers.as_ref().map(AsFd::as_fd),
            stdio,
            console: console.as_ref().map(AsFd::as_fd),
            preserve_fds: 0,
            told: None,
        };
        let created = rcompose_runtime::create(&plan, how).map_err(words)?;
        known.record.pid = created.pid;
        known.record.began = created.began;
        drop(console);
        let master = if streams.is_some() {
            Ok(None)
        } else {
            rcompose_runtime::receive_terminal(&ours).map(Some)
        };
        let master = known.write(place).and_then(|()| master.map_err(|error| format!("receive the terminal: {error}")));
        match master {
            Ok(master) => {
                let warnings = [plan.warnings.as_slice(), &created.warnings].concat();
                Ok(Made { pid: created.pid, pidfd: created.pidfd, master, warnings })
            }
            Err(reason) => {
                // The first reason counts.
                let _ = known.container(place).delete(true);
                Err(reason)
            }
        }
    }

    fn open_gate(&self, place: &Place) -> Result<(), String> {
        let gate = place.gate();
        if !gate.exists() {
            return Ok(());
        }
        rcompose_runtime::start(&gate).map_err(words)?;
        // As the OCI spec has it: a hook that fails after the start leaves the container running.
        if let Some(known) = Known::read(place) {
            let _ = known.run_hooks("poststart");
        }
        Ok(())
    }

    fn kill(&self, place: &Place, _: &Task, who: &Identity) {
        if let Some(known) = Known::read(place) {
            let _ = known.container(place).kill(Signal::KILL.as_raw(), true);
        }
        // Where there is no group, the end of the first process is that of its namespace.
        if let Some(pidfd) = who.open() {
            let _ = crate::kernel::signal(pidfd.as_fd(), Signal::KILL.as_raw());
        }
    }

    fn clean(&self, place: &Place, _: &Task, _: Option<&Identity>) -> Result<(), String> {
        let Some(known) = Known::read(place) else {
            return Ok(());
        };
        known.container(place).delete(true).map_err(words)?;
        for path in [place.gate(), path(place)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(format!("remove {}: {error}", path.display())),
                _ => {}
            }
        }
        known.run_hooks("poststop")
    }

    fn exec(&self, place: &Place, task: &Task, exec: &Exec, streams: Option<Streams>) -> Result<Made, String> {
        let container = Known::of(place)?.container(place);
        let spec = Bundle::read(&task.bundle).map_err(words)?.spec;
        let process = further::process(&spec, exec)?;
        if let Some(streams) = &streams {
            further::give(streams, process.user());
        }
        let filter = spec.linux().as_ref().and_then(|it| it.seccomp().as_ref());
        let filter = filter.map(plan::seccomp::filter).transpose().map_err(words)?;
        let rights = rcompose_runtime::host::rights().map_err(words)?;
        let (planned, warnings) = plan::plan_exec(&process, &spec, filter, rights).map_err(words)?;
        let (ours, theirs) = UnixStream::pair().map_err(|error| format!("make a pair of sockets: {error}"))?;
        let console = if streams.is_none() { Some(OwnedFd::from(theirs)) } else { None };
        let stdio = streams.as_ref().map(|it| [it.input.as_fd(), it.output.as_fd(), it.error.as_fd()]);
        let how = How {
            start: Start::Now,
            root: None,
            stdio,
            console: console.as_ref().map(AsFd::as_fd),
            preserve_fds: 0,
            told: None,
        };
        let created = container.exec(&planned, how).map_err(words)?;
        drop(console);
        let master = Some(()).filter(|()| exec.tty).map(|()| rcompose_runtime::receive_terminal(&ours)).transpose();
        match master {
            Ok(master) => Ok(Made { pid: created.pid, pidfd: created.pidfd, master, warnings: [warnings, created.warnings].concat() }),
            Err(error) => {
                let _ = crate::kernel::signal(created.pidfd.as_fd(), Signal::KILL.as_raw());
                Err(format!("receive the terminal: {error}"))
            }
        }
    }

    fn freeze(&self, place: &Place, _: &Task, frozen: bool) -> Result<(), String> {
        let container = Known::of(place)?.container(place);
        if frozen { container.pause() } else { container.resume() }.map_err(words)
    }

    fn is_frozen(&self, place: &Place, _: &Task) -> bool {
        Known::read(place).is_some_and(|it| it.container(place).status() == Status::Paused)
    }

    fn limit(&self, place: &Place, _: &Task, limits: &LinuxResources) -> Result<Vec<String>, String> {
        Known::of(place)?.container(place).update(limits).map_err(words)
    }

    fn memory_kills(&self, place: &Place, _: &Task) -> Option<u64> {
        Known::read(place)?.container(place).memory_kills()
    }

    fn watch_memory(&self, place: &Place, _: &Task) -> Option<OwnedFd> {
        Known::read(place)?.container(place).watch_memory().ok()
    }
}

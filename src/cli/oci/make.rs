//! `create`, `start`, `run`.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rcompose_runtime::bundle::Bundle;
use rcompose_runtime::plan::{self, Choices, Plan};
use rcompose_runtime::{Container, Created, Foreground, How, Named, Raw, Record, Start, Told};

use super::control;
use super::{Face, OciError, Result};

/// Makes a container that awaits its start.
pub(super) fn create(face: &Face) -> Result<u8> {
    let socket = face.words.path("console-socket").map(|path| console(&path)).transpose()?;
    let made = Made::new(face, &bundle(face)?, socket, Begin::Later)?;
    let written = pid_file(face, made.created.pid);
    if written.is_err() {
        // Who cannot be told of the container cannot end it either.
        control::remove(face, made.record.id.as_str(), true)?;
    }
    written.map(|()| 0)
}

/// When the program begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begin {
    /// At once: the record is written while the container is set up, and nothing waits for anything.
    Now,
    /// With `start`.
    Later,
}

/// A container that was made.
struct Made {
    created: Created,
    record: Record,
}

impl Made {
    fn new(face: &Face, bundle: &Bundle, console: Option<OwnedFd>, begin: Begin) -> Result<Self> {
        if face.words.value("pidfd-socket").is_some() {
            return Err(OciError::Words("--pidfd-socket: the pid file is what callers get".to_owned()));
        }
        let id = face.id(0)?;
        let choices = Choices { no_pivot: face.words.has("no-pivot"), no_new_keyring: face.words.has("no-new-keyring") };
        let host = rcompose_runtime::host::read()?;
        let plan = plan::plan(id, &bundle.spec, &bundle.folder, &host, choices)?;
        face.warn(&plan.warnings);
        face.store.reserve(id)?;
        let made = Self::launch(face, &plan, &bundle.text, console.as_ref(), choices, begin);
        if made.is_err() {
            face.store.forget(id)?;
            // What the hooks of the host made for it, its own hooks take away.
            let empty = empty_record(&plan);
            let _ = rcompose_runtime::run_hooks("poststop", &plan.hooks.poststop, &empty, &plan.annotations);
        }
        made
    }

    fn launch(face: &Face, plan: &Plan, spec: &[u8], console: Option<&OwnedFd>, choices: Choices, begin: Begin) -> Result<Self> {
        let socket = face.store.start_socket(&plan.id)?;
        let empty = Record { boot: rcompose_runtime::boot(), no_pivot: choices.no_pivot, ..empty_record(plan) };
        let record = |named: Named| Record { pid: named.pid, began: named.began, ..empty.clone() };
        let write = |named: Named| face.store.write(&record(named), spec);
        let how = How {
            start: if begin == Begin::Now { Start::Now } else { Start::Later(&socket) },
            root: None,
            stdio: None,
            console: console.map(AsFd::as_fd),
            preserve_fds: preserved(face)?,
            told: Some(Told(&write)),
        };
        let created = rcompose_runtime::create(plan, how)?;
        face.warn(&created.warnings);
        let record = record(Named { pid: created.pid, began: created.began });
        Ok(Self { created, record })
    }
}

fn empty_record(plan: &Plan) -> Record {
    let group = |it: &plan::cgroup::Folder| (it.path.clone(), it.mount.clone(), it.unified, it.controllers.clone());
    Record {
        id: plan.id.clone(),
        pid: 0,
        began: 0,
        boot: String::new(),
        bundle: plan.bundle.clone(),
        rootfs: plan.rootfs.clone(),
        created: jiff::Timestamp::now().to_string(),
        groups: plan.cgroup.folders.iter().map(group).collect(),
        no_pivot: false,
        hooked: !plan.hooks.poststart.is_empty() || !plan.hooks.poststop.is_empty(),
    }
}

/// Reads `--preserve-fds`. Each must have been handed down: this program's own are not the container's.
pub(super) fn preserved(face: &Face) -> Result<u32> {
    let Some(text) = face.words.value("preserve-fds") else {
        return Ok(0);
    };
    let count = text.parse::<u32>().ok().filter(|it| *it < 1024);
    let count = count.ok_or_else(|| OciError::Words(format!("--preserve-fds {text}: not a number of descriptors")))?;
    for fd in 3..3 + count {
        if !is_handed_down(fd) {
            return Err(OciError::Words(format!("--preserve-fds {text}: the descriptor {fd} was not handed down")));
        }
    }
    Ok(count)
}

/// Returns whether a descriptor is open and stays so over execve; source: proc(5), `fdinfo`.
fn is_handed_down(fd: u32) -> bool {
    const CLOSES_AT_EXECVE: u32 = 0o2_000_000;
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
    let flags = text
        .lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .and_then(|it| u32::from_str_radix(it.trim(), 8).ok());
    flags.is_some_and(|it| it & CLOSES_AT_EXECVE == 0)
}

/// Connects to the socket that gets the terminal.
pub(super) fn console(path: &Path) -> Result<OwnedFd> {
    rcompose_runtime::connect(path)
        .map(OwnedFd::from)
        .map_err(|error| OciError::file("connect to the console socket", path, error))
}

/// Writes the process id where the caller waits for it: at once and whole.
pub(super) fn pid_file(face: &Face, pid: i32) -> Result<()> {
    let Some(path) = face.words.path("pid-file") else {
        return Ok(());
    };
    let name = path.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    let draft = path.with_file_name(format!(".{name}"));
    let written = fs::write(&draft, pid.to_string()).and_then(|()| fs::rename(&draft, &path));
    written.map_err(|error| OciError::file("write the pid file", path, error))
}

/// Lets the program run.
pub(super) fn start(face: &Face) -> Result<u8> {
    begin(face, face.id(0)?).map(|()| 0)
}

fn begin(face: &Face, id: &str) -> Result<()> {
    let container = face.store.read(id)?;
    container.start()?;
    after_start(face, &container)
}

/// Runs the hooks that come after the start.
fn after_start(face: &Face, container: &Container) -> Result<()> {
    if !container.record().hooked {
        return Ok(());
    }
    let spec = face.store.spec(&container.record().id)?;
    let hooks = spec.hooks().as_ref().and_then(|it| it.poststart().clone()).unwrap_or_default();
    let annotations = spec.annotations().clone().unwrap_or_default().into_iter().collect();
    if let Err(error) = rcompose_runtime::run_hooks("poststart", &hooks, container.record(), &annotations) {
        // As the OCI spec has it: the container runs on.
        face.journal.warning(&error.chain());
    }
    Ok(())
}

/// Creates, starts, and in the foreground waits and deletes.
pub(super) fn run(face: &Face) -> Result<u8> {
    let detach = face.words.has("detach");
    let given = face.words.path("console-socket");
    if !detach && given.is_some() {
        return Err(OciError::Words("--console-socket is for --detach: in the foreground the terminal is this one".to_owned()));
    }
    let bundle = bundle(face)?;
    let wants_terminal = bundle.spec.process().as_ref().and_then(oci_spec::runtime::Process::terminal).unwrap_or(false);
    if detach || !wants_terminal {
        let socket = given.map(|path| console(&path)).transpose()?;
        let foreground = if detach { None } else { Some(hold()?) };
        let made = Made::new(face, &bundle, socket, Begin::Now)?;
        return attended(face, &made, foreground, None);
    }
    let foreground = hold()?;
    let (ours, theirs) = UnixStream::pair().map_err(|error| OciError::Streams("make a pair of sockets", error))?;
    let made = Made::new(face, &bundle, Some(OwnedFd::from(theirs)), Begin::Now)?;
    let master = rcompose_runtime::receive_terminal(&ours).map_err(|error| OciError::Streams("receive the terminal", error))?;
    attended(face, &made, Some(foreground), Some(&master))
}

fn hold() -> Result<Foreground> {
    Foreground::begin().map_err(|error| OciError::Streams("hold back signals", error))
}

fn bundle(face: &Face) -> Result<Bundle> {
    Ok(Bundle::read(&face.words.path("bundle").unwrap_or_else(|| PathBuf::from(".")))?)
}

fn attended(face: &Face, made: &Made, foreground: Option<Foreground>, master: Option<&OwnedFd>) -> Result<u8> {
    let id = made.record.id.as_str();
    let container = Container::new(made.record.clone(), face.store.start_socket(id)?);
    let started = pid_file(face, made.created.pid).and_then(|()| after_start(face, &container));
    if let Err(error) = started {
        control::remove(face, id, true)?;
        return Err(error);
    }
    let Some(foreground) = foreground else {
        return Ok(0);
    };
    let status = wait(&foreground, &made.created, master);
    if !face.words.has("keep") {
        control::remove(face, id, true)?;
    }
    status
}

/// Attends a process in the foreground.
pub(super) fn wait(foreground: &Foreground, created: &Created, master: Option<&OwnedFd>) -> Result<u8> {
    let raw = master.map(|_| Raw::begin());
    let status = foreground.attend(created.pid, &created.pidfd, master);
    drop(raw);
    let status = status.map_err(|error| OciError::Streams("attend the process", error))?;
    Ok(u8::try_from(status).unwrap_or(u8::MAX))
}

//! `exec`.

use std::collections::HashSet;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use oci_spec::runtime::{Capability, LinuxCapabilitiesBuilder, Process, Spec, UserBuilder};
use rcompose_runtime::bundle;
use rcompose_runtime::plan;
use rcompose_runtime::{Foreground, How, Start};

use super::make;
use super::{Face, OciError, Result};

/// Runs a further process.
pub(super) fn exec(face: &Face) -> Result<u8> {
    for (flag, reason) in [
        ("cgroup", "a process is put where the container is"),
        ("pidfd-socket", "the pid file is what callers get"),
        ("ignore-paused", "a process in a frozen cgroup would not begin: resume the container first"),
    ] {
        if face.words.has(flag) {
            return Err(OciError::Words(format!("--{flag}: {reason}")));
        }
    }
    let (id, program) = match face.words.plain.split_first() {
        None => return Err(OciError::Words("name the container".to_owned())),
        Some(parts) => parts,
    };
    let container = face.store.read(id)?;
    let spec = face.store.spec(id)?;
    let process = process(face, &spec, program)?;
    let linux = spec.linux().as_ref();
    let filter = linux.and_then(|it| it.seccomp().as_ref()).map(plan::seccomp::filter).transpose()?;
    let (planned, warnings) = plan::plan_exec(&process, &spec, filter, rcompose_runtime::host::rights()?)?;
    face.warn(&warnings);
    let detach = face.words.has("detach");
    let foreground = if detach {
        None
    } else {
        Some(Foreground::begin().map_err(|error| OciError::Streams("hold back signals", error))?)
    };
    let (ours, console) = terminal(face, planned.terminal, detach)?;
    let how = How {
        start: Start::Now,
        root: None,
        stdio: None,
        console: console.as_ref().map(AsFd::as_fd),
        preserve_fds: make::preserved(face)?,
        told: None,
    };
    let created = container.exec(&planned, how)?;
    face.warn(&created.warnings);
    drop(console);
    make::pid_file(face, created.pid)?;
    let Some(foreground) = foreground else {
        return Ok(0);
    };
    let received = ours.as_ref().map(rcompose_runtime::receive_terminal).transpose();
    let master = received.map_err(|error| OciError::Streams("receive the terminal", error))?;
    make::wait(&foreground, &created, master.as_ref())
}

/// Who gets the terminal: the caller's socket, or in the foreground this process.
fn terminal(face: &Face, wanted: bool, detach: bool) -> Result<(Option<UnixStream>, Option<OwnedFd>)> {
    match face.words.path("console-socket") {
        Some(_) if !detach => {
            Err(OciError::Words("--console-socket is for --detach: in the foreground the terminal is this one".to_owned()))
        }
        Some(path) => Ok((None, Some(make::console(&path)?))),
        None if wanted && !detach => {
            let (ours, theirs) = UnixStream::pair().map_err(|error| OciError::Streams("make a pair of sockets", error))?;
            Ok((Some(ours), Some(OwnedFd::from(theirs))))
        }
        None => Ok((None, None)),
    }
}

/// The process: from a file, or the container's own with what the flags say.
fn process(face: &Face, spec: &Spec, program: &[String]) -> Result<Process> {
    if let Some(path) = face.words.path("process") {
        return Ok(bundle::read_process(&path)?);
    }
    if program.is_empty() {
        return Err(OciError::Words("name the program to run".to_owned()));
    }
    let mut process = spec
        .process()
        .clone()
        .ok_or_else(|| OciError::Words("the container has no process of its own".to_owned()))?;
    process.set_args(Some(program.to_vec())).set_terminal(Some(face.words.has("tty")));
    let mut env = process.env().clone().unwrap_or_default();
    env.extend(face.words.values("env").iter().cloned());
    process.set_env(Some(env));
    if let Some(folder) = face.words.path("cwd") {
        process.set_cwd(folder);
    }
    if face.words.has("no-new-privs") {
        process.set_no_new_privileges(Some(true));
    }
    if let Some(profile) = face.words.value("apparmor") {
        process.set_apparmor_profile(Some(profile.to_owned()));
    }
    if let Some(label) = face.words.value("process-label") {
        process.set_selinux_label(Some(label.to_owned()));
    }
    user(face, &mut process)?;
    capabilities(face, &mut process)?;
    Ok(process)
}

fn user(face: &Face, process: &mut Process) -> Result<()> {
    let number = |flag: &str, text: &str| text.parse::<u32>().map_err(|_| OciError::Words(format!("--{flag} {text}: not a number")));
    let mut user = UserBuilder::default().uid(process.user().uid()).gid(process.user().gid());
    if let Some(text) = face.words.value("user") {
        let (uid, gid) = text.split_once(':').map_or((text, None), |(uid, gid)| (uid, Some(gid)));
        user = user.uid(number("user", uid)?).gid(gid.map_or(Ok(0), |gid| number("user", gid))?);
    }
    let mut groups = process.user().additional_gids().clone().unwrap_or_default();
    for text in face.words.values("additional-gids") {
        groups.push(number("additional-gids", text)?);
    }
    let built = user.additional_gids(groups).build();
    process.set_user(built.map_err(|error| OciError::Words(format!("--user: {error}")))?);
    Ok(())
}

/// Adds capabilities to all sets but the inheritable one.
fn capabilities(face: &Face, process: &mut Process) -> Result<()> {
    let mut more: HashSet<Capability> = HashSet::new();
    for name in face.words.values("cap") {
        let parsed = serde_json::from_value(serde_json::Value::String(name.clone()));
        more.insert(parsed.map_err(|_| OciError::Words(format!("--cap {name}: unknown, as CAP_NET_ADMIN")))?);
    }
    if more.is_empty() {
        return Ok(());
    }
    let old = process.capabilities().clone().unwrap_or_default();
    let with = |set: &Option<HashSet<Capability>>| set.iter().flatten().copied().chain(more.iter().copied()).collect::<HashSet<_>>();
    let built = LinuxCapabilitiesBuilder::default()
        .bounding(with(old.bounding()))
        .effective(with(old.effective()))
        .permitted(with(old.permitted()))
        .inheritable(old.inheritable().clone().unwrap_or_default())
        .ambient(old.ambient().clone().unwrap_or_default())
        .build();
    process.set_capabilities(Some(built.map_err(|error| OciError::Words(format!("--cap: {error}")))?));
    Ok(())
}

//! Hooks: those of the host run here, those of the container are made ready; source: OCI runtime spec, config.md, "POSIX-platform Hooks".

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use oci_spec::runtime::Hook;
use serde_json::json;

use super::child::PreparedHook;
use super::sys;
use crate::error::{Result, RuntimeError};
use crate::plan::process;

/// Most bytes of what a failing hook said that are repeated.
const MOST_WORDS: usize = 4096;

/// Runs hooks of the host one after the other; the first that fails ends it.
pub(crate) fn run(kind: &'static str, hooks: &[Hook], state: &[u8]) -> Result<()> {
    hooks.iter().try_for_each(|hook| run_one(kind, hook, state))
}

fn run_one(kind: &'static str, hook: &Hook, state: &[u8]) -> Result<()> {
    let failed = |reason: String| RuntimeError::Hook { kind, path: hook.path().clone(), reason };
    let args = hook.args().as_deref().unwrap_or_default();
    let mut command = Command::new(hook.path());
    if let Some((name, rest)) = args.split_first() {
        command.arg0(name).args(rest);
    }
    // A file in memory, so that no hook blocks on what it says.
    let words = File::from(state_file()?);
    let copy = words.try_clone().map_err(|error| failed(error.to_string()))?;
    command.env_clear().stdin(Stdio::piped()).stdout(Stdio::null()).stderr(copy);
    for pair in hook.env().iter().flatten() {
        if let Some((key, value)) = pair.split_once('=') {
            command.env(key, value);
        }
    }
    release_signals(&mut command);
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A hook that does not read the state closes it.
        let _ = stdin.write_all(state);
    }
    let timeout = hook.timeout().and_then(|it| i32::try_from(it.saturating_mul(1000)).ok()).unwrap_or(-1);
    let status = wait(&mut child, timeout).map_err(|error| failed(error.to_string()))?;
    let Some(status) = status else {
        return Err(failed(format!("ran longer than its timeout of {} s", timeout / 1000)));
    };
    if status.success() {
        return Ok(());
    }
    let mut said = vec![0; MOST_WORDS];
    let length = words.read_at(&mut said, 0).unwrap_or(0);
    said.truncate(length);
    Err(failed(format!("{status}: {}", String::from_utf8_lossy(&said).trim())))
}

/// Lets a program begin with no signal held back, whatever its caller holds back.
fn release_signals(command: &mut Command) {
    let release = || {
        let none = 0u64;
        // SAFETY: the kernel's set is eight bytes, as passed.
        sys::check(unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const none, std::ptr::null_mut::<u64>(), 8) })?;
        Ok(())
    };
    // SAFETY: the closure makes one system call.
    unsafe { command.pre_exec(release) };
}

/// Waits for a child; nothing when it had to be killed.
fn wait(child: &mut std::process::Child, timeout: i32) -> std::io::Result<Option<ExitStatus>> {
    if timeout >= 0 {
        let pid = i32::try_from(child.id()).map_err(std::io::Error::other)?;
        let pidfd = sys::own(sys::pidfd_open(pid)?);
        if !sys::poll_one(pidfd.as_raw_fd(), timeout)? {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
    }
    child.wait().map(Some)
}

/// Makes hooks of the container ready for a child that cannot allocate.
pub(crate) fn prepare(field: &str, hooks: &[Hook]) -> Result<Vec<PreparedHook>> {
    let one = |hook: &Hook| {
        let path = process::path(field, hook.path())?;
        let mut words = match hook.args().as_deref() {
            Some(args) if !args.is_empty() => process::strings(field, args)?,
            _ => vec![path.clone()],
        };
        let count = words.len();
        words.extend(process::strings(field, hook.env().as_deref().unwrap_or_default())?);
        let pointers = |words: &[CString]| words.iter().map(|it| it.as_ptr()).chain([std::ptr::null()]).collect();
        let (argv, env) = (pointers(&words[..count]), pointers(&words[count..]));
        let timeout = hook.timeout().and_then(|it| i32::try_from(it.saturating_mul(1000)).ok()).unwrap_or(-1);
        Ok(PreparedHook { path, _words: words, argv, env, timeout })
    };
    hooks.iter().map(one).collect()
}

/// Makes a file in memory, for the state that hooks read.
pub(crate) fn state_file() -> Result<OwnedFd> {
    // SAFETY: a constant name.
    let made = unsafe { libc::memfd_create(c"state".as_ptr(), libc::MFD_CLOEXEC) };
    let fd = sys::check(libc::c_long::from(made)).map_err(|errno| RuntimeError::step("make a file in memory", errno.into()))?;
    Ok(sys::own(fd as i32))
}

/// The state that hooks read; source: OCI runtime spec, runtime.md, "State".
pub(crate) fn state(id: &str, pid: i32, status: &str, bundle: &Path, annotations: &BTreeMap<String, String>) -> Vec<u8> {
    let mut state = json!({ "ociVersion": crate::OCI_VERSION, "id": id, "status": status, "bundle": bundle, "annotations": annotations });
    if pid > 0 {
        state["pid"] = json!(pid);
    }
    state.to_string().into_bytes()
}

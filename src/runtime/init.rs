//! A first process that reaps: it runs a program, hands signals on, and waits for whatever is left to it (`docker run --init`).

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::error::{Result, RuntimeError};
use crate::linux::sys;
use crate::linux::terminal::{self, Foreground};

/// Runs the program and returns its exit status, 128 and the number of the signal that ended it.
///
/// # Errors
/// The program cannot be run.
pub fn run(words: &[OsString]) -> Result<i32> {
    let Some((program, rest)) = words.split_first() else {
        return Err(RuntimeError::field("init", "names no program"));
    };
    let step = |error| RuntimeError::step("hold back signals", error);
    let foreground = Foreground::begin().map_err(step)?;
    // A group of its own, so that what a terminal sends reaches it once.
    let mut command = Command::new(program);
    command.args(rest).process_group(0);
    terminal::release_signals(&mut command);
    let child = command.spawn();
    let child = child.map_err(|error| RuntimeError::Program { name: program.to_string_lossy().into_owned(), reason: error.to_string() })?;
    let pid = i32::try_from(child.id()).unwrap_or(i32::MAX);
    terminal::give_to(pid);
    let pidfd = match sys::pidfd_open(pid) {
        Ok(fd) => sys::own(fd),
        Err(errno) => return Err(RuntimeError::step("watch the program", errno.into())),
    };
    foreground
        .attend(pid, &pidfd, None)
        .map_err(|error| RuntimeError::step("attend the program", error))
}

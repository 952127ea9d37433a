//! Hooks that run as children of the container's first process, in its namespaces.

use std::ffi::CString;

use super::Errand;
use crate::linux::sys::{self, Errno, Sys};

/// A hook, ready for execve.
#[derive(Debug)]
pub(crate) struct PreparedHook {
    pub(crate) path: CString,
    /// Keeps what `argv` and `env` point to.
    pub(crate) _words: Vec<CString>,
    pub(crate) argv: Vec<*const libc::c_char>,
    pub(crate) env: Vec<*const libc::c_char>,
    /// Milliseconds; less than 0 for no end.
    pub(crate) timeout: i32,
}

/// Runs hooks one after the other; the first that fails ends it.
pub(super) fn run_all(errand: &Errand<'_>, hooks: &[PreparedHook]) -> Sys<()> {
    hooks.iter().try_for_each(|hook| run(errand, hook))
}

fn run(errand: &Errand<'_>, hook: &PreparedHook) -> Sys<()> {
    // SAFETY: this process has one thread, and its child makes system calls only.
    let pid = unsafe { sys::clone3(0) }?;
    if pid == 0 {
        // SAFETY: only numbers are passed; the state is read from its start.
        unsafe { libc::lseek(errand.hook_state, 0, libc::SEEK_SET) };
        let ready = sys::dup2(errand.hook_state, 0).and_then(|()| sys::close_range(3, u32::MAX));
        if ready.is_ok() {
            // SAFETY: path, words and environment end as execve wants them, and live as long as the hook.
            unsafe { libc::execve(hook.path.as_ptr(), hook.argv.as_ptr(), hook.env.as_ptr()) };
        }
        sys::exit(127);
    }
    if hook.timeout >= 0 {
        let pidfd = sys::pidfd_open(pid)?;
        let mut waited = libc::pollfd { fd: pidfd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one structure is passed.
        let ended = unsafe { libc::poll(&raw mut waited, 1, hook.timeout) };
        if ended == 0 {
            sys::pidfd_send_signal(pidfd, libc::SIGKILL)?;
        }
        sys::close(pidfd);
        if ended == 0 {
            sys::wait(pid)?;
            return Err(Errno(libc::ETIMEDOUT));
        }
    }
    if sys::wait(pid)? == 0 { Ok(()) } else { Err(Errno(libc::ECHILD)) }
}

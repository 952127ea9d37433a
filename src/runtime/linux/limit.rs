//! Limits of resources, set from outside on a process that is about to run its program.

use super::sys::{self, Errno};
use crate::error::{Result, RuntimeError};
use crate::plan::process::Limit;

/// Sets a limit; where it may not be raised, as far as it may, and the warning says so.
pub(super) fn set(pid: i32, limit: &Limit) -> Result<Option<String>> {
    let step = |errno: Errno| RuntimeError::step(format!("set {} (process.rlimits)", limit.name), errno.into());
    let put = |soft: u64, hard: u64| {
        let wanted = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
        // SAFETY: the structure outlives the call; the old limit is not asked for.
        sys::check(unsafe { libc::syscall(libc::SYS_prlimit64, pid, limit.resource, &raw const wanted, std::ptr::null_mut::<u8>()) })
    };
    match put(limit.soft, limit.hard) {
        Err(Errno(libc::EPERM)) => {}
        other => return other.map(|_| None).map_err(step),
    }
    let mut now = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure outlives the call; no new limit is given.
    sys::check(unsafe { libc::syscall(libc::SYS_prlimit64, pid, limit.resource, std::ptr::null::<u8>(), &raw mut now) }).map_err(step)?;
    let hard = limit.hard.min(now.rlim_max);
    put(limit.soft.min(hard), hard).map_err(step)?;
    Ok(Some(format!(
        "process.rlimits: {} cannot be raised to {} without CAP_SYS_RESOURCE; it is {hard}",
        limit.name, limit.hard
    )))
}

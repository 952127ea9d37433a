//! The few system calls that no safe crate here makes.
#![expect(unsafe_code, reason = "fork, signalfd and two calls on process descriptors; each block names its invariant")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Blocks signals for this thread and those it makes.
///
/// # Errors
/// As sigprocmask(2).
pub(crate) fn block_signals() -> io::Result<()> {
    // SAFETY: the set is filled before it is read, and the old one is not asked for.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        check(libc::sigprocmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut())).map(drop)
    }
}

/// Lets all signals through again; for a child before it runs another program.
pub(crate) fn unblock_signals() -> io::Result<()> {
    // SAFETY: as in `block_signals`.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        check(libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut())).map(drop)
    }
}

/// Makes a descriptor from which blocked signals are read.
///
/// # Errors
/// As signalfd(2).
pub(crate) fn signals(wanted: &[i32]) -> io::Result<OwnedFd> {
    // SAFETY: the set is emptied before it is used; the descriptor is new and owned by nobody else.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in wanted {
            libc::sigaddset(&raw mut set, *signal);
        }
        let made = check(libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?;
        Ok(OwnedFd::from_raw_fd(made))
    }
}

/// Reads one signal; nothing when none waits.
pub(crate) fn next_signal(signals: &OwnedFd) -> Option<i32> {
    let mut information = [0u8; size_of::<libc::signalfd_siginfo>()];
    match rustix::io::read(signals, &mut information) {
        Ok(length) if length >= 4 => {
            i32::try_from(u32::from_ne_bytes([information[0], information[1], information[2], information[3]])).ok()
        }
        _ => None,
    }
}

/// Sends a signal to a process, surely that one.
///
/// # Errors
/// As pidfd_send_signal(2); `ESRCH` when it has ended.
pub(crate) fn signal(pidfd: BorrowedFd<'_>, number: i32) -> io::Result<()> {
    // SAFETY: numbers only; no information is passed.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), number, std::ptr::null::<u8>(), 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `struct pidfd_info`, first version; source: `linux/pidfd.h`.
#[repr(C)]
#[derive(Default)]
struct Information {
    mask: u64,
    cgroup: u64,
    ids: [u32; 11],
    exit: i32,
}

const INFORMATION_EXIT: u64 = 1 << 3;
/// `_IOWR(0xFF, 11, struct pidfd_info)`.
const GET_INFORMATION: u64 = (3 << 30) | ((size_of::<Information>() as u64) << 16) | (0xFF << 8) | 11;

/// Asks the kernel for the wait status of a process that somebody else has reaped (Linux 6.15); nothing where it does not know.
pub(crate) fn exit_of(pidfd: BorrowedFd<'_>) -> Option<i32> {
    let mut information = Information { mask: INFORMATION_EXIT, ..Information::default() };
    // SAFETY: the structure has the size that the request names, and outlives the call.
    let result = unsafe { libc::ioctl(pidfd.as_raw_fd(), GET_INFORMATION as _, &raw mut information) };
    (result == 0 && information.mask & INFORMATION_EXIT != 0).then_some(information.exit)
}

/// Lets this process open as many descriptors as it may; returns what was its limit. A guardian holds several for each container.
pub(crate) fn raise_descriptors() -> Rlimit {
    let before = getrlimit(Resource::Nofile);
    let _first = GIVEN.set((before.current, before.maximum));
    // What is refused shows when one too many is opened.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: before.maximum, maximum: before.maximum });
    before
}

/// The limit of descriptors that this process was started with, where it raised its own.
static GIVEN: OnceLock<(Option<u64>, Option<u64>)> = OnceLock::new();

fn given() -> Option<Rlimit> {
    GIVEN.get().map(|(current, maximum)| Rlimit { current: *current, maximum: *maximum })
}

/// Takes the limit of descriptors that the parent was started with, in a child of [`fork`]: containers inherit it.
pub(crate) fn lower_descriptors() {
    if let Some(limit) = given() {
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

/// As [`lower_descriptors`], for a program to be run.
pub(crate) fn lower_descriptors_of(command: &mut Command) {
    if let Some(limit) = given() {
        limit_descriptors(command, limit);
    }
}

/// Lets this process come before those that compute: all who start or stop something wait for it. Returns the nice value that it had, for what it
/// starts. What it does beside, names and ports of IPv6, comes first then, too. Where it may not, it waits its turn.
pub(crate) fn hurry() -> i32 {
    let before = rustix::process::getpriority_process(None).unwrap_or(0);
    set_nice(before - 10);
    // Among sessions the kernel shares the processor first. Source: sched(7), autogroup.
    let _ = std::fs::write("/proc/self/autogroup", "-10");
    before
}

/// Sets what nice(1) sets.
pub(crate) fn set_nice(nice: i32) {
    let _ = rustix::process::setpriority_process(None, nice);
}

/// Gives a program to be run a limit of descriptors of its own: containers inherit it.
pub(crate) fn limit_descriptors(command: &mut Command, limit: Rlimit) {
    let limited = move || Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.current, maximum: limit.maximum })?);
    // SAFETY: between fork and execve one system call is made, and nothing is allocated.
    unsafe { command.pre_exec(limited) };
}

/// Returns number and wait status of a child that has ended, without reaping it: `pid` or any.
pub(crate) fn ended_child(pid: Option<i32>) -> Option<(i32, i32)> {
    let (kind, number) = pid.and_then(|it| libc::id_t::try_from(it).ok()).map_or((libc::P_ALL, 0), |it| (libc::P_PID, it));
    // SAFETY: an all-zero `siginfo_t` is valid, and the kernel fills it.
    let mut found: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: the structure outlives the call.
    let result = unsafe { libc::waitid(kind, number, &raw mut found, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT) };
    // SAFETY: of a child these fields are set, and without one they are 0.
    let (pid, status) = unsafe { (found.si_pid(), found.si_status()) };
    // As wait(2) has it: a status in the second byte, or a signal in the first with a bit for a core.
    let status = match found.si_code {
        libc::CLD_EXITED => (status & 0xff) << 8,
        libc::CLD_DUMPED => status | 0x80,
        _ => status,
    };
    (result == 0 && pid != 0).then_some((pid, status))
}

/// Runs a function in a child of this process, which has one thread. The child ends with what the function returns.
///
/// # Errors
/// As fork(2).
pub(crate) fn fork(child: impl FnOnce() -> u8) -> io::Result<rustix::process::Pid> {
    // SAFETY: shim and guardian have one thread, so nothing is held by another one in the child.
    match check(unsafe { libc::fork() })? {
        0 => {
            // A panic must not unwind into the parent's loop.
            let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(u8::MAX);
            // SAFETY: ends this process without running what belongs to the parent.
            unsafe { libc::_exit(i32::from(status)) }
        }
        pid => rustix::process::Pid::from_raw(pid).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData)),
    }
}

/// Closes what a careless caller left open. For the beginning of a program, which has opened nothing yet.
pub(crate) fn close_inherited() {
    // SAFETY: numbers only; nobody in this process owns a descriptor yet.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
}

/// Closes every descriptor from 3 on, but some. For a child of [`fork`], which drops nothing that it inherited.
pub(crate) fn close_all_but(kept: &[BorrowedFd<'_>]) {
    let mut kept: Vec<u32> = kept.iter().filter_map(|it| u32::try_from(it.as_raw_fd()).ok()).filter(|it| *it > 2).collect();
    kept.sort_unstable();
    let mut first = 3;
    for kept in kept.into_iter().map(Some).chain([None]) {
        let last = kept.map_or(u32::MAX, |it| it - 1);
        if first <= last {
            // SAFETY: numbers only; owners of these descriptors are in memory that this process never drops.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
        first = kept.map_or(u32::MAX, |it| it + 1);
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Gives back what is not needed to wait: pages that the work before mapped of its own program and libraries, if they were never written
/// to, what is free of the heap, and the stack below. What is needed again comes from the page cache, or is zero: some microseconds.
pub(crate) fn give_back() {
    let here = 0u8;
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    // SAFETY: takes a number only.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(1 << 16);
    // What this call itself still needs lies within two pages.
    let stack = (std::ptr::from_ref(&here).addr() / page).saturating_sub(2) * page;
    for (start, end) in unneeded(&smaps, stack) {
        // SAFETY: a private mapping of a file, never written to and not writable, whose pages read the same when they come again; or what
        // lies below the frames of this thread's stack, where nothing is kept.
        unsafe { libc::madvise(std::ptr::with_exposed_provenance_mut(start), end - start, libc::MADV_DONTNEED) };
    }
    drop(smaps);
    #[cfg(target_env = "gnu")]
    // SAFETY: takes a number only.
    unsafe {
        libc::malloc_trim(0)
    };
}

/// Ranges of memory that can be given back, from the mappings of a process (`smaps`), whose only thread needs its stack from
/// an address on.
fn unneeded(smaps: &str, stack: usize) -> Vec<(usize, usize)> {
    let mut unneeded = Vec::new();
    let mut range = None;
    // What was relocated is anonymous, be it in memory or swapped out; a mapping with such pages is left alone. Source: proc(5).
    let mut private = 0;
    for line in smaps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match first {
            "Anonymous:" | "Swap:" => private += second.parse().unwrap_or(1),
            // The last line of a mapping.
            "VmFlags:" => unneeded.extend(range.take().filter(|_| private == 0)),
            _ if !first.ends_with(':') => {
                private = 0u64;
                range = None;
                let hexadecimal = |it| usize::from_str_radix(it, 16).ok();
                let Some((start, end)) = first.split_once('-').and_then(|(start, end)| Some((hexadecimal(start)?, hexadecimal(end)?)))
                else {
                    continue;
                };
                match words.nth(3).unwrap_or_default() {
                    "[stack]" if (start..end).contains(&stack) => unneeded.push((start, stack)),
                    name if name.starts_with('/') && matches!(second, "r-xp" | "r--p") => range = Some((start, end)),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    unneeded
}

/// Time since boot, sleep included.
pub(crate) fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    u64::try_from(time.tv_sec)
        .unwrap_or(0)
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

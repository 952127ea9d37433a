//! What runs between clone and execve. It never allocates, takes no lock and makes system calls only: everything was prepared, and the
//! memory may be a copy of a process whose other threads are gone.

mod console;
mod copy_up;
mod home;
mod hooks;
mod place;
mod program;
mod root;

use std::os::fd::RawFd;

use super::sys::{self, Errno, Sys, check};
use super::wire::{self, Kind};
use crate::plan::namespaces::{NEWTIME, NEWUSER};
use crate::plan::process::Process;
use crate::plan::step::Step;

pub(crate) use home::Home;
pub(crate) use hooks::PreparedHook;

/// How the process learns that it may run its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// At once.
    Open,
    /// Whoever connects to this listening socket starts it, and hears there how it went.
    Listen(RawFd),
}

/// A namespace to join.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JoinFd {
    pub(crate) fd: RawFd,
    /// `CLONE_NEW…` bits; several when `fd` is a pidfd.
    pub(crate) kinds: u64,
}

/// Everything that the child uses.
pub(crate) struct Errand<'a> {
    /// Namespaces that are joined first.
    pub(crate) joins: &'a [JoinFd],
    /// `CLONE_NEW…` bits of those that are made with the process.
    pub(crate) create: u64,
    /// `CLONE_NEW…` bits of those that the process makes itself, when it is in its control groups and has its ids.
    pub(crate) late: u64,
    /// Files `tasks` of the groups of v1 that the process enters by itself. A thread that moves itself takes no lock of the whole
    /// machine, while moving another waits for every processor, some 8 ms.
    pub(crate) groups: &'a [RawFd],
    /// Nothing is done before the process is in its control groups; else only the root is not entered before.
    pub(crate) groups_first: bool,
    /// Ids inside a user namespace are taken.
    pub(crate) in_userns: bool,
    /// `/proc/self/timens_offsets`.
    pub(crate) time_offsets: &'a [u8],
    /// The root's tree; none for a further process.
    pub(crate) root: Option<RawFd>,
    /// chroot(2) here first, when a further process joins a container that was entered so.
    pub(crate) chroot: Option<RawFd>,
    pub(crate) steps: &'a [Step],
    /// Descriptors of [`crate::plan::Plan::trees`].
    pub(crate) trees: &'a [RawFd],
    pub(crate) process: &'a Process,
    /// Pointers to `process.args`, ended by a null.
    pub(crate) argv: &'a [*const libc::c_char],
    /// Pointers to `process.env` and to `home`, ended by a null.
    pub(crate) env: &'a [*const libc::c_char],
    /// Where `HOME=` and what passwd says is written, where it is wanted.
    pub(crate) home: Option<*mut home::Home>,
    /// A procfs that nothing is mounted over.
    pub(crate) procfs: RawFd,
    /// Socket to the parent.
    pub(crate) report: RawFd,
    /// The parent's end of that.
    pub(crate) parents: RawFd,
    pub(crate) gate: Gate,
    /// Connected socket that is sent the terminal's other end.
    pub(crate) console: Option<RawFd>,
    /// Standard streams, where they are not the caller's.
    pub(crate) stdio: Option<[RawFd; 3]>,
    /// Descriptors from 3 on that the program gets.
    pub(crate) preserved: u32,
    pub(crate) container_hooks: &'a [PreparedHook],
    pub(crate) start_hooks: &'a [PreparedHook],
    /// A file with the state that hooks read.
    pub(crate) hook_state: RawFd,
    /// Number of the last capability that the kernel knows.
    pub(crate) last_capability: u32,
}

/// Why the child cannot go on.
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) errno: Errno,
    /// Which step, from [`Errand::steps`], or words.
    pub(crate) text: Text,
}

/// Words without a copy.
#[derive(Clone, Copy)]
pub(crate) enum Text {
    Step(usize),
    Words(&'static str),
}

type Done<T = ()> = Result<T, Failure>;

/// Names the step of an errno.
fn at<T>(result: Sys<T>, words: &'static str) -> Done<T> {
    result.map_err(|errno| Failure { kind: Kind::Failed, errno, text: Text::Words(words) })
}

/// Runs in the process that was just cloned, and never returns.
pub(crate) fn run(errand: &Errand<'_>) -> ! {
    // Held here too, it would hide that the parent died.
    sys::close(errand.parents);
    if let Err(failure) = begin(errand) {
        let text = match failure.text {
            Text::Step(at) => errand.steps.get(at).map_or(&b""[..], |step| step.label.as_bytes()),
            Text::Words(words) => words.as_bytes(),
        };
        // Where the parent is gone nobody listens.
        let _ = wire::send(errand.report, failure.kind, failure.errno.0, text);
    }
    sys::exit(1)
}

fn begin(errand: &Errand<'_>) -> Done {
    reset_signals();
    if errand.joins.is_empty() {
        return inside(errand);
    }
    join(errand.joins)?;
    // Only a child is in the process namespace that was joined, and it must be the parent's own child.
    // SAFETY: this process has one thread, and its child makes system calls only.
    let pid = at(unsafe { sys::clone3(libc::CLONE_PARENT as u64 | errand.create) }, "clone into the namespaces")?;
    if pid == 0 {
        return inside(errand);
    }
    at(wire::send(errand.report, Kind::Process, pid, b""), "report the process")?;
    sys::exit(0)
}

/// Joins: first what the caller's rights open, then a user namespace, then what only its rights open.
fn join(joins: &[JoinFd]) -> Done {
    let setns = |join: &JoinFd| {
        // SAFETY: only numbers are passed.
        check(libc::c_long::from(unsafe { libc::setns(join.fd, join.kinds as i32) })).map(drop)
    };
    let mut done = [false; 16];
    for pass in 0..3 {
        for (join, done) in joins.iter().zip(&mut done).filter(|(join, done)| !**done && (join.kinds == NEWUSER) == (pass == 1)) {
            match setns(join) {
                Ok(()) => *done = true,
                Err(Errno(libc::EPERM)) if pass == 0 => {}
                Err(errno) => return Err(Failure { kind: Kind::Failed, errno, text: Text::Words(name_of(join.kinds)) }),
            }
        }
    }
    Ok(())
}

fn name_of(kinds: u64) -> &'static str {
    match kinds {
        NEWUSER => "join the user namespace",
        crate::plan::namespaces::NEWNET => "join the network namespace",
        crate::plan::namespaces::NEWPID => "join the pid namespace",
        crate::plan::namespaces::NEWIPC => "join the ipc namespace",
        crate::plan::namespaces::NEWUTS => "join the uts namespace",
        crate::plan::namespaces::NEWNS => "join the mount namespace",
        _ => "join the namespaces of the container",
    }
}

/// In all namespaces but those that this process must make itself.
fn inside(errand: &Errand<'_>) -> Done {
    for group in errand.groups {
        at(sys::write_all(*group, b"0"), "enter the cgroups")?;
    }
    at(wire::answer(errand.report), "wait for the parent")?;
    if errand.groups_first {
        at(wire::answer(errand.report), "wait for the control groups")?;
    }
    if let Some(fd) = errand.chroot {
        // SAFETY: only a descriptor and a constant string are passed.
        at(check(libc::c_long::from(unsafe { libc::fchdir(fd) })), "go to the container's root")?;
        // SAFETY: as above.
        at(check(libc::c_long::from(unsafe { libc::chroot(c".".as_ptr()) })), "enter the container's root")?;
    }
    if errand.in_userns {
        become_root()?;
    }
    if errand.late & !NEWTIME != 0 {
        // SAFETY: only numbers are passed.
        at(check(unsafe { libc::syscall(libc::SYS_unshare, errand.late & !NEWTIME) }), "make the namespaces")?;
    }
    if errand.late & NEWTIME != 0 {
        time(errand)?;
    }
    // SAFETY: takes nothing. A process that already leads a group is none of ours: it was just cloned.
    at(check(libc::c_long::from(unsafe { libc::setsid() })), "begin a session")?;
    root::walk(errand)?;
    program::enter(errand)
}

/// Becomes root of the user namespace, so that what is made belongs to it.
fn become_root() -> Done {
    // SAFETY: a null list of no groups.
    let cleared = check(unsafe { libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()) });
    if let Err(errno) = cleared
        && errno != Errno(libc::EPERM)
    {
        return at(Err(errno), "leave the groups of the host");
    }
    at(sys::set_group(0), "become group 0 of the user namespace (linux.gidMappings)")?;
    at(sys::set_user(0), "become user 0 of the user namespace (linux.uidMappings)")?;
    Ok(())
}

/// Offsets count from the first process on, so they are written between making the namespace and entering it.
fn time(errand: &Errand<'_>) -> Done {
    // SAFETY: only numbers are passed.
    at(check(unsafe { libc::syscall(libc::SYS_unshare, NEWTIME) }), "make the time namespace")?;
    if !errand.time_offsets.is_empty() {
        let file = at(open_self(errand, c"self/timens_offsets", libc::O_WRONLY), "open the offsets of the time namespace")?;
        at(sys::write_all(file, errand.time_offsets), "set linux.timeOffsets")?;
        sys::close(file);
    }
    // A link to a namespace is a magic one; this procfs is our own.
    let namespace = at(sys::openat2(errand.procfs, c"self/ns/time_for_children", libc::O_RDONLY, 0, 0), "open the time namespace")?;
    // SAFETY: only numbers are passed.
    at(check(unsafe { libc::syscall(libc::SYS_setns, namespace, NEWTIME) }), "enter the time namespace")?;
    sys::close(namespace);
    Ok(())
}

/// Opens a file of this process in the procfs.
pub(super) fn open_self(errand: &Errand<'_>, path: &std::ffi::CStr, flags: i32) -> Sys<RawFd> {
    let resolve = sys::resolve::NO_XDEV | sys::resolve::NO_MAGICLINKS | sys::resolve::BENEATH;
    sys::openat2(errand.procfs, path, flags, 0, resolve)
}

/// The program begins with default handlers and no signal blocked.
fn reset_signals() {
    // The kernel's structure: handler, flags, restorer, mask. All zero is the default. By the C library, two signals could not be reset.
    let default = [0u64; 4];
    for signal in 1..=64 {
        // SAFETY: the structure outlives the call, and the mask has the eight bytes that are passed; SIGKILL and SIGSTOP are refused.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), std::ptr::null_mut::<u64>(), 8) };
    }
    let none = 0u64;
    // SAFETY: the kernel's set is eight bytes, as passed.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const none, std::ptr::null_mut::<u64>(), 8) };
}

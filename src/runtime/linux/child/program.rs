//! From a process in its namespaces to the program: identity, rights, filter, execve.

use std::ffi::CStr;
use std::os::fd::RawFd;

use super::console;
use super::home;
use super::hooks;
use super::place::LONGEST;
use super::{Done, Errand, Failure, Gate, Text, at};
use crate::linux::sys::{self, Errno, Sys, check};
use crate::linux::wire::{self, Kind};
use crate::plan::capabilities::{SYS_ADMIN, Sets};
use crate::plan::process::Process;
use crate::plan::seccomp::Filter;

/// Becomes the program, or says why not.
pub(super) fn enter(errand: &Errand<'_>) -> Done {
    let process = errand.process;
    streams(errand)?;
    if process.no_new_privileges {
        at(sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0), "set noNewPrivileges")?;
    }
    scheduling(process)?;
    if let Some((file, text)) = &process.label {
        at(console::write_self(errand, file, text), "set the label of the security module")?;
    }
    // Each turn between two processes costs; without limits and hooks there is nothing to wait for.
    if !process.limits.is_empty() || !errand.start_hooks.is_empty() {
        at(wire::send(errand.report, Kind::Ready, 0, b""), "report")?;
        at(wire::answer(errand.report), "wait for the limits")?;
    }
    // SAFETY: only a number is passed.
    unsafe { libc::umask(process.umask.unwrap_or(0o022)) };
    close_others(errand)?;
    if let Some(place) = errand.home {
        home::find(process.uid, place);
    }
    // The program's folder may be open to root only, or to its user only.
    let early = working_folder(&process.cwd);
    identity(errand)?;
    if early.is_err() {
        at(working_folder(&process.cwd), "go to the working folder (process.cwd)")?;
    }
    at(inside_root(), "check that the working folder (process.cwd) is inside the container's root")?;
    let program = find(process)?;
    // Others in the container, as far as they may look at all, do not look into a process that holds more than they do.
    at(sys::prctl(libc::PR_SET_DUMPABLE, 0, 0), "hide this process")?;
    let starter = wait_at_gate(errand)?;
    at(hooks::run_all(errand, errand.start_hooks), "run the hooks startContainer").map_err(|failure| told(starter, failure))?;
    at(load(process.filter.as_ref()), "load the seccomp filter").map_err(|failure| told(starter, failure))?;
    at(capabilities(process.capabilities, 0), "set the capabilities").map_err(|failure| told(starter, failure))?;
    execute(errand, program, starter)
}

/// A starter that listens hears of a failure too.
fn told(starter: Option<RawFd>, failure: Failure) -> Failure {
    if let (Some(socket), Text::Words(words)) = (starter, failure.text) {
        let _ = wire::send(socket, failure.kind, failure.errno.0, words.as_bytes());
    }
    failure
}

/// Standard streams: the terminal, or what the caller passed, owned by the user who writes to them.
fn streams(errand: &Errand<'_>) -> Done {
    if errand.process.terminal {
        if errand.root.is_none() {
            at(console::make(errand, None), "make the terminal")?;
        }
    } else if let Some(streams) = errand.stdio {
        for (to, from) in (0..3).zip(streams) {
            at(sys::dup2(from, to), "take the standard streams")?;
        }
    }
    let process = errand.process;
    for stream in 0..3 {
        let Ok(found) = sys::stat(stream) else { continue };
        let null = found.st_rdev == libc::makedev(1, 3);
        if !null && found.st_uid != process.uid {
            // So that /dev/stdout can be opened again. Not everything can be given away: a read-only file, another user's namespace.
            // SAFETY: only numbers are passed.
            unsafe { libc::fchown(stream, process.uid, u32::MAX) };
        }
    }
    Ok(())
}

fn scheduling(process: &Process) -> Done {
    if let Some(wanted) = process.scheduling {
        #[repr(C)]
        struct Attributes {
            size: u32,
            policy: u32,
            flags: u64,
            nice: i32,
            priority: u32,
            runtime: u64,
            deadline: u64,
            period: u64,
        }
        let attributes = Attributes {
            size: size_of::<Attributes>() as u32,
            policy: wanted.policy,
            flags: wanted.flags,
            nice: wanted.nice,
            priority: wanted.priority,
            runtime: wanted.runtime,
            deadline: wanted.deadline,
            period: wanted.period,
        };
        // SAFETY: the structure says its own size.
        at(check(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) }), "set process.scheduler")?;
    }
    if let Some(priority) = process.io_priority {
        const OF_PROCESS: i32 = 1;
        // SAFETY: only numbers are passed.
        at(check(unsafe { libc::syscall(libc::SYS_ioprio_set, OF_PROCESS, 0, priority) }), "set process.ioPriority")?;
    }
    Ok(())
}

/// Nothing of the host goes along but the streams and what was asked for (CVE-2024-21626): closed before any path is followed.
fn close_others(errand: &Errand<'_>) -> Done {
    let gate = match errand.gate {
        Gate::Open => -1,
        Gate::Listen(fd) => fd,
    };
    let state = if errand.start_hooks.is_empty() { -1 } else { errand.hook_state };
    let mut kept = [errand.report, gate, state];
    kept.sort_unstable();
    let mut from = 3 + errand.preserved;
    for fd in kept {
        let Ok(fd) = u32::try_from(fd) else { continue };
        if fd >= from {
            if fd > from {
                at(sys::close_range(from, fd - 1), "close what is not the container's")?;
            }
            from = fd + 1;
        }
    }
    at(sys::close_range(from, u32::MAX), "close what is not the container's")?;
    for fd in (3..3 + errand.preserved).map(u32::cast_signed) {
        // SAFETY: only numbers are passed.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
        // Whoever asks for descriptors to be kept left them open over execve; all of this program's own close there.
        if flags >= 0 && flags & libc::FD_CLOEXEC != 0 && !kept.contains(&fd) {
            sys::close(fd);
        }
    }
    Ok(())
}

fn working_folder(folder: &CStr) -> Sys<()> {
    // SAFETY: the path ends with NUL.
    check(libc::c_long::from(unsafe { libc::chdir(folder.as_ptr()) })).map(drop)
}

/// The kernel says "(unreachable)" of a folder that is not below this process's root (CVE-2024-21626).
fn inside_root() -> Sys<()> {
    let mut path = [0u8; LONGEST];
    // SAFETY: pointer and length are those of the buffer.
    check(unsafe { libc::syscall(libc::SYS_getcwd, path.as_mut_ptr(), path.len()) })?;
    if path[0] == b'/' { Ok(()) } else { Err(Errno(libc::ENOENT)) }
}

fn identity(errand: &Errand<'_>) -> Done {
    let process = errand.process;
    let wanted = process.capabilities;
    for number in 0..=errand.last_capability {
        if wanted.bounding & (1 << number) == 0 {
            at(sys::prctl(libc::PR_CAPBSET_DROP, u64::from(number), 0), "limit the capabilities")?;
        }
    }
    at(sys::prctl(libc::PR_SET_KEEPCAPS, 1, 0), "keep the capabilities")?;
    // SAFETY: pointer and length are those of the list.
    let grouped = check(unsafe { libc::syscall(libc::SYS_setgroups, process.groups.len(), process.groups.as_ptr()) });
    match grouped {
        Err(Errno(libc::EPERM)) if errand.in_userns && process.groups.is_empty() => {}
        other => drop(at(other, "set process.user.additionalGids")?),
    }
    at(sys::set_group(process.gid), "set process.user.gid")?;
    at(sys::set_user(process.uid), "set process.user.uid")?;
    at(sys::prctl(libc::PR_SET_KEEPCAPS, 0, 0), "keep the capabilities")?;
    // A filter without noNewPrivileges needs this one right until it is loaded.
    let admin = if process.filter.is_some() && !process.no_new_privileges {
        1 << SYS_ADMIN
    } else {
        0
    };
    at(capabilities(wanted, admin), "set the capabilities")
}

/// Sets all but the bounding set; `more` is held on top.
fn capabilities(wanted: Sets, more: u64) -> Sys<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    let low = |bits: u64| (bits & 0xFFFF_FFFF) as u32;
    let half = |shift: u32| Data {
        effective: low((wanted.effective | more) >> shift),
        permitted: low((wanted.permitted | more) >> shift),
        inheritable: low(wanted.inheritable >> shift),
    };
    let (header, data) = (Header { version: 0x2008_0522, pid: 0 }, [half(0), half(32)]);
    // SAFETY: version 3 reads two structures, as passed.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) })?;
    sys::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as u64, 0)?;
    for number in (0..64).filter(|number| wanted.ambient & (1 << number) != 0) {
        sys::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE as u64, number)?;
    }
    Ok(())
}

/// Finds the program as this user sees it.
fn find(process: &Process) -> Done<&CStr> {
    let mut errno = Errno(libc::ENOENT);
    for candidate in &process.candidates {
        match executable(candidate) {
            Ok(()) => return Ok(candidate),
            // As execvp(3): a refusal says more than an absence.
            Err(found) if errno == Errno(libc::ENOENT) => errno = found,
            Err(_) => {}
        }
    }
    Err(Failure { kind: Kind::Program, errno, text: Text::Words("") })
}

fn executable(path: &CStr) -> Sys<()> {
    let opened = sys::open(path, libc::O_PATH)?;
    let found = sys::stat(opened);
    sys::close(opened);
    if sys::is(&found?, libc::S_IFDIR) {
        return Err(Errno(libc::EISDIR));
    }
    // SAFETY: the path ends with NUL.
    check(unsafe { libc::syscall(libc::SYS_faccessat2, libc::AT_FDCWD, path.as_ptr(), libc::X_OK, libc::AT_EACCESS) }).map(drop)
}

/// Waits for the start, and returns the socket of who started it.
fn wait_at_gate(errand: &Errand<'_>) -> Done<Option<RawFd>> {
    let Gate::Listen(listening) = errand.gate else {
        return Ok(None);
    };
    at(wire::send(errand.report, Kind::Waiting, 0, b""), "report")?;
    loop {
        // SAFETY: no address is asked for.
        let accepted = unsafe { libc::accept4(listening, std::ptr::null_mut(), std::ptr::null_mut(), libc::SOCK_CLOEXEC) };
        let socket = match check(libc::c_long::from(accepted)) {
            Ok(socket) => socket as RawFd,
            Err(Errno(libc::EINTR | libc::ECONNABORTED)) => continue,
            Err(errno) => return at(Err(errno), "wait for the start"),
        };
        // Who goes away without a word has not started anything.
        if wire::answer(socket).is_ok() {
            sys::close(listening);
            return Ok(Some(socket));
        }
        sys::close(socket);
    }
}

fn load(filter: Option<&Filter>) -> Sys<()> {
    const SET_MODE_FILTER: i32 = 1;
    #[repr(C)]
    struct Program {
        length: u16,
        instructions: *const crate::plan::seccomp::Instruction,
    }
    let Some(filter) = filter else {
        return Ok(());
    };
    let length = u16::try_from(filter.program.len()).map_err(|_| Errno(libc::EINVAL))?;
    let program = Program { length, instructions: filter.program.as_ptr() };
    // SAFETY: the program's length is that of its instructions, which outlive the call.
    check(unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, filter.flags, &raw const program) }).map(drop)
}

fn execute(errand: &Errand<'_>, program: &CStr, starter: Option<RawFd>) -> Done {
    // SAFETY: path, words and environment are C strings, and both lists end with a null.
    unsafe { libc::execve(program.as_ptr(), errand.argv.as_ptr(), errand.env.as_ptr()) };
    let errno = sys::errno();
    if let Some(socket) = starter {
        let _ = wire::send(socket, Kind::Program, errno.0, b"");
        // Whoever made the container is gone: its log is all that is left.
        for part in [b"exec ", program.to_bytes(), b": ", words(errno), b"\n"] {
            let _ = sys::write_all(2, part);
        }
    }
    Err(Failure { kind: Kind::Program, errno, text: Text::Words("") })
}

/// What execve says, in words.
fn words(errno: Errno) -> &'static [u8] {
    match errno.0 {
        libc::ENOEXEC => b"exec format error",
        libc::EACCES => b"permission denied",
        // The interpreter's absence, as the program itself was found.
        libc::ENOENT => b"no such file or directory",
        _ => b"cannot be executed",
    }
}

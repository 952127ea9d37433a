//! System calls as functions that never allocate: what runs between clone and execve uses nothing else.

use std::ffi::CStr;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// An errno.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) i32);

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.0)
    }
}

/// Result of a system call.
pub(crate) type Sys<T> = Result<T, Errno>;

/// Returns the errno of the call that just failed.
pub(crate) fn errno() -> Errno {
    // SAFETY: the location is this thread's own and always valid.
    Errno(unsafe { *libc::__errno_location() })
}

/// Turns the kernel's −1 into an errno.
pub(crate) fn check(result: libc::c_long) -> Sys<usize> {
    if result == -1 { Err(errno()) } else { Ok(result.cast_unsigned() as usize) }
}

fn descriptor(result: libc::c_long) -> Sys<RawFd> {
    check(result).map(|it| it as RawFd)
}

/// Takes a descriptor that was just made.
pub(crate) fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: callers pass a descriptor that a system call just returned and that nobody else owns.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Resolution below a folder; source: openat2(2).
pub(crate) mod resolve {
    pub(crate) const NO_XDEV: u64 = 0x01;
    pub(crate) const NO_MAGICLINKS: u64 = 0x02;
    pub(crate) const NO_SYMLINKS: u64 = 0x04;
    pub(crate) const BENEATH: u64 = 0x08;
    pub(crate) const IN_ROOT: u64 = 0x10;
}

#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// openat2(2); the descriptor closes at execve.
pub(crate) fn openat2(folder: RawFd, path: &CStr, flags: i32, mode: u32, resolve: u64) -> Sys<RawFd> {
    let how = OpenHow { flags: (flags | libc::O_CLOEXEC) as u64, mode: u64::from(mode), resolve };
    loop {
        // SAFETY: `path` ends with NUL and `how` has the size that is passed.
        let result = unsafe { libc::syscall(libc::SYS_openat2, folder, path.as_ptr(), &raw const how, size_of::<OpenHow>()) };
        // The kernel asks to try again where a rename was under way.
        match descriptor(result) {
            Err(Errno(libc::EAGAIN | libc::EINTR)) => {}
            other => return other,
        }
    }
}

/// open(2) by the caller's own view.
pub(crate) fn open(path: &CStr, flags: i32) -> Sys<RawFd> {
    // SAFETY: `path` ends with NUL.
    descriptor(libc::c_long::from(unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) }))
}

/// close(2).
pub(crate) fn close(fd: RawFd) {
    // SAFETY: closing a number is memory-safe; callers own the descriptor.
    unsafe { libc::close(fd) };
}

/// close_range(2).
pub(crate) fn close_range(first: u32, last: u32) -> Sys<()> {
    // SAFETY: only numbers are passed; callers own every descriptor of the range.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
}

/// dup2(2).
pub(crate) fn dup2(from: RawFd, to: RawFd) -> Sys<()> {
    // SAFETY: only numbers are passed.
    check(libc::c_long::from(unsafe { libc::dup2(from, to) })).map(drop)
}

/// open_tree(2) with `AT_EMPTY_PATH`; a clone unless `flags` say otherwise.
pub(crate) fn open_tree(folder: RawFd, path: &CStr, flags: u32) -> Sys<RawFd> {
    // SAFETY: `path` ends with NUL.
    descriptor(unsafe { libc::syscall(libc::SYS_open_tree, folder, path.as_ptr(), flags | libc::O_CLOEXEC as u32) })
}

/// Flags of [`open_tree`].
pub(crate) mod tree_flag {
    pub(crate) const CLONE: u32 = 1;
    pub(crate) const RECURSIVE: u32 = 0x8000;
    pub(crate) const EMPTY_PATH: u32 = 0x1000;
}

/// move_mount(2) from one descriptor onto another.
pub(crate) fn move_mount(from: RawFd, to: RawFd) -> Sys<()> {
    const FROM_EMPTY: u32 = 0x04;
    const TO_EMPTY: u32 = 0x40;
    // SAFETY: both paths are the empty string.
    let result = unsafe { libc::syscall(libc::SYS_move_mount, from, c"".as_ptr(), to, c"".as_ptr(), FROM_EMPTY | TO_EMPTY) };
    check(result).map(drop)
}

/// fsopen(2).
pub(crate) fn fsopen(kind: &CStr) -> Sys<RawFd> {
    const CLOEXEC: u32 = 1;
    // SAFETY: `kind` ends with NUL.
    descriptor(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), CLOEXEC) })
}

/// Sets a flag of a file system to be.
pub(crate) fn fsconfig_flag(fd: RawFd, key: &CStr) -> Sys<()> {
    // SAFETY: `key` ends with NUL; the value of a flag is a null pointer.
    check(unsafe { libc::syscall(libc::SYS_fsconfig, fd, 0, key.as_ptr(), std::ptr::null::<u8>(), 0) }).map(drop)
}

/// Sets a text of a file system to be.
pub(crate) fn fsconfig_text(fd: RawFd, key: &CStr, value: &CStr) -> Sys<()> {
    // SAFETY: both end with NUL.
    check(unsafe { libc::syscall(libc::SYS_fsconfig, fd, 1, key.as_ptr(), value.as_ptr(), 0) }).map(drop)
}

/// Sets a descriptor of a file system to be.
pub(crate) fn fsconfig_descriptor(fd: RawFd, key: &CStr, value: RawFd) -> Sys<()> {
    // SAFETY: `key` ends with NUL; the value of a descriptor is a null pointer and its number.
    check(unsafe { libc::syscall(libc::SYS_fsconfig, fd, 5, key.as_ptr(), std::ptr::null::<u8>(), value) }).map(drop)
}

/// Makes the file system, and then a mount of it with these attributes.
pub(crate) fn fsmount(fd: RawFd, attributes: u64) -> Sys<RawFd> {
    const CREATE: u32 = 6;
    // SAFETY: the command takes neither key nor value.
    check(unsafe { libc::syscall(libc::SYS_fsconfig, fd, CREATE, std::ptr::null::<u8>(), std::ptr::null::<u8>(), 0) })?;
    // SAFETY: only numbers are passed; the flag is `FSMOUNT_CLOEXEC`.
    descriptor(unsafe { libc::syscall(libc::SYS_fsmount, fd, 1, attributes) })
}

/// `struct mount_attr`; source: mount_setattr(2).
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MountAttributes {
    pub(crate) set: u64,
    pub(crate) clear: u64,
    pub(crate) propagation: u64,
    pub(crate) userns: u64,
}

/// mount_setattr(2) on the mount of a descriptor.
pub(crate) fn mount_setattr(fd: RawFd, recursive: bool, wanted: MountAttributes) -> Sys<()> {
    let flags = tree_flag::EMPTY_PATH | if recursive { tree_flag::RECURSIVE } else { 0 };
    // SAFETY: the path is empty, and the structure has the size that is passed.
    let result =
        unsafe { libc::syscall(libc::SYS_mount_setattr, fd, c"".as_ptr(), flags, &raw const wanted, size_of::<MountAttributes>()) };
    check(result).map(drop)
}

/// Returns mode and device number of a descriptor's file.
pub(crate) fn stat(fd: RawFd) -> Sys<libc::stat> {
    // SAFETY: an all-zero `stat` is valid, and the kernel fills it.
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `found` outlives the call.
    check(libc::c_long::from(unsafe { libc::fstat(fd, &raw mut found) }))?;
    Ok(found)
}

/// Returns whether the file's type is `S_IF…`.
pub(crate) fn is(stat: &libc::stat, kind: u32) -> bool {
    stat.st_mode & libc::S_IFMT == kind
}

/// Returns the magic number of a descriptor's file system.
pub(crate) fn file_system(fd: RawFd) -> Sys<i64> {
    // SAFETY: an all-zero `statfs` is valid, and the kernel fills it.
    let mut found: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: `found` outlives the call.
    check(libc::c_long::from(unsafe { libc::fstatfs(fd, &raw mut found) }))?;
    Ok(found.f_type as i64)
}

/// Returns how a descriptor's file system is mounted, and what room it has.
pub(crate) fn fstatvfs(fd: RawFd) -> Sys<libc::statvfs> {
    // SAFETY: an all-zero `statvfs` is valid, and the kernel fills it.
    let mut found: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: `found` outlives the call.
    check(libc::c_long::from(unsafe { libc::fstatvfs(fd, &raw mut found) }))?;
    Ok(found)
}

/// write(2) of all bytes.
pub(crate) fn write_all(fd: RawFd, mut bytes: &[u8]) -> Sys<()> {
    while !bytes.is_empty() {
        // SAFETY: pointer and length are those of the slice.
        match check(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) } as libc::c_long) {
            Ok(0) => return Err(Errno(libc::EIO)),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno(libc::EINTR)) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// read(2).
pub(crate) fn read(fd: RawFd, buffer: &mut [u8]) -> Sys<usize> {
    loop {
        // SAFETY: pointer and length are those of the slice.
        match check(unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) } as libc::c_long) {
            Err(Errno(libc::EINTR)) => {}
            other => return other,
        }
    }
}

#[repr(C)]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// clone3(2) with a copy of the memory: 0 in the child, else its process id.
///
/// # Safety
/// The child must make system calls only: another thread may have held a lock when its memory was copied.
pub(crate) unsafe fn clone3(flags: u64) -> Sys<libc::pid_t> {
    // SAFETY: as the caller's.
    unsafe { clone3_into(flags, None) }
}

/// [`clone3`] whose child begins in a cgroup of v2, where given.
///
/// # Safety
/// As [`clone3`].
pub(crate) unsafe fn clone3_into(flags: u64, cgroup: Option<RawFd>) -> Sys<libc::pid_t> {
    const INTO_CGROUP: u64 = 0x2_0000_0000;
    let flags = if cgroup.is_some() { flags | INTO_CGROUP } else { flags };
    // A sibling signals its end as its maker does, and may not be told otherwise.
    let exit_signal = if flags & libc::CLONE_PARENT as u64 == 0 { libc::SIGCHLD as u64 } else { 0 };
    let cgroup = cgroup.map_or(0, |fd| u64::from(fd.cast_unsigned()));
    let arguments = CloneArguments { flags, exit_signal, cgroup, ..CloneArguments::default() };
    // SAFETY: no stack is passed, so that the child goes on here as after fork; the structure has the size that is passed.
    let result = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<CloneArguments>()) };
    check(result).map(|it| it as libc::pid_t)
}

/// Ends this process without running anything else.
pub(crate) fn exit(status: i32) -> ! {
    // SAFETY: never returns, and runs no handler of the parent's.
    unsafe { libc::_exit(status) }
}

/// pidfd_open(2).
pub(crate) fn pidfd_open(pid: libc::pid_t) -> Sys<RawFd> {
    // SAFETY: only numbers are passed.
    descriptor(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
}

/// pidfd_send_signal(2).
pub(crate) fn pidfd_send_signal(pidfd: RawFd, signal: i32) -> Sys<()> {
    // SAFETY: no information is passed along: a null pointer.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd, signal, std::ptr::null::<u8>(), 0) }).map(drop)
}

/// waitpid(2); the wait status.
pub(crate) fn wait(pid: libc::pid_t) -> Sys<i32> {
    let mut status = 0;
    loop {
        // SAFETY: `status` outlives the call.
        match check(libc::c_long::from(unsafe { libc::waitpid(pid, &raw mut status, 0) })) {
            Err(Errno(libc::EINTR)) => {}
            Err(errno) => return Err(errno),
            Ok(_) => return Ok(status),
        }
    }
}

/// A pair of sockets that keep messages apart.
pub(crate) fn socket_pair() -> Sys<(OwnedFd, OwnedFd)> {
    let mut pair = [0; 2];
    // SAFETY: the array has room for two descriptors.
    let result = unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0, pair.as_mut_ptr()) };
    check(libc::c_long::from(result))?;
    Ok((own(pair[0]), own(pair[1])))
}

/// Waits until a descriptor can be read, at most so many milliseconds; less than 0 for no end.
pub(crate) fn poll_one(fd: RawFd, milliseconds: i32) -> io::Result<bool> {
    let mut waited = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    loop {
        // SAFETY: one structure is passed.
        match check(libc::c_long::from(unsafe { libc::poll(&raw mut waited, 1, milliseconds) })) {
            Err(Errno(libc::EINTR)) => {}
            other => return Ok(other? > 0),
        }
    }
}

/// prctl(2) with numbers only.
pub(crate) fn prctl(option: libc::c_int, first: u64, second: u64) -> Sys<()> {
    // SAFETY: only numbers are passed.
    check(libc::c_long::from(unsafe { libc::prctl(option, first, second, 0u64, 0u64) })).map(drop)
}

/// setresgid(2) of this thread alone, without the C library's round over all threads.
pub(crate) fn set_group(gid: u32) -> Sys<()> {
    // SAFETY: only numbers are passed.
    check(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) }).map(drop)
}

/// setresuid(2), as [`set_group`].
pub(crate) fn set_user(uid: u32) -> Sys<()> {
    // SAFETY: only numbers are passed.
    check(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) }).map(drop)
}

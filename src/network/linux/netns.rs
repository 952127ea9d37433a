//! Network namespaces, without ever changing the caller's own.
//!
//! What has to happen in another namespace happens in a short-lived process that shares memory and descriptors with the caller, as vfork(2)
//! makes them: the calling thread stands still until it has ended. So there is no second thread, nothing is copied, and whatever goes wrong
//! there, the caller is still where it was. That works in a program with threads as in one without.
#![expect(unsafe_code, reason = "clone with shared memory, and waiting for that process")]

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::mount::{UnmountFlags, mount_bind, unmount};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::linux::link;
use crate::linux::message::Batch;
use crate::linux::netlink::Socket;
use crate::linux::sysctl::Switch;
use crate::{NetworkError, Result};

/// The loopback interface's number in every namespace.
const LOOPBACK: u32 = 1;

/// `NSFS_MAGIC`: the file system of namespaces.
const NAMESPACES: i64 = 0x6e73_6673;

/// Room for what runs in another namespace, in units of 16 bytes: 512 KiB, of which only what is used becomes memory.
const STACK: usize = 32 << 10;

/// A network namespace.
#[derive(Debug)]
pub struct Namespace {
    fd: OwnedFd,
    /// The way in, where it was made here: nobody is in it yet.
    inside: Option<Inside>,
}

/// What works in a namespace from outside, since it was opened there.
#[derive(Debug)]
pub(crate) struct Inside {
    /// For its links, addresses and routes.
    pub(crate) socket: Socket,
    /// What interfaces of IPv6 begin with.
    disable_ipv6: Switch,
    accept_ra: Switch,
}

impl Inside {
    /// To be called in the namespace.
    fn open() -> Result<Self> {
        let switch = |name: &str| Switch::open(&format!("net/ipv6/conf/default/{name}"));
        Ok(Self { socket: Socket::route()?, disable_ipv6: switch("disable_ipv6"), accept_ra: switch("accept_ra") })
    }

    /// Makes interfaces that take no address of their own, and have IPv6 only if they are to have addresses of it. Others that the container makes
    /// later are as they would be.
    pub(crate) fn begin<T>(&self, has_ipv6: bool, make: impl FnOnce() -> Result<T>) -> Result<T> {
        let disabled = if has_ipv6 { "0" } else { "1" };
        changed(&self.disable_ipv6, disabled, || changed(&self.accept_ra, "0", make))
    }
}

/// Does something while a switch has a value, and then gives it back its own.
fn changed<T>(switch: &Switch, value: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let before = switch.change(value)?;
    let done = work();
    let restored = before.map_or(Ok(None), |before| switch.change(&before));
    done.and_then(|done| restored.map(|_| done))
}

impl Namespace {
    /// The way in, where it was made here.
    pub(crate) fn inside(&self) -> Option<&Inside> {
        self.inside.as_ref()
    }

    /// Does something with a socket of the namespace.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&Socket) -> Result<T>) -> Result<T> {
        match &self.inside {
            Some(inside) => work(&inside.socket),
            None => work(&within(self.as_fd(), Socket::route)??),
        }
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Makes a network namespace whose loopback is on, and mounts it on a file that this makes; it lives until [`remove`]. One that is mounted
/// there already is taken as it is; a file without one is what a call that was cut short left.
///
/// # Errors
/// When the kernel refuses.
pub fn create(path: &Path) -> Result<Namespace> {
    let file = |doing| move |source| NetworkError::File { doing, path: path.to_owned(), source };
    match File::create_new(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if rustix::fs::statfs(path).is_ok_and(|it| it.f_type == NAMESPACES) {
                return open(path);
            }
        }
        other => drop(other.map_err(file("make"))?),
    }
    let namespace = anonymous()?;
    let source = format!("/proc/self/fd/{}", namespace.fd.as_raw_fd());
    if let Err(errno) = mount_bind(source, path) {
        let _ = fs::remove_file(path);
        return Err(file("mount a network namespace on")(errno.into()));
    }
    Ok(namespace)
}

/// Makes a network namespace whose loopback is on, which lives as long as somebody has it open or is in it.
///
/// # Errors
/// When the kernel refuses.
pub fn anonymous() -> Result<Namespace> {
    aside(
        // SAFETY: a network namespace has no descriptors or memory of this process in it.
        || unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) },
        || {
            let mut batch = Batch::default();
            link::up(&mut batch, "lo", LOOPBACK);
            let inside = Inside::open()?;
            inside.socket.request(&batch)?;
            let file = File::open("/proc/self/ns/net").map_err(NetworkError::step("open a new network namespace"))?;
            Ok(Namespace { fd: file.into(), inside: Some(inside) })
        },
    )?
}

/// Opens a network namespace that is mounted on a file, or a process's below `/proc`.
///
/// # Errors
/// As open(2).
pub fn open(path: &Path) -> Result<Namespace> {
    let file = File::open(path).map_err(|source| NetworkError::File { doing: "open", path: path.to_owned(), source })?;
    Ok(Namespace { fd: file.into(), inside: None })
}

/// Unmounts and removes what [`create`] made; nothing there is as good. Its interfaces go with the last process in it.
///
/// # Errors
/// As unlink(2).
pub fn remove(path: &Path) -> Result<()> {
    // Not mounted is as good; what is wrong otherwise shows when the file cannot be removed.
    let _ = unmount(path, UnmountFlags::DETACH);
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(NetworkError::File { doing: "remove", path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// Does something in a network namespace. What it opens is open in the caller; sockets stay in the namespace that they were opened in.
///
/// # Errors
/// When the namespace cannot be entered, or what runs there panics.
pub fn within<T>(namespace: BorrowedFd<'_>, work: impl FnOnce() -> T) -> Result<T> {
    aside(|| move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)), work)
}

/// What is handed to the process, and what comes back.
struct Order<E, W, T> {
    enter: Option<E>,
    work: Option<W>,
    done: Option<Result<T>>,
}

extern "C" fn run<E: FnOnce() -> rustix::io::Result<()>, W: FnOnce() -> T, T>(order: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `aside` passes a pointer to an order of just this kind, which lives on the stack of the thread that waits for us.
    let order = unsafe { &mut *order.cast::<Order<E, W, T>>() };
    let (Some(enter), Some(work)) = (order.enter.take(), order.work.take()) else {
        return 1;
    };
    // A panic must not leave this stack, which ends here.
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| enter().map(|()| work())));
    order.done = done.ok().map(|it| it.map_err(NetworkError::step("enter a network namespace")));
    0
}

fn aside<E: FnOnce() -> rustix::io::Result<()>, W: FnOnce() -> T, T>(enter: E, work: W) -> Result<T> {
    let mut order = Order { enter: Some(enter), work: Some(work), done: None };
    let mut stack = Vec::<u128>::with_capacity(STACK);
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES;
    // A signal would be handled there with the caller's memory, and then once more by the caller.
    let old = block_signals();
    // SAFETY: the stack has room for `STACK` units below its end, which is aligned to 16 bytes. With CLONE_VFORK this thread stands still
    // until the process has ended, so order and stack outlive it and nobody else touches this thread's local storage, which it shares.
    let result = unsafe {
        let top = stack.as_mut_ptr().add(STACK).cast();
        libc::clone(run::<E, W, T>, top, flags, (&raw mut order).cast())
    };
    let made = if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) };
    if let Ok(pid) = made {
        // It gives no signal when it ends, so that nobody who waits for any child takes it; `__WALL` finds it.
        // SAFETY: numbers only; the status is not asked for.
        while unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::__WALL) } < 0
            && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
        {}
    }
    restore_signals(&old);
    made.map_err(NetworkError::step("make a process for another network namespace"))?;
    order.done.unwrap_or_else(|| {
        Err(NetworkError::Step {
            doing: "work in another network namespace".to_owned(),
            source: io::Error::other("it ended before it was done"),
        })
    })
}

fn block_signals() -> libc::sigset_t {
    // SAFETY: both sets are plain memory; the first is filled before it is read, the second is written by the call.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut old: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut old);
        old
    }
}

fn restore_signals(old: &libc::sigset_t) {
    // SAFETY: the set is the one that `block_signals` read.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, old, std::ptr::null_mut()) };
}

//! The other side of a container's terminal, for a caller in the foreground.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use super::sys;

/// Receives a terminal from the socket that [`crate::How::console`] names the other end of.
///
/// # Errors
/// The process died before it sent one.
pub fn receive(socket: &UnixStream) -> io::Result<OwnedFd> {
    #[repr(C, align(8))]
    struct Control([u8; 64]);
    let mut control = Control([0; 64]);
    let mut name = [0u8; 256];
    let mut part = libc::iovec { iov_base: name.as_mut_ptr().cast(), iov_len: name.len() };
    // SAFETY: an all-zero header is valid.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = 64;
    // SAFETY: the header's buffers live on this stack.
    sys::check(unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_CMSG_CLOEXEC) } as libc::c_long)?;
    // SAFETY: the kernel wrote the control data of this header.
    unsafe {
        let first = libc::CMSG_FIRSTHDR(&raw const header);
        if first.is_null() || (*first).cmsg_type != libc::SCM_RIGHTS {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no terminal was sent"));
        }
        Ok(sys::own(std::ptr::read_unaligned(libc::CMSG_DATA(first).cast::<RawFd>())))
    }
}

/// A process in the foreground: signals go to it, and where it has a terminal, everything that is typed.
#[derive(Debug)]
pub struct Foreground {
    signals: OwnedFd,
}

impl Foreground {
    /// Begins to hold back signals. Call it before the process is made, so that none is lost.
    ///
    /// # Errors
    /// As signalfd(2).
    pub fn begin() -> io::Result<Self> {
        let all = u64::MAX;
        // SAFETY: the kernel's set is eight bytes, as passed; the process has one thread.
        sys::check(unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const all, std::ptr::null_mut::<u64>(), 8) })?;
        // SAFETY: as above.
        let made = sys::check(unsafe { libc::syscall(libc::SYS_signalfd4, -1, &raw const all, 8, libc::SFD_CLOEXEC) })?;
        Ok(Self { signals: sys::own(made as RawFd) })
    }

    /// Attends the process until it ends; returns its exit status, 128 and the number of the signal that ended it.
    ///
    /// # Errors
    /// A descriptor fails that must not.
    pub fn attend(&self, pid: i32, pidfd: &OwnedFd, master: Option<&OwnedFd>) -> io::Result<i32> {
        let mut input = master.is_some();
        if let Some(master) = master {
            resize(master);
        }
        loop {
            let watched = [self.signals.as_raw_fd(), if input { 0 } else { -1 }, master.map_or(-1, AsRawFd::as_raw_fd)];
            let ready = poll(watched)?;
            if let (true, Some(master)) = (ready[2], master) {
                // Ends with EIO when nobody has the other side open.
                let _ = relay(master.as_raw_fd(), 1);
            }
            if let (true, Some(master)) = (ready[1], master) {
                input = relay(0, master.as_raw_fd()).is_ok_and(|count| count > 0);
            }
            if ready[0]
                && let Some(status) = self.signal(pid, pidfd, master)?
            {
                if let Some(master) = master {
                    while sys::poll_one(master.as_raw_fd(), 0)? && relay(master.as_raw_fd(), 1).is_ok_and(|count| count > 0) {}
                }
                return Ok(status);
            }
        }
    }

    fn signal(&self, pid: i32, pidfd: &OwnedFd, master: Option<&OwnedFd>) -> io::Result<Option<i32>> {
        let mut information = [0u8; 128];
        sys::read(self.signals.as_raw_fd(), &mut information)?;
        let number = i32::from_ne_bytes([information[0], information[1], information[2], information[3]]);
        match number {
            libc::SIGCHLD => reap(pid),
            libc::SIGWINCH => {
                if let Some(master) = master {
                    resize(master);
                }
                Ok(None)
            }
            libc::SIGPIPE | libc::SIGURG | libc::SIGTTIN | libc::SIGTTOU => Ok(None),
            other => {
                // One that has just ended is reaped next.
                let _ = sys::pidfd_send_signal(pidfd.as_raw_fd(), other);
                Ok(None)
            }
        }
    }
}

/// Reaps what has ended; returns the status of the process, if it is among them.
fn reap(pid: i32) -> io::Result<Option<i32>> {
    let mut found = None;
    loop {
        let mut status = 0;
        // SAFETY: the status outlives the call.
        match unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) } {
            0 => return Ok(found),
            -1 if sys::errno() == sys::Errno(libc::ECHILD) => return Ok(found),
            -1 => return Err(io::Error::last_os_error()),
            ended if ended == pid => found = Some(exit_status(status)),
            _ => {}
        }
    }
}

/// Turns a wait status into an exit status as shells have it.
#[must_use]
pub fn exit_status(status: i32) -> i32 {
    if libc::WIFSIGNALED(status) {
        128 + libc::WTERMSIG(status)
    } else {
        libc::WEXITSTATUS(status)
    }
}

fn poll(watched: [RawFd; 3]) -> io::Result<[bool; 3]> {
    let mut all = watched.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    loop {
        // SAFETY: three structures are passed.
        match sys::check(libc::c_long::from(unsafe { libc::poll(all.as_mut_ptr(), 3, -1) })) {
            Err(sys::Errno(libc::EINTR)) => {}
            other => {
                other?;
                // A terminal whose other side is closed hangs up for as long as the process lives.
                if all[2].revents & libc::POLLHUP != 0 && all[2].revents & libc::POLLIN == 0 {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                return Ok(all.map(|it| it.revents & (libc::POLLIN | libc::POLLHUP) != 0));
            }
        }
    }
}

fn relay(from: RawFd, to: RawFd) -> io::Result<usize> {
    let mut buffer = [0u8; 8192];
    let length = sys::read(from, &mut buffer)?;
    sys::write_all(to, &buffer[..length])?;
    Ok(length)
}

/// Gives the terminal the size of the caller's.
fn resize(master: &OwnedFd) {
    // SAFETY: an all-zero size is valid.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    for stream in 0..3 {
        // SAFETY: the requests read and write a winsize. A caller without a terminal has no size to give.
        unsafe {
            if libc::ioctl(stream, libc::TIOCGWINSZ, &raw mut size) == 0 {
                libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size);
                return;
            }
        }
    }
}

/// Standard input in raw mode, for as long as this lives.
#[derive(Debug)]
pub struct Raw(Option<libc::termios>);

impl Raw {
    /// Switches, where standard input is a terminal.
    #[must_use]
    pub fn begin() -> Self {
        // SAFETY: an all-zero structure is valid; the calls read and write it.
        unsafe {
            let mut before: libc::termios = std::mem::zeroed();
            if libc::tcgetattr(0, &raw mut before) != 0 {
                return Self(None);
            }
            let mut raw = before;
            libc::cfmakeraw(&raw mut raw);
            libc::tcsetattr(0, libc::TCSANOW, &raw const raw);
            Self(Some(before))
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            // SAFETY: the structure is what tcgetattr gave.
            unsafe { libc::tcsetattr(0, libc::TCSANOW, &raw const before) };
        }
    }
}

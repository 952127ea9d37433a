//! The terminal of a container: made in its own devpts, its other end sent away, and laid at `/dev/console`.

use std::ffi::CStr;
use std::os::fd::RawFd;

use super::place;
use super::{Errand, open_self};
use crate::linux::sys::{self, Errno, Sys, check, resolve, tree_flag};

/// Magic number of devpts; from `linux/magic.h`.
const DEVPTS: i64 = 0x1cd1;
/// `TIOCGPTPEER`: opens the other end without a path that somebody could have changed.
const PEER: libc::c_ulong = 0x5441;

/// Makes the terminal; `root` is the root being set up, or nothing for a further process.
pub(super) fn make(errand: &Errand<'_>, root: Option<RawFd>) -> Sys<()> {
    let socket = errand.console.ok_or(Errno(libc::ENOTSOCK))?;
    let master = match root {
        Some(root) => place::open(root, c"dev/pts/ptmx", libc::O_RDWR | libc::O_NOCTTY, resolve::NO_SYMLINKS)?,
        None => sys::openat2(
            libc::AT_FDCWD,
            c"/dev/pts/ptmx",
            libc::O_RDWR | libc::O_NOCTTY,
            0,
            resolve::NO_SYMLINKS | resolve::NO_MAGICLINKS,
        )?,
    };
    // An image, or a mount of it, may have put something else there (CVE-2025-52565).
    let found = sys::stat(master)?;
    if sys::file_system(master)? != DEVPTS || !sys::is(&found, libc::S_IFCHR) || found.st_rdev != libc::makedev(5, 2) {
        return Err(Errno(libc::ENXIO));
    }
    let (unlocked, mut number): (libc::c_int, libc::c_uint) = (0, 0);
    // SAFETY: the request reads an int.
    check(libc::c_long::from(unsafe { libc::ioctl(master, libc::TIOCSPTLCK, &raw const unlocked) }))?;
    // SAFETY: the request writes an unsigned int.
    check(libc::c_long::from(unsafe { libc::ioctl(master, libc::TIOCGPTN, &raw mut number) }))?;
    // SAFETY: the request takes open flags and returns a descriptor.
    let own =
        check(libc::c_long::from(unsafe { libc::ioctl(master, PEER as _, libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC) }))? as RawFd;
    if let Some((rows, columns)) = errand.process.size {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the request reads a winsize.
        check(libc::c_long::from(unsafe { libc::ioctl(master, libc::TIOCSWINSZ, &raw const size) }))?;
    }
    if let Some(root) = root {
        lay(root, own)?;
    }
    send(socket, master, number)?;
    sys::close(master);
    // SAFETY: the request takes a number.
    check(libc::c_long::from(unsafe { libc::ioctl(own, libc::TIOCSCTTY, 0) }))?;
    for stream in 0..3 {
        sys::dup2(own, stream)?;
    }
    if own > 2 {
        sys::close(own);
    }
    Ok(())
}

/// Lays the terminal at `/dev/console`, which must be an own file there: empty, or the console's node.
fn lay(root: RawFd, own: RawFd) -> Sys<()> {
    let target = place::plain_file(root, c"dev/console")?;
    let found = sys::stat(target)?;
    let console = sys::is(&found, libc::S_IFCHR) && found.st_rdev == libc::makedev(5, 1);
    if !console && !sys::is(&found, libc::S_IFREG) {
        return Err(Errno(libc::ENXIO));
    }
    let tree = sys::open_tree(own, c"", tree_flag::CLONE | tree_flag::EMPTY_PATH)?;
    sys::move_mount(tree, target)?;
    sys::close(tree);
    sys::close(target);
    Ok(())
}

/// Sends the other end, with the name that the terminal has inside.
fn send(socket: RawFd, master: RawFd, number: u32) -> Sys<()> {
    const SPACE: usize = 24;
    #[repr(C, align(8))]
    struct Control([u8; SPACE]);
    let mut name = *b"/dev/pts/0000000000";
    let length = decimal(&mut name, 9, number);
    let mut control = Control([0; SPACE]);
    let mut part = libc::iovec { iov_base: name.as_mut_ptr().cast(), iov_len: length };
    // SAFETY: an all-zero header is valid.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    #[expect(clippy::useless_conversion, reason = "the type differs between C libraries")]
    let space = SPACE.try_into().map_err(|_| Errno(libc::EINVAL))?;
    header.msg_controllen = space;
    // SAFETY: the control buffer is aligned and has room for one descriptor (CMSG_SPACE(4) is 24 on 64-bit Linux).
    unsafe {
        let first = libc::CMSG_FIRSTHDR(&raw const header);
        if first.is_null() {
            return Err(Errno(libc::EINVAL));
        }
        (*first).cmsg_level = libc::SOL_SOCKET;
        (*first).cmsg_type = libc::SCM_RIGHTS;
        (*first).cmsg_len = libc::CMSG_LEN(4) as _;
        std::ptr::write_unaligned(libc::CMSG_DATA(first).cast::<RawFd>(), master);
    }
    // SAFETY: the header's buffers live on this stack.
    check(unsafe { libc::sendmsg(socket, &raw const header, libc::MSG_NOSIGNAL) } as libc::c_long).map(drop)
}

/// Writes a number in decimal at an offset, and returns where it ends.
pub(super) fn decimal(buffer: &mut [u8], at: usize, number: u32) -> usize {
    let mut digits = [0u8; 10];
    let (mut rest, mut count) = (number, 0);
    loop {
        digits[count] = b'0' + (rest % 10) as u8;
        rest /= 10;
        count += 1;
        if rest == 0 {
            break;
        }
    }
    for (offset, digit) in digits[..count].iter().rev().enumerate() {
        if let Some(place) = buffer.get_mut(at + offset) {
            *place = *digit;
        }
    }
    at + count
}

/// Writes a text into a file of this process in the procfs.
pub(super) fn write_self(errand: &Errand<'_>, file: &CStr, text: &CStr) -> Sys<()> {
    let opened = open_self(errand, file, libc::O_WRONLY)?;
    let written = sys::write_all(opened, text.to_bytes());
    sys::close(opened);
    written
}

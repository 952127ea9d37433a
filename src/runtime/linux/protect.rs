//! Keeps this program's own file out of a container's reach (CVE-2019-5736).
//!
//! Whatever enters a container can be looked at from inside through `/proc/PID/exe`, and what is found there can be opened for writing
//! later. So a program that enters containers runs from a read-only clone of the mount it lies on, or from a sealed copy in memory.

use std::ffi::{CStr, CString, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use super::sys::{self, MountAttributes, resolve};
use super::tree;
use crate::error::{Result, RuntimeError};
use crate::plan::options::attr;

/// Set for the second start, so that a defence that does not hold ends in an error and not in a circle.
const MARK: &str = "_RCOMPOSE_PROTECTED";
const OWN_FILE: &CStr = c"/proc/self/exe";
/// What keeps a file in memory as it is.
const SEALS: i32 = libc::F_SEAL_WRITE | libc::F_SEAL_GROW | libc::F_SEAL_SHRINK | libc::F_SEAL_SEAL;

/// Starts this program again from where nothing can be written, unless it runs from there. Call it before any thread exists and before
/// anything enters a container; `words` are the program's own, name first.
///
/// # Errors
/// Neither a read-only mount nor a sealed copy can be made.
pub fn protect(words: &[OsString]) -> Result<()> {
    let step = |error| RuntimeError::step("put this program where a container cannot write to it", error);
    let own = sys::own(sys::open(OWN_FILE, libc::O_RDONLY).map_err(|errno| step(errno.into()))?);
    if is_protected(&own) {
        return Ok(());
    }
    if std::env::var_os(MARK).is_some() {
        return Err(step(io::Error::other("it still can after a second start")));
    }
    let safe = read_only_clone(&own).or_else(|_| sealed_copy(&own)).map_err(step)?;
    Err(step(again(&safe, words)))
}

/// Returns whether nobody who holds the descriptor can write to the file.
fn is_protected(file: &OwnedFd) -> bool {
    // SAFETY: an all-zero `statvfs` is valid, and the kernel fills it.
    let mut found: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the structure outlives the call.
    let read_only = unsafe { libc::fstatvfs(file.as_raw_fd(), &raw mut found) } == 0 && found.f_flag & libc::ST_RDONLY != 0;
    // SAFETY: only numbers are passed.
    let seals = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
    read_only || seals >= 0 && seals & SEALS == SEALS
}

/// Opens the file through a read-only clone of its folder's mount, attached nowhere: from a file, no path leads back to the mount itself.
fn read_only_clone(own: &OwnedFd) -> io::Result<OwnedFd> {
    let path = std::fs::read_link("/proc/self/exe")?;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::from(io::ErrorKind::NotFound));
    };
    let clone = tree::detached(folder, false)?;
    sys::mount_setattr(clone.as_raw_fd(), false, MountAttributes { set: attr::RDONLY | attr::NODEV, ..MountAttributes::default() })?;
    let name = CString::new(name.as_bytes())?;
    let opened = sys::own(sys::openat2(clone.as_raw_fd(), &name, libc::O_RDONLY | libc::O_NOFOLLOW, 0, resolve::BENEATH)?);
    let (found, wanted) = (sys::stat(opened.as_raw_fd())?, sys::stat(own.as_raw_fd())?);
    if (found.st_dev, found.st_ino) != (wanted.st_dev, wanted.st_ino) || !is_protected(&opened) {
        return Err(io::Error::other("another file has the name of this program"));
    }
    Ok(opened)
}

/// Copies the file into memory and seals it, where mounts cannot be cloned.
fn sealed_copy(own: &OwnedFd) -> io::Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: a constant name.
    let made = sys::check(libc::c_long::from(unsafe { libc::memfd_create(c"rcompose".as_ptr(), flags) }))?;
    let mut copy = File::from(sys::own(made as i32));
    io::copy(&mut File::from(own.try_clone()?), &mut copy)?;
    // SAFETY: only numbers are passed.
    sys::check(libc::c_long::from(unsafe { libc::fcntl(copy.as_raw_fd(), libc::F_ADD_SEALS, SEALS) }))?;
    Ok(OwnedFd::from(copy))
}

/// Returns only with an error.
fn again(file: &OwnedFd, words: &[OsString]) -> io::Error {
    let texts = |list: Vec<Vec<u8>>| list.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>();
    let mark = format!("{MARK}=1").into_bytes();
    let env = std::env::vars_os()
        .map(|(key, value)| [key.as_bytes(), b"=", value.as_bytes()].concat())
        .chain([mark])
        .collect();
    let (Ok(words), Ok(env)) = (texts(words.iter().map(|it| it.as_bytes().to_vec()).collect()), texts(env)) else {
        return io::Error::from(io::ErrorKind::InvalidInput);
    };
    let pointers = |list: &[CString]| list.iter().map(|it| it.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>();
    let (argv, envp) = (pointers(&words), pointers(&env));
    // SAFETY: words and environment are C strings, and both lists end with a null.
    unsafe { libc::syscall(libc::SYS_execveat, file.as_raw_fd(), c"".as_ptr(), argv.as_ptr(), envp.as_ptr(), libc::AT_EMPTY_PATH) };
    io::Error::last_os_error()
}

//! Files as archives: out of a tree, and into one, while somebody else may change both. Layers have rules of their own (`extract`): names that
//! mark what is gone, and an empty folder that nobody else reaches. Here what is there counts, and nothing is trusted to stay as it was:
//! each thing is opened first and looked at then, by its descriptor, and each lookup is held within its folder by the kernel.
//! Sources: openat2(2); Docker API, `/containers/NAME/archive`.

mod pack;
mod put;
mod unpack;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, fstatfs, open, openat2};
use rustix::io::Errno;

use crate::error::ImageError;

pub use pack::{Owners, pack_files};
pub use unpack::{Put, Rename, Rules, Ways, unpack_files};

/// File systems that are the kernel's own words: what they show are no files, some have no end, and some do something when they are read.
/// Source: `linux/magic.h`.
const OF_THE_KERNEL: [u32; 13] = [
    0x0000_9fa0, // proc
    0x6265_6572, // sysfs
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x0000_1cd1, // devpts
    0x1980_0202, // mqueue
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
    0xcafe_4a11, // bpf
    0x6265_6570, // configfs
    0xde5e_81e4, // efivarfs
    0x6165_676c, // pstore
];

/// Tells whether something is on a file system of the kernel's own words.
///
/// # Errors
/// As fstatfs(2).
pub fn is_of_the_kernel(file: impl AsFd) -> std::io::Result<bool> {
    let kind = fstatfs(file)?.f_type;
    // Magic numbers have 32 bits; the type of the field differs between machines.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "magic numbers have 32 bits")]
    let kind = kind as u32;
    Ok(OF_THE_KERNEL.contains(&kind))
}

/// Looks something up by openat2(2), again where the kernel could not rule out that a rename elsewhere led it astray; not for ever, since whoever
/// is in a container may rename all the time.
///
/// # Errors
/// What the last attempt says.
pub fn patiently<T>(look: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
    const ATTEMPTS: usize = 64;
    let unclear = |it: &Result<T, Errno>| matches!(it, Err(Errno::AGAIN | Errno::INTR));
    let mut found = look();
    for _ in 1..ATTEMPTS {
        if !unclear(&found) {
            break;
        }
        found = look();
    }
    found
}

/// Opens something below a folder.
fn below(folder: BorrowedFd<'_>, path: &[u8], flags: OFlags, ways: ResolveFlags) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { b"." } else { path };
    patiently(|| openat2(folder, path, flags | OFlags::CLOEXEC, Mode::empty(), ways | ResolveFlags::NO_MAGICLINKS))
}

/// Opens for reading what was opened to be looked at: the very same thing, whatever has its name by now.
fn again(file: &OwnedFd, flags: OFlags) -> Result<OwnedFd, Errno> {
    open(format!("/proc/self/fd/{}", file.as_raw_fd()), flags | OFlags::CLOEXEC, Mode::empty())
}

fn wrong(path: &[u8], why: impl Into<String>) -> ImageError {
    ImageError::Path { path: shown(path), why: why.into() }
}

fn failed<'a>(doing: &'static str, path: &'a [u8]) -> impl Fn(Errno) -> ImageError + 'a {
    move |errno| match errno {
        Errno::ROFS => wrong(path, "lies where nothing can be written: it is mounted read-only"),
        Errno::BUSY => wrong(path, "cannot be replaced: something is mounted there"),
        errno => ImageError::Copy { doing, path: shown(path), source: errno.into() },
    }
}

fn shown(path: &[u8]) -> String {
    if path.is_empty() {
        ".".into()
    } else {
        String::from_utf8_lossy(path).into_owned()
    }
}

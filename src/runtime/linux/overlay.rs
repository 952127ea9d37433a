//! An overlay root by descriptors: any number of layers, whatever the length of their paths.
//!
//! Source: the kernel's overlayfs.rst ("Specifying layers via file descriptors", Linux 6.13) and fsconfig(2).

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::sys::{self, Errno};
use crate::error::{Result, RuntimeError};

/// Layers of an overlay.
#[derive(Debug, Clone, Copy)]
pub struct Overlay<'a> {
    /// From the top down.
    pub lower: &'a [&'a Path],
    /// Where changes go, with the work folder beside it; without it the overlay is read-only.
    pub upper: Option<(&'a Path, &'a Path)>,
    /// Owners may be written as user attributes (without rights over the host).
    pub userxattr: bool,
}

/// Makes the overlay; the mount is attached nowhere until [`attach`].
///
/// # Errors
/// A layer cannot be opened, or the kernel refuses the overlay; the layer is named.
pub fn mount(overlay: &Overlay<'_>) -> Result<OwnedFd> {
    let step = |words: &'static str| move |errno: Errno| RuntimeError::step(words, errno.into());
    let context = sys::own(sys::fsopen(c"overlay").map_err(step("open the overlay file system"))?);
    sys::fsconfig_text(context.as_raw_fd(), c"source", c"overlay").map_err(step("name the overlay"))?;
    for layer in overlay.lower {
        add(&context, c"lowerdir+", layer)?;
    }
    if let Some((upper, work)) = overlay.upper {
        add(&context, c"upperdir", upper)?;
        add(&context, c"workdir", work)?;
    }
    if overlay.userxattr {
        sys::fsconfig_flag(context.as_raw_fd(), c"userxattr").map_err(step("set userxattr"))?;
    }
    sys::fsmount(context.as_raw_fd(), 0).map(sys::own).map_err(step("make the overlay"))
}

/// Adds a layer by its descriptor, or by its path where the kernel takes none yet.
fn add(context: &OwnedFd, key: &std::ffi::CStr, layer: &Path) -> Result<()> {
    let failed = |error: io::Error| RuntimeError::file("take as a layer of the overlay", layer, error);
    let folder = File::open(layer).map_err(failed)?;
    match sys::fsconfig_descriptor(context.as_raw_fd(), key, folder.as_raw_fd()) {
        Err(Errno(libc::EINVAL)) => {
            let path = CString::new(layer.as_os_str().as_bytes()).map_err(|error| failed(error.into()))?;
            sys::fsconfig_text(context.as_raw_fd(), key, &path).map_err(|errno| failed(errno.into()))
        }
        other => other.map_err(|errno| failed(errno.into())),
    }
}

/// Attaches a mount to a folder.
///
/// # Errors
/// As move_mount(2).
pub fn attach(mount: impl AsFd, folder: &Path) -> Result<()> {
    let failed = |error| RuntimeError::file("mount at", folder, error);
    let target = File::open(folder).map_err(failed)?;
    sys::move_mount(mount.as_fd().as_raw_fd(), target.as_raw_fd()).map_err(|errno| failed(errno.into()))
}

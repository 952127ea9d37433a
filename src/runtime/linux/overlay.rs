//! An overlay root by descriptors: any number of layers, whatever the length of their paths.
//!
//! Source: the kernel's overlayfs.rst ("Specifying layers via file descriptors", Linux 6.13) and fsconfig(2). Before Linux 6.7 layers are
//! not added one by one: there the options are a page of text (mount(2)), in which descriptors stand as short paths.

use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::sys::{self, Errno};
use super::tree;
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

/// Bytes of options that mount(2) takes; source: mount(2), one page.
const PAGE: usize = 4096;

/// Makes the overlay; the mount is attached nowhere until [`attach`].
///
/// # Errors
/// A layer cannot be opened, or the kernel refuses the overlay; the layer is named.
pub fn mount(overlay: &Overlay<'_>) -> Result<OwnedFd> {
    let mount = match one_by_one(overlay)? {
        Some(mount) => mount,
        None => by_options(overlay)?,
    };
    if let Some((_, work)) = overlay.upper {
        check_writable(&mount, work)?;
    }
    Ok(mount)
}

/// The kernel makes an overlay that takes no writes where it cannot make its own folder in `work`, and says so in its log alone. Source: kernel
/// `fs/overlayfs/super.c`, `ovl_make_workdir`.
fn check_writable(mount: &OwnedFd, work: &Path) -> Result<()> {
    /// Fewer inodes or blocks than this are as good as none.
    const FEW: u64 = 8;
    let refused = |error| RuntimeError::file("make the overlay's work folder in", work, error);
    if sys::fstatvfs(mount.as_raw_fd()).is_ok_and(|it| it.f_flag & libc::ST_RDONLY == 0) {
        return Ok(());
    }
    let disk = sys::fstatvfs(open(work)?.as_raw_fd()).map_err(|errno| refused(errno.into()))?;
    let is_full = disk.f_favail < FEW || disk.f_bavail < FEW;
    Err(refused(io::Error::from_raw_os_error(if is_full { libc::ENOSPC } else { libc::EROFS })))
}

/// Adds layer by layer; nothing where the kernel does not.
fn one_by_one(overlay: &Overlay<'_>) -> Result<Option<OwnedFd>> {
    let step = |words: &'static str| move |errno: Errno| RuntimeError::step(words, errno.into());
    let context = sys::own(sys::fsopen(c"overlay").map_err(step("open the overlay file system"))?);
    sys::fsconfig_text(context.as_raw_fd(), c"source", c"overlay").map_err(step("name the overlay"))?;
    for (at, layer) in overlay.lower.iter().enumerate() {
        let folder = open(layer)?;
        match add(&context, c"lowerdir+", layer, &folder) {
            // The first says whether there is such an option at all.
            Err(Errno(libc::EINVAL | libc::EOPNOTSUPP)) if at == 0 => return Ok(None),
            other => other.map_err(|errno| refused(layer, errno.into()))?,
        }
    }
    if let Some((upper, work)) = overlay.upper {
        for (key, layer) in [(c"upperdir", upper), (c"workdir", work)] {
            add(&context, key, layer, &open(layer)?).map_err(|errno| refused(layer, errno.into()))?;
        }
    }
    if overlay.userxattr {
        sys::fsconfig_flag(context.as_raw_fd(), c"userxattr").map_err(step("set userxattr"))?;
    }
    sys::fsmount(context.as_raw_fd(), 0).map(|it| Some(sys::own(it))).map_err(step("make the overlay"))
}

fn refused(layer: &Path, error: io::Error) -> RuntimeError {
    RuntimeError::file("take as a layer of the overlay", layer, error)
}

fn open(layer: &Path) -> Result<File> {
    File::open(layer).map_err(|error| refused(layer, error))
}

/// Adds a layer by its descriptor, or by its path where the kernel takes none yet.
fn add(context: &OwnedFd, key: &CStr, layer: &Path, folder: &File) -> sys::Sys<()> {
    match sys::fsconfig_descriptor(context.as_raw_fd(), key, folder.as_raw_fd()) {
        Err(Errno(libc::EINVAL)) => {
            let path = CString::new(layer.as_os_str().as_bytes()).map_err(|_| Errno(libc::EINVAL))?;
            sys::fsconfig_text(context.as_raw_fd(), key, &path)
        }
        other => other,
    }
}

/// Mounts with options at a folder of its own, and takes the mount away from there.
fn by_options(overlay: &Overlay<'_>) -> Result<OwnedFd> {
    let step = |error: io::Error| RuntimeError::step("make the overlay", error);
    let lower = overlay.lower.iter().map(|it| open(it)).collect::<Result<Vec<_>>>()?;
    let upper = overlay.upper.map(|(upper, work)| Ok::<_, RuntimeError>((open(upper)?, open(work)?))).transpose()?;
    let name = |it: &File| format!("/proc/self/fd/{}", it.as_raw_fd());
    let mut options = format!("lowerdir={}", lower.iter().map(name).collect::<Vec<_>>().join(":"));
    if let Some((upper, work)) = &upper {
        options.push_str(&format!(",upperdir={},workdir={}", name(upper), name(work)));
    }
    if overlay.userxattr {
        options.push_str(",userxattr");
    }
    if options.len() >= PAGE {
        let reason = format!("an overlay of {} layers needs Linux 6.7: before, their names have a page of memory", overlay.lower.len());
        return Err(RuntimeError::unsupported("root", reason));
    }
    let place = Place::new().map_err(step)?;
    let text = |text: &str| CString::new(text).map_err(|error| step(error.into()));
    let (folder, options) = (CString::new(place.0.as_os_str().as_bytes()).map_err(|error| step(error.into()))?, text(&options)?);
    // SAFETY: all words end with NUL.
    let mounted = unsafe { libc::mount(c"overlay".as_ptr(), folder.as_ptr(), c"overlay".as_ptr(), 0, options.as_ptr().cast()) };
    sys::check(libc::c_long::from(mounted)).map_err(|errno| step(errno.into()))?;
    let taken = tree::detached(&place.0, false);
    // SAFETY: the path ends with NUL.
    let unmounted = unsafe { libc::umount2(folder.as_ptr(), libc::MNT_DETACH) };
    sys::check(libc::c_long::from(unmounted)).map_err(|errno| step(errno.into()))?;
    taken.map_err(step)
}

/// A folder for the moment of a mount; removed with this.
struct Place(PathBuf);

impl Place {
    fn new() -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("/run/.rcompose-overlay-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        fs::DirBuilder::new().mode(0o700).create(&name)?;
        Ok(Self(PathBuf::from(name)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As kernels before 6.7 do it, whatever this one can do. Needs root and a file system below which an overlay's changes can lie.
    #[test]
    fn an_overlay_by_options_is_that_of_the_layers() {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let layers: Vec<PathBuf> = (0..120).map(|number| folder.path().join(format!("{}-{number}", "long".repeat(40)))).collect();
        for (number, layer) in layers.iter().enumerate() {
            fs::create_dir(layer).unwrap();
            fs::write(layer.join(format!("file{number}")), "").unwrap();
            fs::write(layer.join("same"), number.to_string()).unwrap();
        }
        let (upper, work) = (folder.path().join("upper"), folder.path().join("work"));
        fs::create_dir(&upper).unwrap();
        fs::create_dir(&work).unwrap();
        let lower: Vec<&Path> = layers.iter().map(PathBuf::as_path).collect();
        let made = by_options(&Overlay { lower: &lower, upper: Some((&upper, &work)), userxattr: false });
        // SAFETY: takes and returns nothing but a number.
        if unsafe { libc::geteuid() } != 0 {
            return;
        }
        let mount = made.unwrap_or_else(|error| panic!("{}", error.chain()));
        let below = PathBuf::from(format!("/proc/self/fd/{}", mount.as_raw_fd()));
        assert_eq!(fs::read_to_string(below.join("same")).unwrap(), "0");
        assert_eq!(fs::read_dir(&below).unwrap().count(), 121);
        fs::write(below.join("new"), "").unwrap();
        assert!(upper.join("new").exists());
        let many = vec![lower[0]; 300];
        let error = by_options(&Overlay { lower: &many, upper: None, userxattr: false }).unwrap_err();
        assert!(error.to_string().contains("300 layers"), "{error}");
        let left = fs::read_dir("/run").unwrap().flatten().map(|it| it.file_name().into_string().unwrap_or_default());
        assert!(!left.into_iter().any(|it| it.starts_with(&format!(".rcompose-overlay-{}-", std::process::id()))));
    }
}

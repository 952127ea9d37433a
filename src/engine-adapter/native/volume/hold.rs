//! Volumes that are mounted while containers use them: by the first that starts, until the last has ended.
//!
//! `RUN/holds/VOLUME/ID` says that a container uses one. It is written before the volume is mounted and removed before it is unmounted, so
//! whoever is killed in between leaves a hold of a container that does not run, or a mount that nobody holds; both are found and undone.

use std::ffi::CString;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use rcompose_engine_adapter::{EngineError, ErrorKind, Result, VolumeName};
use rcompose_supervise::{Phase, boot};
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};

use super::options::{self, Content, Mounted};
use crate::engine::Native;
use crate::error;
use crate::file;
use crate::place::Places;

/// Mounts on top of each other that are taken away before it is said that they stay.
const DEEPEST: u32 = 64;

impl Places {
    fn holds(&self) -> PathBuf {
        self.run.join("holds")
    }

    fn content(&self, name: &VolumeName) -> PathBuf {
        self.volume(name.as_str()).join("_data")
    }
}

/// Refuses a volume whose device is not there. One that was not made yet is fine.
pub(crate) fn check(places: &Places, name: &VolumeName) -> Result<()> {
    let Some(document) = places.volume_document(name)? else {
        return Ok(());
    };
    check_path(name, &options::read(name, &document.driver_opts)?)
}

pub(super) fn check_path(name: &VolumeName, content: &Content) -> Result<()> {
    let Some(path) = content.path() else { return Ok(()) };
    let must_be_folder = match content {
        Content::Own | Content::Folder(_) => true,
        Content::Mounted(it) => it.flags.contains(MountFlags::BIND),
    };
    let is_fine = if must_be_folder { path.is_dir() } else { path.exists() };
    let what = if must_be_folder { ", or is no folder" } else { "" };
    let missing = || error::invalid(format!("volume {name}: its device {} is not there{what}", path.display()));
    is_fine.then_some(()).ok_or_else(missing)
}

/// Returns the folder of a volume's content, mounted where it must be. The container holds it until [`release`].
pub(crate) fn hold(places: &Places, name: &VolumeName, id: &str) -> Result<PathBuf> {
    let document = places.volume_document(name)?.ok_or_else(|| error::absent("volume", name))?;
    let content = options::read(name, &document.driver_opts)?;
    check_path(name, &content)?;
    let wanted = match content {
        Content::Own => return Ok(places.content(name)),
        Content::Folder(folder) => return Ok(folder),
        Content::Mounted(wanted) => wanted,
    };
    let folder = places.content(name);
    let _lock = file::lock(&places.volume(name.as_str()).join("lock"))?;
    let holders = places.holds().join(name.as_str());
    file::private(&holders)?;
    file::write_volatile(&holders.join(id), b"")?;
    // What an earlier one left there, or another container uses, is the same: options do not change while a volume is there.
    if !is_mounted(&folder)? {
        mount(name, &wanted, &folder)?;
    }
    Ok(folder)
}

/// Lets a container hold no volume any more, and unmounts those that nobody holds; none is success.
pub(crate) fn release(places: &Places, id: &str) -> Result<()> {
    for name in file::names(&places.holds())? {
        if file::exists(&places.holds().join(&name).join(id)) {
            let_go(places, &name.into(), Some(id))?;
        }
    }
    Ok(())
}

fn let_go(places: &Places, name: &VolumeName, id: Option<&str>) -> Result<()> {
    let folder = places.volume(name.as_str());
    // Without a folder it was removed, and nothing is mounted there.
    let _lock = if folder.is_dir() { Some(file::lock(&folder.join("lock"))?) } else { None };
    let holders = places.holds().join(name.as_str());
    if let Some(id) = id {
        file::remove(&holders.join(id))?;
    }
    for other in file::names(&holders)? {
        if may_use(places, &other)? {
            return Ok(());
        }
    }
    unmount(places, name)?;
    file::remove_folder(&holders)
}

/// Tells whether a container is there, or is being made.
fn may_use(places: &Places, id: &str) -> Result<bool> {
    let place = places.container(id);
    Ok(file::exists(&place.document()) || (place.folder.is_dir() && file::try_lock(&place.lock())?.is_none()))
}

/// Undoes what a client that was killed left: mounts for containers that do not run, and that nobody is about to start.
pub(crate) fn sweep(native: &Native) -> Result<()> {
    let places = &native.places;
    for name in file::names(&places.holds())? {
        for id in file::names(&places.holds().join(&name))? {
            let Some(container) = places.read(&id)? else { continue };
            // One that has ended and is about to be started again by its policy has not ended for good.
            let is_over = || Ok(places.record(&container)?.is_none_or(|it| it.phase == Phase::Ended || it.boot != boot()));
            if is_over()?
                && let Some(_lock) = file::try_lock(&places.container(&id).lock())?
                && is_over()?
            {
                crate::container::detach(native, &id)?;
            }
        }
        let_go(places, &name.into(), None)?;
    }
    Ok(())
}

/// Unmounts a volume, whoever holds it. Called with its lock held.
pub(super) fn unmount(places: &Places, name: &VolumeName) -> Result<()> {
    let folder = places.content(name);
    for _ in 0..DEEPEST {
        if !is_mounted(&folder)? {
            return Ok(());
        }
        // At once: what still runs in it keeps it until it is done, and a server that is gone keeps nobody waiting.
        let flags = UnmountFlags::DETACH | UnmountFlags::NOFOLLOW;
        rustix::mount::unmount(&folder, flags).map_err(|errno| error::file("unmount", &folder)(errno.into()))?;
    }
    Err(error::conflict(format!("volume {name}: something is mounted at {} again and again", folder.display())))
}

/// Tells whether a folder is the root of a mount; an absent one is none.
fn is_mounted(folder: &Path) -> Result<bool> {
    match rustix::fs::statx(CWD, folder, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT, StatxFlags::empty()) {
        Ok(found) => Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)),
        Err(Errno::NOENT) => Ok(false),
        // A server of the network that has forgotten it: only what is mounted can be so.
        Err(Errno::STALE) => Ok(true),
        Err(errno) => Err(error::file("look at", folder)(errno.into())),
    }
}

fn mount(name: &VolumeName, wanted: &Mounted, folder: &Path) -> Result<()> {
    let Mounted { kind, device, flags, data } = wanted;
    let refused = |errno| refused(name, wanted, errno);
    if flags.contains(MountFlags::BIND) {
        if flags.contains(MountFlags::REC) {
            rustix::mount::mount_bind_recursive(device.as_str(), folder).map_err(refused)?;
        } else {
            rustix::mount::mount_bind(device.as_str(), folder).map_err(refused)?;
        }
        // A bind takes no other flag at first.
        let flags = *flags - MountFlags::REC;
        return rustix::mount::mount_remount(folder, flags, c"").map_err(|errno| {
            // The first error counts.
            let _left = rustix::mount::unmount(folder, UnmountFlags::DETACH);
            refused(errno)
        });
    }
    let data = data.iter().map(|word| addressed(name, kind, word)).collect::<Result<Vec<String>>>()?.join(",");
    let data = CString::new(data).map_err(|_| error::invalid(format!("volume {name}: driver_opts.o has a NUL")))?;
    rustix::mount::mount(device.as_str(), folder, kind.as_str(), *flags, data.as_c_str()).map_err(refused)
}

/// The kernel takes a server by its address only.
fn addressed(name: &VolumeName, kind: &str, word: &str) -> Result<String> {
    let Some(host) = word.strip_prefix("addr=").filter(|_| kind.starts_with("nfs") || kind == "cifs") else {
        return Ok(word.to_owned());
    };
    if host.parse::<IpAddr>().is_ok() {
        return Ok(word.to_owned());
    }
    let unknown = || error::invalid(format!("volume {name}: the address of its server {host} cannot be found"));
    let found: Vec<IpAddr> = (host, 0).to_socket_addrs().map_err(|it| unknown().caused_by(it))?.map(|it| it.ip()).collect();
    // One of IPv4 first, as Docker takes it: a server may well not listen by IPv6.
    let address = found.iter().find(|it| it.is_ipv4()).or(found.first());
    address.map(|it| format!("addr={it}")).ok_or_else(unknown)
}

fn refused(name: &VolumeName, wanted: &Mounted, errno: Errno) -> EngineError {
    let Mounted { kind, device, .. } = wanted;
    let (error, why) = match errno {
        Errno::NODEV => (ErrorKind::Unsupported, format!("this kernel has no file system `{kind}`")),
        Errno::NOENT => (ErrorKind::Invalid, format!("its device {device} is not there")),
        Errno::NOTBLK => (ErrorKind::Invalid, format!("its device {device} is no block device")),
        Errno::INVAL => (ErrorKind::Invalid, format!("{device} holds no {kind}, or `o` has a word that {kind} does not know")),
        Errno::ACCESS | Errno::PERM => (ErrorKind::Denied, format!("{device} may not be mounted")),
        Errno::BUSY => (ErrorKind::Conflict, format!("{device} is in use")),
        _ => (ErrorKind::Other, format!("{device} cannot be mounted")),
    };
    EngineError::new(error, format!("volume {name}: {why}")).caused_by(std::io::Error::from(errno))
}

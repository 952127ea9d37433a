//! Volumes: folders of this machine that outlive containers.

mod copy;
mod hold;
mod options;

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use rcompose_engine_adapter::{ContainerName, ErrorKind, Result, VolumeName, VolumeSpec, labels};

use crate::catalog::GONE;
use crate::clock;
use crate::document::{FORM, Volume};
use crate::engine::Native;
use crate::error;
use crate::file::{self, Lock};
use crate::place::{Places, is_name};
use crate::root::Root;

use options::Content;

pub(crate) use hold::{check, hold, release, sweep};

/// How often a folder is made that others take away.
const ATTEMPTS: u32 = 10;

/// Makes a volume; one of the same name is success.
pub(crate) fn create(native: &Native, spec: &VolumeSpec) -> Result<()> {
    // Destructured in full, so that a new field cannot be forgotten.
    let VolumeSpec { name, driver, driver_opts, labels, config_hash } = spec;
    if let Some(driver) = driver.as_deref().filter(|it| *it != "local") {
        let message = format!("volume {name}: the native engine has the driver `local` only, not `{driver}`");
        return Err(rcompose_engine_adapter::EngineError::new(ErrorKind::Unsupported, message));
    }
    let mut labels = labels.clone();
    let hash = config_hash
        .digest(|_| None)
        .ok_or_else(|| error::invalid(format!("volume {name}: its configuration hash refers to a container")))?;
    labels.insert(labels::CONFIG_HASH.into(), hash);
    hold::check_path(name, &options::read(name, driver_opts)?)?;
    make(&native.places, name, driver_opts, labels).map(drop)
}

/// Makes a volume unless it is there; tells whether it was made now.
pub(crate) fn make(
    places: &Places,
    name: &VolumeName,
    options: &BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
) -> Result<bool> {
    if !is_name(name.as_str()) {
        return Err(error::invalid(format!("volume {name}: a name has letters, digits, `_`, `.` and `-` only, at most 128")));
    }
    options::read(name, options)?;
    let folder = places.volume(name.as_str());
    let (_lock, is_new) = enter(&folder)?;
    let made = describe(places, name, options, labels);
    if made.is_err() && is_new {
        // The first error counts. Nothing but what was made here goes.
        let _left = remove_half(&folder);
    }
    made
}

/// Makes a volume's folder and takes its lock; tells whether the folder is new. What was made half is taken away by others, so it is looked
/// whether what was locked is still there.
fn enter(folder: &Path) -> Result<(Lock, bool)> {
    let path = folder.join("lock");
    let mut is_new = false;
    for _ in 0..ATTEMPTS {
        is_new |= !folder.exists();
        file::private(folder)?;
        match file::lock(&path) {
            Ok(lock) if path.exists() => return Ok((lock, is_new)),
            Ok(_) => {}
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => {
                let _left = is_new.then(|| std::fs::remove_dir(folder));
                return Err(error);
            }
        }
    }
    Err(error::conflict(format!("the folder {} is taken away again and again", folder.display())))
}

/// Takes away a volume's folder that has no document and no content. Called with its lock held.
fn remove_half(folder: &Path) -> Result<()> {
    let data = folder.join("_data");
    // Data whose description was lost must not be lost too: a folder that is not empty stays.
    match std::fs::remove_dir(&data) {
        Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => return Ok(()),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error::file("remove", &data)(error)),
        Ok(()) | Err(_) => {}
    }
    file::remove_folder(folder)
}

/// Removes what is left of volumes that were never made whole. What cannot be removed now is found again.
pub(crate) fn sweep_half(places: &Places) -> Result<()> {
    for name in file::names(&places.volumes())?.iter().filter(|it| is_name(it)) {
        let folder = places.volume(name);
        let is_half = || !file::exists(&folder.join("volume.json"));
        // Without a lock file it was cut off at once; or somebody is about to make it, and makes the folder anew.
        if is_half() && std::fs::remove_dir(&folder).is_err() {
            // Whoever is at it has the lock.
            let lock = file::try_lock(&folder.join("lock"));
            if matches!(lock, Ok(Some(_))) && is_half() {
                let _left = remove_half(&folder);
            }
        }
    }
    Ok(())
}

/// Called with the volume's lock held; tells whether it was made now.
fn describe(places: &Places, name: &VolumeName, options: &BTreeMap<String, String>, labels: BTreeMap<String, String>) -> Result<bool> {
    let folder = places.volume(name.as_str());
    if places.volume_document(name)?.is_some() {
        return Ok(false);
    }
    let data = folder.join("_data");
    match DirBuilder::new().mode(0o755).create(&data) {
        // Left by an attempt that was cut off; or data whose description was lost, which must not be lost too.
        Err(found) if found.kind() == std::io::ErrorKind::AlreadyExists => {}
        other => {
            other.map_err(error::file("make", &data))?;
            // Whatever the umask says, any user of a container may enter, as with Docker.
            std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).map_err(error::file("open to others", &data))?;
        }
    }
    let fresh = std::fs::read_dir(&data).map_err(error::file("read the folder", &data))?.next().is_none();
    let document = Volume { form: FORM, created: clock::now(), driver_opts: options.clone(), labels, fresh, filling: false };
    file::write(&folder.join("volume.json"), &document)?;
    Ok(true)
}

/// Removes a volume; absent is success.
pub(crate) fn remove(native: &Native, name: &VolumeName) -> Result<()> {
    let places = &native.places;
    let folder = places.volume(name.as_str());
    if !is_name(name.as_str()) || !folder.is_dir() {
        return Ok(());
    }
    let _engine = places.lock()?;
    let _lock = file::lock(&folder.join("lock"))?;
    let users = users(places, name)?;
    if !users.is_empty() {
        let users: Vec<String> = users.iter().map(ToString::to_string).collect();
        return Err(error::conflict(format!("cannot remove volume {name}: in use by {}", users.join(", "))));
    }
    // What was left mounted there is not ours to remove.
    hold::unmount(places, name)?;
    // First what says that it is there, last the data: cut off in between, the rest goes with the next attempt, and nothing else.
    let gone = folder.with_file_name(format!("{GONE}{name}"));
    std::fs::rename(&folder, &gone).map_err(error::file("remove", &folder))?;
    file::remove_folder(&gone)
}

/// Which containers have a volume.
fn users(places: &Places, name: &VolumeName) -> Result<Vec<ContainerName>> {
    let has = |it: &crate::document::Container| it.volumes.iter().any(|it| it.volume == *name);
    Ok(places.all()?.into_iter().filter(has).map(|it| it.name).collect())
}

/// Puts the image's content below a path into a volume that nothing was put into yet. One that is mounted is so for that moment, for the
/// container of this id.
pub(crate) fn fill(places: &Places, name: &VolumeName, id: &str, root: &Root, target: &Path) -> Result<()> {
    let Some(document) = places.volume_document(name)?.filter(|it| it.fresh) else {
        return Ok(());
    };
    let content = options::read(name, &document.driver_opts)?;
    let source = root.folder(target)?;
    // What is put into memory now would be gone at the start.
    let Some(source) = source.filter(|_| !content.is_memory()) else {
        return filled(places, name);
    };
    let data = hold::hold(places, name, id)?;
    let done = fill_once(places, name, source.as_fd(), &data);
    if let Content::Mounted(_) = content {
        hold::release(places, id)?;
    }
    done
}

fn fill_once(places: &Places, name: &VolumeName, source: BorrowedFd<'_>, data: &Path) -> Result<()> {
    let folder = places.volume(name.as_str());
    let _lock = file::lock(&folder.join("lock"))?;
    let Some(mut document) = places.volume_document(name)?.filter(|it| it.fresh) else {
        return Ok(());
    };
    let into = std::fs::File::open(data).map_err(error::file("open", data))?;
    let failed = |errno: rustix::io::Errno| error::file("copy the image's content into", data)(errno.into());
    let again = document.filling;
    // What is somebody's already is not written over.
    if again || copy::is_empty(into.as_fd()).map_err(failed)? {
        if !copy::is_empty(source).map_err(failed)? {
            document.filling = true;
            file::write(&folder.join("volume.json"), &document)?;
        }
        copy::tree(source, into.as_fd(), again).map_err(failed)?;
    }
    not_fresh(places, name)
}

fn filled(places: &Places, name: &VolumeName) -> Result<()> {
    let _lock = file::lock(&places.volume(name.as_str()).join("lock"))?;
    not_fresh(places, name)
}

/// Called with the volume's lock held.
fn not_fresh(places: &Places, name: &VolumeName) -> Result<()> {
    match places.volume_document(name)? {
        Some(mut document) => {
            (document.fresh, document.filling) = (false, false);
            file::write(&places.volume(name.as_str()).join("volume.json"), &document)
        }
        None => Ok(()),
    }
}

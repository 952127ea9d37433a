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
use crate::file;
use crate::place::{Places, is_name};
use crate::root::Root;

use options::Content;

pub(crate) use hold::{check, hold, release, sweep};

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
    file::private(&folder)?;
    let _lock = file::lock(&folder.join("lock"))?;
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
    let document = Volume { form: FORM, created: clock::now(), driver_opts: options.clone(), labels, fresh };
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
    let done = fill_once(places, name, content == Content::Own, source.as_fd(), &data);
    if let Content::Mounted(_) = content {
        hold::release(places, id)?;
    }
    done
}

fn fill_once(places: &Places, name: &VolumeName, is_own: bool, source: BorrowedFd<'_>, data: &Path) -> Result<()> {
    let _lock = file::lock(&places.volume(name.as_str()).join("lock"))?;
    if places.volume_document(name)?.is_none_or(|it| !it.fresh) {
        return Ok(());
    }
    // What is somebody's already is not written over.
    let is_empty = || Ok(std::fs::read_dir(data).map_err(error::file("read the folder", data))?.next().is_none());
    if is_own || is_empty()? {
        let into = std::fs::File::open(data).map_err(error::file("open", data))?;
        copy::tree(source, into.as_fd()).map_err(|it| error::file("copy the image's content into", data)(it.into()))?;
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
            document.fresh = false;
            file::write(&places.volume(name.as_str()).join("volume.json"), &document)
        }
        None => Ok(()),
    }
}

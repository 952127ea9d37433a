//! Volumes: folders of this machine that outlive containers.

mod copy;

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rcompose_engine_adapter::{ContainerName, ErrorKind, Result, VolumeName, VolumeSpec, labels};

use crate::catalog::GONE;
use crate::clock;
use crate::document::{FORM, Volume};
use crate::engine::Native;
use crate::error;
use crate::file;
use crate::place::{Places, is_name};
use crate::root::Root;

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
    check_options(name, options)?;
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

/// What mount(8) would mount: the options of Docker's driver `local`, as far as they bind a folder.
fn check_options(name: &VolumeName, options: &BTreeMap<String, String>) -> Result<()> {
    if options.is_empty() || bound(options).is_some_and(|it| it.is_absolute()) {
        return Ok(());
    }
    let said: Vec<String> = options.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let message = format!(
        "volume {name}: the native engine binds a folder (type none, o bind, device an absolute path) and mounts nothing else yet, not {}",
        said.join(", ")
    );
    Err(rcompose_engine_adapter::EngineError::new(ErrorKind::Unsupported, message))
}

/// Returns the folder that options bind.
fn bound(options: &BTreeMap<String, String>) -> Option<&Path> {
    let known = options.keys().all(|it| ["type", "device", "o"].contains(&it.as_str()));
    let plain = options.get("type").is_none_or(|it| it == "none" || it.is_empty());
    let binds = options
        .get("o")
        .is_some_and(|it| it.split(',').all(|it| ["bind", "rbind", "rw"].contains(&it)) && it.contains("bind"));
    options.get("device").filter(|_| known && plain && binds).map(Path::new)
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

/// Returns the folder of a volume's content.
pub(crate) fn data(places: &Places, name: &VolumeName) -> Result<PathBuf> {
    let document = places.volume_document(name)?.ok_or_else(|| error::absent("volume", name))?;
    match bound(&document.driver_opts) {
        Some(folder) if !folder.is_dir() => {
            Err(error::invalid(format!("volume {name}: its device {} is not there, or is no folder", folder.display())))
        }
        Some(folder) => Ok(folder.to_owned()),
        None => Ok(places.volume(name.as_str()).join("_data")),
    }
}

/// Puts the image's content below a path into a volume that nothing was put into yet.
pub(crate) fn fill(places: &Places, name: &VolumeName, root: &Root, target: &Path) -> Result<()> {
    let folder = places.volume(name.as_str());
    let _lock = file::lock(&folder.join("lock"))?;
    let Some(mut document) = places.volume_document(name)?.filter(|it| it.fresh && it.driver_opts.is_empty()) else {
        return Ok(());
    };
    let data = folder.join("_data");
    if let Some(source) = root.folder(target)? {
        let into = std::fs::File::open(&data).map_err(error::file("open", &data))?;
        copy::tree(source.as_fd(), into.as_fd()).map_err(|it| error::file("copy the image's content into", &data)(it.into()))?;
    }
    document.fresh = false;
    file::write(&folder.join("volume.json"), &document)
}

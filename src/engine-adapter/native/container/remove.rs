//! Removing containers, and what is done when one ends.

use rcompose_engine_adapter::{ContainerName, Result};
use rcompose_supervise::{Phase, Record, forget};

use super::{life, mounts};
use crate::catalog::{GONE, is_meant};
use crate::document::Container;
use crate::engine::Native;
use crate::error;
use crate::file;
use crate::link;
use crate::place;
use crate::trash;
use crate::volume;

/// Removes a container, killing it if it runs; absent is success.
pub(crate) fn remove(native: &Native, name: &ContainerName, volumes: bool) -> Result<()> {
    let Some(id) = native.places.id(name)? else { return Ok(()) };
    let Some((container, lock)) = native.places.hold(name)? else {
        // Nothing but a name, or what was made half.
        clear_remains(native, &id, name)?;
        return Ok(());
    };
    let removed = remove_held(native, container, volumes);
    drop(lock);
    removed
}

/// Removes a container by its id unless it runs; absent is success.
pub(crate) fn remove_ended(native: &Native, id: &str) -> Result<()> {
    let Some((container, _lock)) = native.places.hold(&ContainerName::from(id))? else {
        return Ok(());
    };
    if native.running(&container)?.is_some() {
        return Err(error::conflict(format!("container {} was started meanwhile", container.name)));
    }
    remove_held(native, container, false)
}

/// As [`remove`], for one that is held.
fn remove_held(native: &Native, mut container: Container, volumes: bool) -> Result<()> {
    let places = &native.places;
    if !container.removing {
        container.removing = true;
        match file::write_last(&places.container(&container.id).document(), &container) {
            // To remove it frees some; cut off, it is removed by the next attempt all the same.
            Err(error) if error::is_full(&error) => {}
            other => other?,
        }
    }
    let following = life::end(native, &container)?;
    link::leave(native, &container)?;
    mounts::detach(native, &container.id)?;
    following.done();
    let shim = places.shim(container.project(), &container.id)?;
    forget(&shim).map_err(error::supervise("remove what is left of a container"))?;
    mounts::remove_files(native, &container.id)?;
    native.images.unpin(&container.id).map_err(error::image)?;
    // The document goes with its folder, first of all: without it there is nothing left to be asked about.
    let folder = places.container(&container.id).folder;
    let gone = folder.with_file_name(format!("{GONE}{}", container.id));
    std::fs::rename(&folder, &gone).map_err(error::file("remove", &folder))?;
    file::remove(&places.names().join(container.name.as_str()))?;
    // What describes it goes now, with the values of its variables; the rest may take a while.
    let document = place::Container { folder: gone }.document();
    for path in [&document, &file::copy(&document)] {
        file::remove(path)?;
    }
    native.trash.filled();
    native.tell_of(&container, "destroy");
    native.forget_project(container.project())?;
    if volumes {
        for bound in container.volumes.iter().filter(|it| it.anonymous) {
            match volume::remove(native, &bound.volume) {
                // Another container took it over: then it is not this one's to remove.
                Err(error) if error.kind == rcompose_engine_adapter::ErrorKind::Conflict => {}
                other => other?,
            }
        }
    }
    Ok(())
}

/// Clears away what a client that was killed left of a container: a name without a document. Tells whether the name is free now.
pub(super) fn clear_remains(native: &Native, id: &str, name: &ContainerName) -> Result<bool> {
    let places = &native.places;
    let place = places.container(id);
    if place.folder.is_dir() {
        let Some(_lock) = file::try_lock(&place.lock())? else {
            return Ok(false);
        };
        if let Some(found) = places.read(id)? {
            if is_meant(&found, name) {
                return Ok(false);
            }
            // A rename was cut off: the container has another name, and keeps it.
            file::remove(&places.names().join(name.as_str()))?;
            return Ok(true);
        }
        native.images.unpin(id).map_err(error::image)?;
        mounts::remove_files(native, id)?;
        file::remove_folder(&place.folder)?;
    }
    let path = places.names().join(name.as_str());
    // Somebody else may have taken the name since.
    if std::fs::read_to_string(&path).is_ok_and(|holder| holder == id) {
        file::remove(&path)?;
    }
    Ok(true)
}

/// Removes what killed clients left: containers that were never made whole, and what is on its way out.
pub(crate) fn sweep(native: &Native) -> Result<()> {
    let places = &native.places;
    for folder in [places.containers(), places.volumes()] {
        // Whoever takes it away may still be at it.
        let _other = trash::clear(&folder);
    }
    volume::sweep(native)?;
    volume::sweep_half(places)?;
    let ids = places.ids()?;
    let is_half = |id: &&String| !file::exists(&places.container(id).document());
    let held_by_none = |name: &&String| {
        let holder = places.id(&ContainerName::from(name.as_str()));
        holder.is_ok_and(|id| id.is_none_or(|id| !file::exists(&places.container(&id).folder)))
    };
    let names = file::names(&places.names())?;
    // Every container has a name: where there are as many names as containers, each name is one's.
    let is_even = names.len() == ids.len();
    if !ids.iter().any(|id| is_half(&id)) && (is_even || (names.len() > ids.len() && !names.iter().any(|name| held_by_none(&name)))) {
        return Ok(());
    }
    // Names are taken, and folders of containers made, with this lock held: what is found is surely left over.
    let _engine = places.lock()?;
    for name in names.iter().filter(held_by_none) {
        file::remove(&places.names().join(name))?;
    }
    for id in &ids {
        // A disk lost it, or a hand.
        if let Some(nameless) = places.shared(id)?.filter(|it| !file::exists(&places.names().join(it.name.as_str()))) {
            let path = places.names().join(nameless.name.as_str());
            file::claim(&path, id, &places.container(id).folder.join("name"))?;
            file::settle(&path)?;
        }
    }
    for id in ids.iter().filter(is_half) {
        let place = places.container(id);
        if let Some(_lock) = file::try_lock(&place.lock())?
            && !file::exists(&place.document())
        {
            native.images.unpin(id).map_err(error::image)?;
            mounts::remove_files(native, id)?;
            file::remove_folder(&place.folder)?;
        }
    }
    Ok(())
}

/// Does what follows from a change of a container: called by its shim, in a process of its own.
///
/// # Errors
/// Something of it stays.
pub(crate) fn changed(native: &Native, id: &str) -> Result<()> {
    let name = ContainerName::from(id);
    let Some((container, lock)) = native.places.hold(&name)? else {
        return Ok(());
    };
    let record: Option<Record> = native.places.record(&container)?;
    if record.is_some_and(|it| it.phase == Phase::Ended) {
        link::leave(native, &container)?;
        mounts::detach(native, &container.id)?;
        if container.spec.auto_remove {
            remove_held(native, container, true)?;
            native.trash.clear()?;
        }
    } else {
        link::refresh(native, &native.places.project_name(container.project()))?;
    }
    drop(lock);
    Ok(())
}

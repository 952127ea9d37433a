//! Removing containers, and what is done when one ends.

use std::collections::BTreeSet;
use std::fs;

use rcompose_engine_adapter::{ContainerName, Result};
use rcompose_supervise::{Phase, Record, forget};

use super::{life, mounts};
use crate::catalog::{GONE, is_id, is_meant};
use crate::document::Container;
use crate::engine::Native;
use crate::error;
use crate::file::{self, Lock};
use crate::link;
use crate::place::{self, Places};
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
    let removed = remove_held(native, &container, volumes);
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
    remove_held(native, &container, false)
}

/// As [`remove`], for one that is held.
fn remove_held(native: &Native, container: &Container, volumes: bool) -> Result<()> {
    let places = &native.places;
    match places.container(&container.id).mark_going() {
        // To remove it frees some; cut off, it is removed by the next attempt all the same.
        Err(error) if error::is_full(&error) => {}
        other => other?,
    }
    let following = life::end(native, container)?;
    link::leave(native, container)?;
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
    let name = places.names().join(container.name.as_str());
    // From here on somebody else may take it, who found it leading nowhere.
    if fs::read_to_string(&name).is_ok_and(|holder| holder == container.id || !is_id(&holder)) {
        file::remove(&name)?;
    }
    // What describes it goes now, with the values of its variables; the rest may take a while.
    let document = place::Container { folder: gone }.document();
    for path in [&document, &file::copy(&document)] {
        file::remove(path)?;
    }
    native.trash.filled();
    native.tell_of(container, "destroy");
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
    let odd = Odd::find(places)?;
    if odd.is_none() {
        return Ok(());
    }
    // Names are taken, and folders of containers made, with this lock held: what is found is surely left over.
    let _engine = places.lock()?;
    for id in &odd.half {
        let place = places.container(id);
        if let Some(_lock) = try_hold(places, id)?
            && !file::exists(&place.document())
        {
            native.images.unpin(id).map_err(error::image)?;
            mounts::remove_files(native, id)?;
            file::remove_folder(&place.folder)?;
        }
    }
    for name in &odd.spare {
        clear_name(places, name)?;
    }
    for id in &odd.nameless {
        give_name(places, id)?;
    }
    Ok(())
}

/// What does not fit together: a client is just at it, or one was killed.
#[derive(Debug, Default)]
struct Odd {
    /// Names that no document has.
    spare: Vec<String>,
    /// Containers without their name.
    nameless: Vec<String>,
    /// Folders without a document.
    half: Vec<String>,
}

impl Odd {
    fn find(places: &Places) -> Result<Self> {
        let mut odd = Self::default();
        let mut names: BTreeSet<String> = file::names(&places.names())?.into_iter().collect();
        for id in places.ids()? {
            // What looks odd is looked at again with the lock held.
            match places.labelled(&id)? {
                None => odd.half.push(id),
                Some(container) if !names.remove(container.name.as_str()) => odd.nameless.push(id),
                Some(_) => {}
            }
        }
        odd.spare.extend(names);
        Ok(odd)
    }

    fn is_none(&self) -> bool {
        self.spare.is_empty() && self.nameless.is_empty() && self.half.is_empty()
    }
}

/// Holds a container that nobody is at; nothing where somebody is, or it is gone.
fn try_hold(places: &Places, id: &str) -> Result<Option<Lock>> {
    let place = places.container(id);
    if place.folder.is_dir() { file::try_lock(&place.lock()) } else { Ok(None) }
}

/// Takes a name away that leads to no container, or that a rename left which was cut off.
fn clear_name(places: &Places, name: &str) -> Result<()> {
    let path = places.names().join(name);
    let holder = fs::read_to_string(&path).unwrap_or_default();
    if is_id(&holder) && file::exists(&places.container(&holder).folder) {
        let Some(_lock) = try_hold(places, &holder)? else { return Ok(()) };
        if places.shared(&holder)?.is_none_or(|it| it.name.as_str() == name) {
            return Ok(());
        }
        return file::remove(&path);
    }
    file::remove(&path)
}

/// Gives a container its name again, which a disk lost, or a hand.
fn give_name(places: &Places, id: &str) -> Result<()> {
    let Some(_lock) = try_hold(places, id)? else { return Ok(()) };
    if let Some(container) = places.shared(id)? {
        let path = places.names().join(container.name.as_str());
        // Somebody else may have it by now: then it is found by its id.
        if file::claim(&path, id, &places.container(id).folder.join("name"))? {
            file::settle(&path)?;
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
            remove_held(native, &container, true)?;
            native.trash.clear()?;
        }
    } else {
        link::refresh(native, &native.places.project_name(container.project()))?;
    }
    drop(lock);
    Ok(())
}

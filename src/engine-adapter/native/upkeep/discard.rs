//! Taking things away, each only while nothing has it.

use rcompose_engine_adapter::{Discard, MountKind, Result, VolumeName};

use super::leftovers;
use crate::engine::Native;
use crate::place::is_name;
use crate::{container, error, file, network, volume};

pub(super) fn discard(native: &Native, what: &Discard) -> Result<Option<u64>> {
    match what {
        Discard::Container(id) => container::remove_ended(native, id).map(|()| None),
        Discard::Network(name) => network::remove(native, name).map(|()| None),
        Discard::Volume(name) => unused_volume(native, name).map(|()| None),
        Discard::Image { id, names } => image(native, id, names).map(|()| None),
        // Images are built elsewhere.
        Discard::Cache { .. } => Ok(None),
        Discard::Leftovers => leftovers::remove(native).map(Some),
    }
}

/// A container that is being made has its volumes before it is written down itself.
fn unused_volume(native: &Native, name: &VolumeName) -> Result<()> {
    let places = &native.places;
    for id in file::names(&places.containers())?.iter().filter(|it| is_name(it)) {
        let place = places.container(id);
        if !file::exists(&place.document()) && file::exists(&place.lock()) && file::try_lock(&place.lock())?.is_none() {
            return Err(error::conflict(format!("volume {name}: a container is being made, which may be meant to have it")));
        }
    }
    volume::remove(native, name)
}

fn image(native: &Native, id: &str, names: &[String]) -> Result<()> {
    let found = match native.images.find(id) {
        Err(rcompose_image::ImageError::NoSuchImage { .. }) => return Ok(()),
        other => other.map_err(error::image)?,
    };
    if found.names.iter().any(|it| !names.contains(&it.familiar())) {
        return Err(error::conflict(format!("image {} was given a name meanwhile", found.id.short())));
    }
    for container in native.places.all()? {
        let mounts = container.spec.mounts.iter().filter_map(|it| match &it.kind {
            MountKind::Image { image, .. } => native.images.find_id(image.as_str()).ok(),
            _ => None,
        });
        if mounts.into_iter().any(|it| it == found.id) {
            return Err(error::conflict(format!("image {} is mounted in container {}", found.id.short(), container.name)));
        }
    }
    native.images.remove(id, true).map(drop).map_err(error::image)
}

//! Making a container: all of it or nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rcompose_engine_adapter::{ContainerName, ContainerSpec, EngineError, ErrorKind, NetworkMode, Result, labels};
use rcompose_image::Image;
use rcompose_supervise::boot;

use super::{logging, mounts};
use crate::clock;
use crate::document::{Bound, Container, FORM};
use crate::engine::Native;
use crate::error;
use crate::file;
use crate::images;
use crate::place::is_name;
use crate::root::Root;
use crate::volume;

pub(crate) fn create(native: &Native, spec: &ContainerSpec) -> Result<()> {
    if !is_name(spec.name.as_str()) {
        let message = format!("container {}: a name has letters, digits, `_`, `.` and `-` only, at most 128", spec.name);
        return Err(error::invalid(message));
    }
    let image = images::find(native, &spec.image, spec.platform.as_deref())?;
    let id = new_id()?;
    let document = document(native, spec, &image, &id)?;
    mounts::check(&document.spec)?;
    mounts::check_volumes(&native.places, &document.spec)?;
    let kept = logging::read(&document.who(), spec.logging.as_ref())?;
    native.remarks.add(&document, kept.warnings);
    let half = Half { native, id: &id, volumes: Vec::new(), named: false };
    half.make(document, &image)
}

/// 64 hex digits, as Docker's ids have.
pub(crate) fn new_id() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| EngineError::new(ErrorKind::Other, "the kernel gives no random bytes").caused_by(error))?;
    Ok(bytes.iter().map(|it| format!("{it:02x}")).collect())
}

/// Puts together what is written down; refuses what refers to something that is not there.
fn document(native: &Native, spec: &ContainerSpec, image: &Image, id: &str) -> Result<Container> {
    let places = &native.places;
    if let NetworkMode::Networks { attachments } = &spec.network {
        for attachment in attachments {
            places.network(&attachment.network)?.ok_or_else(|| error::absent("network", &attachment.network))?;
        }
    }
    let mut labels: BTreeMap<String, String> = images::defaults(image).labels;
    labels.extend(spec.labels.clone());
    labels.insert(labels::IMAGE.into(), image.id.to_string());
    if let Some(hash) = &spec.config_hash {
        let holes = hash.holes.iter().map(|it| Ok((&it.container, places.known(&it.container)?.id)));
        let ids: BTreeMap<&ContainerName, String> = holes.collect::<Result<_>>()?;
        let digest = hash.digest(|name| ids.get(name).cloned());
        let digest = digest.ok_or_else(|| error::invalid(format!("container {}: its configuration hash has an open hole", spec.name)))?;
        labels.insert(labels::CONFIG_HASH.into(), digest);
    }
    if let NetworkMode::Container { container } = &spec.network {
        places.known(container)?;
    }
    Ok(Container {
        form: FORM,
        id: id.to_owned(),
        name: spec.name.clone(),
        created: clock::now(),
        labels,
        image_id: image.id.to_string().into(),
        image: images::defaults(image),
        // They are all among those above.
        spec: ContainerSpec { labels: BTreeMap::new(), ..spec.clone() },
        volumes: Vec::new(),
        files_of: (!spec.files.is_empty()).then(boot),
    })
}

/// What was made so far.
struct Half<'a> {
    native: &'a Native,
    id: &'a str,
    /// Anonymous volumes made for it.
    volumes: Vec<rcompose_engine_adapter::VolumeName>,
    named: bool,
}

impl Half<'_> {
    fn make(mut self, document: Container, image: &Image) -> Result<()> {
        let name = document.name.clone();
        let made = self.steps(document, image);
        made.map_err(|error| match self.undo(&name) {
            Ok(()) => error,
            Err(left) => {
                let message = format!("{}; what was made of it could not be removed: {left}", error.message);
                EngineError { message, ..error }
            }
        })
    }

    fn steps(&mut self, mut document: Container, image: &Image) -> Result<()> {
        let places = &self.native.places;
        let place = places.container(self.id);
        // Held to the end: whoever finds this folder without a document, and without this lock, finds what a killed client left. The
        // engine's lock keeps them from finding it in between.
        let engine = places.lock()?;
        file::private(&place.folder)?;
        let _lock = file::lock(&place.lock())?;
        self.claim(&document.name)?;
        drop(engine);
        // Before the document: a container has a name, whatever happens.
        file::settle(&places.names().join(document.name.as_str()))?;
        self.native.images.pin(&image.id, self.id).map_err(error::image)?;
        for folder in [place.upper(), place.work(), place.bundle(), place.keep(), place.folder.join("etc")] {
            file::private(&folder)?;
        }
        // The upper folder is the container's root: anybody in it may enter.
        std::fs::set_permissions(place.upper(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .map_err(error::file("open to others", &place.upper()))?;
        let layers: Vec<&Path> = image.layers.iter().map(PathBuf::as_path).collect();
        let root = Root::open(&layers)?;
        document.volumes = self.volumes(&document, &root)?;
        mounts::put_files(self.native, &document)?;
        file::write(&place.document(), &document)?;
        self.native.tell_of(&document, "create");
        Ok(())
    }

    /// Takes the name. One whose container was never made, or is gone, is taken over.
    fn claim(&mut self, name: &ContainerName) -> Result<()> {
        let places = &self.native.places;
        let path = places.names().join(name.as_str());
        let draft = places.container(self.id).folder.join("name");
        let taken = || error::conflict(format!("the name {name} is in use by another container"));
        for _ in 0..2 {
            if file::claim(&path, self.id, &draft)? {
                self.named = true;
                return Ok(());
            }
            let Some(holder) = places.id(name)? else {
                // It is nobody's: gone by now, or cut off by a loss of power.
                file::remove(&path)?;
                continue;
            };
            if !super::remove::clear_remains(self.native, &holder, name)? {
                return Err(taken());
            }
        }
        Err(taken())
    }

    fn volumes(&mut self, document: &Container, root: &Root) -> Result<Vec<Bound>> {
        let places = &self.native.places;
        let wanted = mounts::volumes(document)?;
        let mut bound = Vec::new();
        for it in wanted {
            let name = match it.name {
                Some(name) => name,
                None => new_id()?.into(),
            };
            if volume::make(places, &name, &BTreeMap::new(), it.labels)? && it.anonymous {
                self.volumes.push(name.clone());
            }
            if !it.nocopy {
                volume::fill(places, &name, self.id, root, Path::new(&it.target))?;
            }
            bound.push(Bound {
                target: it.target,
                volume: name,
                subpath: it.subpath,
                read_only: it.read_only,
                anonymous: it.anonymous,
            });
        }
        Ok(bound)
    }

    /// Takes away what was made. The first error counts, the rest is tried all the same.
    fn undo(&self, name: &ContainerName) -> Result<()> {
        let places = &self.native.places;
        let place = places.container(self.id);
        let mut done = vec![file::remove_folder(&place.folder)];
        if self.named {
            done.push(file::remove(&places.names().join(name.as_str())));
        }
        done.push(self.native.images.unpin(self.id).map_err(error::image));
        done.extend(self.volumes.iter().map(|it| file::remove_folder(&places.volume(it.as_str()))));
        done.push(mounts::remove_files(self.native, self.id));
        done.into_iter().collect()
    }
}

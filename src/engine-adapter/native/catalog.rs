//! Finds what is written down, by name and by id.

use std::fs;
use std::io;
use std::sync::Arc;

use rcompose_engine_adapter::{ContainerName, NetworkName, Result, VolumeName};
use rcompose_supervise::boot;

use crate::document::{self, Container, Network, Volume};
use crate::error;
use crate::file::{self, Lock};
use crate::place::{Places, is_name};

/// Before the name of a folder that is on its way out.
pub(crate) const GONE: &str = ".gone-";

impl Places {
    /// Makes the folders of an engine.
    pub(crate) fn make(&self) -> Result<()> {
        file::private(&self.root)?;
        self.forget_earlier_boots()?;
        file::private_of_many(&self.containers())?;
        for folder in [self.names(), self.networks(), self.volumes(), self.projects()] {
            file::private(&folder)?;
        }
        Ok(())
    }

    /// Clears away what an earlier start of the machine left of its processes, namespaces and sockets, where that was not in memory: none of
    /// them lives, and all stand in the way.
    fn forget_earlier_boots(&self) -> Result<()> {
        let (path, now) = (self.run.join("boot"), boot());
        let written = || fs::read_to_string(&path).ok();
        if written().as_ref() == Some(&now) {
            return Ok(());
        }
        let _engine = self.lock()?;
        file::private(&self.run)?;
        // Without the file it was made by a version that wrote none, and may be of this start.
        if written().is_some_and(|it| it != now) {
            for name in file::names(&self.run)? {
                let left = self.run.join(name);
                if left.is_dir() { file::remove_folder(&left) } else { file::remove(&left) }?;
            }
        }
        file::write_volatile(&path, now.as_bytes())
    }

    /// Finds a container's id by its name, its id, or the first digits of its id.
    pub(crate) fn id(&self, name: &ContainerName) -> Result<Option<String>> {
        let text = name.as_str();
        if !is_name(text) {
            return Ok(None);
        }
        let path = self.names().join(text);
        match fs::read_to_string(&path) {
            Ok(id) if is_id(&id) => return Ok(Some(id)),
            Ok(_) => return self.named_by_document(name),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return self.named_by_document(name),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error::file("read", &path)(error)),
        }
        if text.len() < 12 || !text.bytes().all(|it| it.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let mut fitting = file::names(&self.containers())?.into_iter().filter(|id| id.starts_with(text));
        Ok(fitting.next().filter(|_| fitting.next().is_none()))
    }

    /// Finds a container's id by the name in its document, for a name whose file is damaged.
    fn named_by_document(&self, name: &ContainerName) -> Result<Option<String>> {
        for container in self.one_by_one()? {
            let container = container?;
            if container.name == *name {
                return Ok(Some(container.id));
            }
        }
        Ok(None)
    }

    /// Reads a container by its id; nothing where it is not there, or is still being made.
    pub(crate) fn read(&self, id: &str) -> Result<Option<Container>> {
        Ok(self.shared(id)?.map(|it| Container::clone(&it)))
    }

    /// As [`Places::read`], for one that is only looked at.
    pub(crate) fn shared(&self, id: &str) -> Result<Option<Arc<Container>>> {
        self.seen.read(id, &self.container(id).document(), is_readable)
    }

    /// As [`Places::shared`], but as it was when this process read it: its labels and what was asked for are the same as long as it is there.
    pub(crate) fn labelled(&self, id: &str) -> Result<Option<Arc<Container>>> {
        self.seen.read_once(id, || self.container(id).document(), is_readable)
    }

    /// Finds a container by its name.
    pub(crate) fn find(&self, name: &ContainerName) -> Result<Option<Container>> {
        let id = self.id(name)?;
        let found = id.map_or(Ok(None), |id| self.read(&id))?;
        Ok(found.filter(|it| is_meant(it, name)))
    }

    /// Finds a container that must be there.
    pub(crate) fn known(&self, name: &ContainerName) -> Result<Container> {
        self.find(name)?.ok_or_else(|| error::absent("container", name))
    }

    /// Reads all containers. One whose document is damaged is an error that names it: nothing is done over its head.
    pub(crate) fn all(&self) -> Result<Vec<Container>> {
        self.one_by_one()?.collect()
    }

    /// Reads all containers, each when it is asked for.
    pub(crate) fn one_by_one(&self) -> Result<impl Iterator<Item = Result<Container>> + '_> {
        Ok(self.ids()?.into_iter().filter_map(|id| self.read(&id).transpose()))
    }

    /// All ids, of containers that are still being made too.
    pub(crate) fn ids(&self) -> Result<Vec<String>> {
        Ok(file::names(&self.containers())?.into_iter().filter(|it| is_name(it)).collect())
    }

    /// Holds a container while something is done with it, and reads it as it is then.
    pub(crate) fn hold(&self, name: &ContainerName) -> Result<Option<(Container, Lock)>> {
        let Some(id) = self.id(name)? else { return Ok(None) };
        let place = self.container(&id);
        if !place.folder.is_dir() {
            return Ok(None);
        }
        let lock = file::lock(&place.lock())?;
        Ok(self.read(&id)?.filter(|it| is_meant(it, name)).map(|found| (found, lock)))
    }

    /// As [`Places::hold`], for one that must be there.
    pub(crate) fn hold_known(&self, name: &ContainerName) -> Result<(Container, Lock)> {
        self.hold(name)?.ok_or_else(|| error::absent("container", name))
    }

    pub(crate) fn network(&self, name: &NetworkName) -> Result<Option<Network>> {
        if !is_name(name.as_str()) {
            return Ok(None);
        }
        let found: Option<Network> = file::read(&self.networks().join(format!("{name}.json")))?;
        if let Some(found) = &found {
            document::check_form("network", name.as_str(), found.form)?;
        }
        Ok(found)
    }

    /// Reads all networks.
    pub(crate) fn all_networks(&self) -> Result<Vec<Network>> {
        let names = file::names(&self.networks())?;
        let names = names.iter().filter_map(|it| it.strip_suffix(".json"));
        names.filter_map(|name| self.network(&name.into()).transpose()).collect()
    }

    pub(crate) fn volume_document(&self, name: &VolumeName) -> Result<Option<Volume>> {
        if !is_name(name.as_str()) {
            return Ok(None);
        }
        let found: Option<Volume> = file::read(&self.volume(name.as_str()).join("volume.json"))?;
        if let Some(found) = &found {
            document::check_form("volume", name.as_str(), found.form)?;
        }
        Ok(found)
    }

    /// Reads all volumes.
    pub(crate) fn all_volumes(&self) -> Result<Vec<(VolumeName, Volume)>> {
        let mut all = Vec::new();
        for name in file::names(&self.volumes())? {
            let name = VolumeName::from(name);
            all.extend(self.volume_document(&name)?.map(|it| (name, it)));
        }
        Ok(all)
    }

    /// Held while names, networks or volumes change.
    pub(crate) fn lock(&self) -> Result<Lock> {
        file::lock(&self.root.join("engine.lock"))
    }
}

/// Tells whether a text is a container's id, whole.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|it| it.is_ascii_hexdigit())
}

fn is_readable(container: &Container) -> Result<()> {
    document::check_form("container", container.name.as_str(), container.form)
}

/// Tells whether a container is the one that a name or an id means. A rename that was cut off leaves a name that leads to a container
/// which is not called so.
pub(crate) fn is_meant(found: &Container, name: &ContainerName) -> bool {
    found.name == *name || found.id.starts_with(name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_start_of_the_machine_left_is_cleared_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::new(folder.path().join("root"), folder.path().join("root/run"));
        let left = places.run.join("projects/shop/aa");
        let leave = || {
            fs::create_dir_all(&left).unwrap();
            fs::write(left.join("guard.sock"), "").unwrap();
        };
        leave();
        places.make().unwrap();
        assert!(left.exists(), "nobody knows of which start it is");
        places.make().unwrap();
        assert!(left.exists(), "it is of this start");
        fs::write(places.run.join("boot"), "another").unwrap();
        fs::create_dir_all(places.volume("data").join("_data")).unwrap();
        places.make().unwrap();
        assert!(!left.exists() && places.projects().is_dir() && places.volume("data").join("_data").is_dir());
        leave();
        places.make().unwrap();
        assert!(left.exists());
    }
}

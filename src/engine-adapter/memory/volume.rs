//! Volumes.

use std::time::Duration;

use rcompose_engine_adapter::{ConfigHash, EventAction, EventSubject, Result, VolumeName, VolumeSpec, labels};

use crate::create::uses;
use crate::state::Volume;
use crate::validate;
use crate::world::{World, conflict};

impl World {
    pub(crate) fn make_volume(&mut self, spec: &VolumeSpec, at: Duration) -> Result<()> {
        validate::name(spec.name.as_str())?;
        let driver = spec.driver.clone().unwrap_or_else(|| "local".into());
        if let Some(there) = self.volumes.get(&spec.name) {
            let same = there.driver == driver;
            return if same {
                Ok(())
            } else {
                Err(conflict(format!("volume {} is there with driver {}", spec.name, there.driver)))
            };
        }
        let mut all = spec.labels.clone();
        all.extend(self.config_hash(&spec.config_hash));
        self.volumes.insert(spec.name.clone(), Volume { driver, labels: all.clone(), anonymous: false });
        self.event(EventSubject::Volume(spec.name.clone()), EventAction::Created, all, at);
        Ok(())
    }

    pub(crate) fn drop_volume(&mut self, name: &VolumeName, at: Duration) -> Result<()> {
        let users: Vec<&str> = self.containers.iter().filter(|(_, it)| uses(it, name)).map(|(name, _)| name.as_str()).collect();
        if !users.is_empty() {
            return Err(conflict(format!("volume {name} is in use by {}", users.join(", "))));
        }
        if let Some(volume) = self.volumes.remove(name) {
            self.event(EventSubject::Volume(name.clone()), EventAction::Removed, volume.labels, at);
        }
        Ok(())
    }

    /// Returns the label of a network's or volume's configuration.
    pub(crate) fn config_hash(&self, hash: &ConfigHash) -> Option<(String, String)> {
        if hash.preimage.is_empty() {
            return None;
        }
        let digest = hash.digest(|name| self.containers.get(name).map(|it| it.id.clone()))?;
        Some((labels::CONFIG_HASH.to_owned(), digest))
    }
}

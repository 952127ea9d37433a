//! Makes and removes containers. Everything is looked up before anything is made, so that a failure leaves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rcompose_engine_adapter::{
    Attachment, ContainerName, ContainerSpec, ContainerState, EngineError, ErrorKind, EventAction, ImageConfig, MountKind, NetworkMode,
    NetworkName, Result, VolumeName, labels,
};

use crate::state::{Container, Endpoint, Image, Volume};
use crate::tree::Tree;
use crate::validate;
use crate::world::{World, conflict, invalid, no_container};

impl World {
    /// Makes a container, not started.
    pub(crate) fn create(&mut self, spec: &ContainerSpec, at: Duration) -> Result<()> {
        validate::values(spec)?;
        validate::features(spec, &self.info)?;
        if self.containers.contains_key(&spec.name) {
            return Err(conflict(format!("the name {} is in use by another container", spec.name)));
        }
        let image = self.image_of(spec)?;
        self.check_mounts(spec)?;
        let borrows = self.borrows(spec)?;
        let labels = self.labels(spec, &image)?;
        let endpoints = self.endpoints(spec)?;
        let anonymous = self.make_anonymous(spec, &image.config);
        let id = self.new_id();
        self.names.insert(id.clone(), spec.name.clone());
        for endpoint in endpoints.values() {
            self.note_address(endpoint);
        }
        let container = Container {
            id,
            spec: spec.clone(),
            image_id: image.id,
            defaults: image.config,
            labels,
            state: ContainerState::Created,
            created: at,
            endpoints,
            anonymous,
            borrows,
            ports: Vec::new(),
            run: None,
            starts: 0,
            restarts: 0,
            stopped_by_hand: false,
            output: Vec::new(),
            early_input: Vec::new(),
            early_eof: false,
            size: None,
            tree: Tree::of(&spec.files),
        };
        self.containers.insert(spec.name.clone(), container);
        self.container_event(&spec.name, EventAction::Created, at);
        Ok(())
    }

    fn image_of(&self, spec: &ContainerSpec) -> Result<Image> {
        let image = self.find_image(&spec.image).cloned();
        image.ok_or_else(|| EngineError::new(ErrorKind::ImageMissing, format!("no such image: {}", spec.image)))
    }

    fn check_mounts(&self, spec: &ContainerSpec) -> Result<()> {
        for mount in &spec.mounts {
            match &mount.kind {
                MountKind::Bind { source, create_host_path, .. } => {
                    if !create_host_path && self.missing_paths.contains(source) {
                        return Err(invalid(format!("bind source path does not exist: {source}")));
                    }
                }
                MountKind::Volume { name, .. } | MountKind::Anonymous { carry: Some(name), .. } => self.check_volume(name)?,
                MountKind::Image { image, .. } => {
                    if self.find_image(image).is_none() {
                        return Err(EngineError::new(ErrorKind::ImageMissing, format!("no such image: {image}")));
                    }
                }
                MountKind::Anonymous { carry: None, .. } | MountKind::Tmpfs(_) | MountKind::Npipe { .. } => {}
            }
        }
        let sources = spec.volumes_from.iter().chain(&spec.links).map(|it| it.split(':').next().unwrap_or_default());
        for source in sources {
            self.container(&source.into())?;
        }
        Ok(())
    }

    fn check_volume(&self, name: &VolumeName) -> Result<()> {
        if self.volumes.contains_key(name) {
            return Ok(());
        }
        Err(EngineError::new(ErrorKind::NotFound, format!("no such volume: {name}")))
    }

    /// Returns the ids of the containers whose namespaces it shares.
    fn borrows(&self, spec: &ContainerSpec) -> Result<BTreeSet<String>> {
        let namespaces = [&spec.namespaces.ipc, &spec.namespaces.pid, &spec.namespaces.uts, &spec.namespaces.cgroup];
        let named = namespaces
            .into_iter()
            .flatten()
            .filter_map(|it| it.strip_prefix("container:"))
            .map(ContainerName::from);
        let network = match &spec.network {
            NetworkMode::Container { container } => Some(container.clone()),
            NetworkMode::Networks { .. } | NetworkMode::None | NetworkMode::Host | NetworkMode::Bridge | NetworkMode::Other { .. } => None,
        };
        named.chain(network).map(|name| Ok(self.container(&name)?.id.clone())).collect()
    }

    /// Returns all labels: the image's, the spec's, and those whose values hang on ids.
    fn labels(&self, spec: &ContainerSpec, image: &Image) -> Result<BTreeMap<String, String>> {
        let mut all = image.config.labels.clone();
        all.extend(spec.labels.clone());
        if let Some(hash) = &spec.config_hash {
            let missing = hash.holes.iter().find(|hole| !self.containers.contains_key(&hole.container));
            if let Some(hole) = missing {
                return Err(no_container(&hole.container));
            }
            let digest = hash.digest(|name| self.containers.get(name).map(|it| it.id.clone()));
            all.extend(digest.map(|digest| (labels::CONFIG_HASH.to_owned(), digest)));
        }
        all.insert(labels::IMAGE.to_owned(), image.id.to_string());
        Ok(all)
    }

    fn endpoints(&self, spec: &ContainerSpec) -> Result<BTreeMap<NetworkName, Endpoint>> {
        let attachments: Vec<Attachment> = match &spec.network {
            NetworkMode::Networks { attachments } => attachments.clone(),
            NetworkMode::Bridge => vec![crate::spec::attachment("bridge")],
            NetworkMode::Host => vec![crate::spec::attachment("host")],
            NetworkMode::None => vec![crate::spec::attachment("none")],
            NetworkMode::Other { text } => vec![crate::spec::attachment(text.as_str())],
            NetworkMode::Container { .. } => Vec::new(),
        };
        let mut endpoints = BTreeMap::new();
        for attachment in attachments {
            let endpoint = self.endpoint(&spec.name, &attachment)?;
            if endpoints.insert(attachment.network.clone(), endpoint).is_some() {
                return Err(invalid(format!("container {} names network {} twice", spec.name, attachment.network)));
            }
        }
        Ok(endpoints)
    }

    /// Makes the anonymous volumes that the mounts and the image ask for.
    fn make_anonymous(&mut self, spec: &ContainerSpec, image: &ImageConfig) -> BTreeMap<String, VolumeName> {
        let mut anonymous = BTreeMap::new();
        for mount in &spec.mounts {
            if let MountKind::Anonymous { carry, labels, .. } = &mount.kind {
                let name = carry.clone().unwrap_or_else(|| self.new_anonymous(labels.clone()));
                anonymous.insert(mount.target.clone(), name);
            }
        }
        for target in &image.volumes {
            if !spec.mounts.iter().any(|mount| mount.target == *target) {
                let name = self.new_anonymous(BTreeMap::new());
                anonymous.insert(target.clone(), name);
            }
        }
        anonymous
    }

    fn new_anonymous(&mut self, labels: BTreeMap<String, String>) -> VolumeName {
        let name = VolumeName::from(self.new_id());
        self.volumes.insert(name.clone(), Volume { driver: "local".into(), labels, anonymous: true });
        name
    }

    /// Removes a container, killing it if it runs; absent is success.
    pub(crate) fn remove(&mut self, name: &ContainerName, volumes: bool, at: Duration) {
        let Some(container) = self.containers.get_mut(name) else { return };
        container.stopped_by_hand = true;
        let auto_remove = container.spec.auto_remove;
        if container.has_process() {
            let id = container.id.clone();
            self.end_process(&id, 137, at);
        }
        // One that removes itself is gone by now.
        if !auto_remove || self.containers.contains_key(name) {
            self.delete(name, volumes, at);
        }
    }

    /// Takes a container that has ended away.
    pub(crate) fn delete(&mut self, name: &ContainerName, volumes: bool, at: Duration) {
        let Some(container) = self.containers.remove(name) else { return };
        self.names.remove(&container.id);
        if volumes {
            for volume in container.anonymous.values() {
                let shared = self.containers.values().any(|it| uses(it, volume));
                if !shared {
                    self.volumes.remove(volume);
                }
            }
        }
        let subject = rcompose_engine_adapter::EventSubject::Container(name.clone());
        self.event(subject, EventAction::Removed, container.labels, at);
    }
}

/// Tells whether a container has a volume mounted, named or not.
pub(crate) fn uses(container: &Container, volume: &VolumeName) -> bool {
    let named = |kind: &MountKind| matches!(kind, MountKind::Volume { name, .. } if name == volume);
    container.anonymous.values().any(|name| name == volume) || container.spec.mounts.iter().any(|mount| named(&mount.kind))
}

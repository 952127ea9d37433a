//! What a verb has to look at.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rcompose_engine_adapter::{Projects, Scope};
use rcompose_spec::model::{Project, VolumeKind};

use crate::lower::{hook_images, is_remote, outside};
use crate::{World, identity};

/// Returns all that a plan for this project depends on.
pub fn scope(project: &Project, world: &World) -> Scope {
    let services = || project.services.values();
    let named = services().filter(|service| !service.container_name.is_empty());
    let outside = services().flat_map(|service| outside(service)).map(|(_, name)| name.to_owned());
    let image_mounts = services().flat_map(|service| &service.volumes).filter(|volume| volume.kind == VolumeKind::Image);
    Scope {
        projects: Projects::One(project.name.clone()),
        containers: named.map(|service| service.container_name.clone()).chain(outside).map(Into::into).collect(),
        networks: project.networks.values().map(|network| network.name.as_str().into()).collect(),
        volumes: project.volumes.values().map(|volume| volume.name.as_str().into()).collect(),
        images: services()
            .map(|service| identity::image(project, service, world))
            .chain(image_mounts.map(|volume| volume.source.as_str().into()))
            .chain(services().flat_map(|service| hook_images(service)))
            .collect(),
        detail: true,
        ports: true,
    }
}

/// Returns the local paths that a plan wants to know of: bind sources, build contexts, Dockerfiles.
pub fn paths(project: &Project) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    for service in project.services.values() {
        let binds = service.volumes.iter().filter(|volume| volume.kind == VolumeKind::Bind);
        all.extend(binds.map(|volume| PathBuf::from(&volume.source)));
        if let Some(build) = service.build.as_ref().filter(|build| !is_remote(&build.context)) {
            let folder = PathBuf::from(&build.context);
            if build.dockerfile_inline.is_empty() {
                let dockerfile = if build.dockerfile.is_empty() { "Dockerfile" } else { &build.dockerfile };
                all.insert(folder.join(dockerfile));
            }
            all.insert(folder);
        }
    }
    all
}

//! A container read back as a spec, as far as an engine still knows it.

use rcompose_engine_adapter::{ContainerName, ContainerSpec, Content, FileMount, Mount, MountKind, NetworkMode};

use crate::lifecycle::{effective_check, surroundings};
use crate::state::Container;
use crate::world::World;

/// Reads back: the image's defaults are filled in, as real engines do, and what no engine tells is left out – the content of
/// files, which variables are private, and the preimage of the configuration hash.
pub(crate) fn read_back(name: &ContainerName, container: &Container, world: &World) -> ContainerSpec {
    let mut spec = container.spec.clone();
    let around = surroundings(container);
    spec.process.environment = around.environment.into_iter().map(|(key, value)| (key, Some(value))).collect();
    spec.process.user = Some(around.user).filter(|it| !it.is_empty());
    spec.process.working_dir = Some(around.working_dir).filter(|it| !it.is_empty());
    if spec.process.command.is_none() && spec.process.entrypoint.is_none() {
        spec.process.command = Some(container.defaults.command.clone()).filter(|it| !it.is_empty());
    }
    if spec.process.entrypoint.is_none() {
        spec.process.entrypoint = Some(container.defaults.entrypoint.clone()).filter(|it| !it.is_empty());
    }
    spec.name = name.clone();
    spec.labels = container.labels.clone();
    spec.expose.extend(container.defaults.expose.iter().cloned());
    spec.healthcheck = effective_check(container).or(spec.healthcheck);
    spec.stop_signal = spec.stop_signal.or_else(|| container.defaults.stop_signal.clone());
    spec.mounts = mounts(container);
    spec.files = container.spec.files.iter().map(without_content).collect();
    spec.network = network(container, world);
    spec.private_environment.clear();
    spec.config_hash = None;
    spec
}

fn mounts(container: &Container) -> Vec<Mount> {
    let named = container
        .spec
        .mounts
        .iter()
        .filter(|mount| !matches!(mount.kind, MountKind::Anonymous { .. }))
        .cloned();
    let anonymous = container.anonymous.iter().map(|(target, name)| {
        let asked = container.spec.mounts.iter().find(|mount| mount.target == *target);
        let kind = match asked.map(|it| &it.kind) {
            Some(MountKind::Anonymous { nocopy, labels, .. }) => {
                MountKind::Anonymous { carry: Some(name.clone()), nocopy: *nocopy, labels: labels.clone() }
            }
            // The image asked for it.
            Some(_) | None => MountKind::Anonymous { carry: Some(name.clone()), nocopy: false, labels: Default::default() },
        };
        Mount { target: target.clone(), kind, read_only: asked.is_some_and(|it| it.read_only) }
    });
    let mut all: Vec<Mount> = named.chain(anonymous).collect();
    all.sort_by(|a, b| a.target.cmp(&b.target));
    all
}

fn without_content(file: &FileMount) -> FileMount {
    FileMount { content: Content::default(), ..file.clone() }
}

/// The networks are those now, after all that was connected and disconnected.
fn network(container: &Container, world: &World) -> NetworkMode {
    match &container.spec.network {
        NetworkMode::Networks { .. } => {
            NetworkMode::Networks { attachments: container.endpoints.values().map(|it| it.attachment.clone()).collect() }
        }
        NetworkMode::Container { container: target } => {
            // The target may have been renamed since.
            let now = container.borrows.iter().filter_map(|id| world.names.get(id)).find(|name| *name == target);
            let target = now.or_else(|| container.borrows.iter().find_map(|id| world.names.get(id))).unwrap_or(target);
            NetworkMode::Container { container: target.clone() }
        }
        mode @ (NetworkMode::None | NetworkMode::Host | NetworkMode::Bridge | NetworkMode::Other { .. }) => mode.clone(),
    }
}

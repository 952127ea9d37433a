//! Networks and names of a container that is there.

use rcompose_engine_adapter::{Attachment, ContainerName, NetworkMode, NetworkName, Result};
use rcompose_network::{endpoint, names, netns};
use std::os::fd::AsFd;

use super::{Joined, join, own_namespace, refresh};
use crate::document::{Container, attachment as position};
use crate::engine::Native;
use crate::error;
use crate::file;

/// Attaches a container; being attached already is success.
pub(crate) fn connect(native: &Native, name: &ContainerName, attachment: &Attachment) -> Result<()> {
    let places = &native.places;
    let end = join::end(native, attachment.clone())?;
    let (mut container, _lock) = places.hold_known(name)?;
    if position(&attachment.network, &container.spec).is_some() {
        return Ok(());
    }
    match &mut container.spec.network {
        NetworkMode::Networks { attachments } => attachments.push(attachment.clone()),
        NetworkMode::None => container.spec.network = NetworkMode::Networks { attachments: vec![attachment.clone()] },
        NetworkMode::Bridge | NetworkMode::Host | NetworkMode::Container { .. } | NetworkMode::Other { .. } => {
            return Err(error::conflict(format!("container {name} has no network of its own to attach to {}", attachment.network)));
        }
    }
    if native.running(&container)?.is_some() {
        let mut joined = Joined::read(places, &container)?;
        let namespace = netns::open(&own_namespace(places, &container)).map_err(error::network("open the network namespace"))?;
        let mut taken: Vec<Option<&str>> = joined.endpoints.values().map(|it| Some(it.interface.as_str())).collect();
        taken.push(attachment.interface_name.as_deref());
        let interface = names::interfaces(&taken).pop().unwrap_or_default();
        let is_only = joined.endpoints.is_empty() && !end.network.spec.internal;
        let made = join::attach(native, &container, &end, &interface, &namespace, [is_only; 2], None)?;
        joined.endpoints.insert(attachment.network.clone(), made);
        joined.write(places, &container)?;
    }
    file::write(&places.container(&container.id).document(), &container)?;
    refresh(native, &places.project_name(container.project()))
}

/// Detaches a container; not being attached is success.
pub(crate) fn disconnect(native: &Native, name: &ContainerName, network: &NetworkName) -> Result<()> {
    let places = &native.places;
    let Some((mut container, _lock)) = places.hold(name)? else {
        return Ok(());
    };
    let Some(at) = position(network, &container.spec) else {
        return Ok(());
    };
    if let NetworkMode::Networks { attachments } = &mut container.spec.network {
        attachments.remove(at);
    }
    file::write(&places.container(&container.id).document(), &container)?;
    let mut joined = Joined::read(places, &container)?;
    if let Some(end) = joined.endpoints.remove(network) {
        if let Ok(namespace) = netns::open(&own_namespace(places, &container)) {
            endpoint::detach(namespace.as_fd(), &end.interface).map_err(error::network("detach the container"))?;
        }
        super::give_back(native, &container, network, &end, &joined.ports)?;
        joined.write(places, &container)?;
        refresh(native, &places.project_name(container.project()))?;
    }
    Ok(())
}

/// Tells others that a container is called otherwise now.
pub(crate) fn renamed(native: &Native, container: &Container) -> Result<()> {
    refresh(native, &native.places.project_name(container.project()))
}

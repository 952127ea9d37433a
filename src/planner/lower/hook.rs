//! The containers of `pre_start`: the service's own container, but for what a step says of itself.

use rcompose_engine_adapter::{Check, ContainerName, ContainerSpec, ImageReference, MountKind, NetworkMode, Restart, Test, labels};
use rcompose_spec::model::{Hook, Service};

/// Returns the images that a service's steps run, other than its own.
pub(crate) fn hook_images(service: &Service) -> impl Iterator<Item = ImageReference> + '_ {
    service
        .pre_start
        .iter()
        .filter(|hook| !hook.image.is_empty())
        .map(|hook| hook.image.as_str().into())
}

/// Returns the container that runs a step of `pre_start` for the container `of`: in its networks, with its mounts. It is reached under no
/// name and no port of the service, since it answers for nobody; and it has no config-hash, so no listing shows it.
pub(crate) fn job(of: &ContainerSpec, hook: &Hook, name: ContainerName) -> ContainerSpec {
    let mut spec = of.clone();
    if !hook.image.is_empty() {
        spec.image = hook.image.as_str().into();
        // Another image has programs of its own.
        spec.process.entrypoint = None;
    }
    spec.process.command.clone_from(&hook.command);
    spec.process
        .environment
        .extend(hook.environment.iter().map(|(key, value)| (key.clone(), value.clone())));
    let own = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    spec.process.user = own(&hook.user).or(spec.process.user);
    spec.process.working_dir = own(&hook.working_dir).or(spec.process.working_dir);
    spec.process.stdin_open = false;
    spec.security.privileged |= hook.privileged;
    // What engines do not lend is its own; everything else it has from the container, anonymous volumes too.
    spec.mounts
        .retain(|mount| matches!(mount.kind, MountKind::Tmpfs(_) | MountKind::Image { .. } | MountKind::Npipe { .. }));
    spec.volumes_from = vec![of.name.to_string()];
    if let NetworkMode::Networks { attachments } = &mut spec.network {
        for attachment in attachments {
            attachment.aliases.clear();
            (attachment.ipv4_address, attachment.ipv6_address, attachment.mac_address) = (None, None, None);
            attachment.link_local_ips.clear();
        }
    }
    spec.mac_address = None;
    spec.ports.clear();
    spec.expose.clear();
    spec.healthcheck = Some(Check { test: Some(Test::None), ..Check::default() });
    spec.restart = Restart::No;
    spec.config_hash = None;
    for label in [labels::NUMBER, labels::ONEOFF, labels::INPUTS] {
        spec.labels.remove(label);
    }
    spec.labels.insert(labels::HOOK.into(), "pre_start".into());
    spec.name = name;
    spec
}

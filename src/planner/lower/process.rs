//! What runs: entrypoint, command, environment, user.

use std::collections::BTreeSet;

use rcompose_engine_adapter::Process;
use rcompose_spec::model::Service;

use super::{Lowering, set};
use crate::{World, is_private};

pub(super) fn process(lowering: &Lowering<'_>, service: &Service) -> Process {
    let proxies = &lowering.world.proxy_environment;
    let mut environment: std::collections::BTreeMap<String, Option<String>> =
        proxies.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
    environment.extend(service.environment.clone());
    Process {
        entrypoint: service.entrypoint.clone(),
        command: service.command.clone(),
        environment,
        user: set(&service.user),
        working_dir: set(&service.working_dir),
        tty: service.tty,
        stdin_open: service.stdin_open,
        stdin_once: false,
    }
}

/// Returns the keys whose values are never shown.
pub(crate) fn private_keys(world: &World, service: &Service) -> BTreeSet<String> {
    let from_files = world.env_file_keys.get(&service.name).into_iter().flatten().cloned();
    let of_service = service
        .environment
        .iter()
        .filter(|(key, value)| is_private(key, value.as_deref().unwrap_or_default()));
    from_files.chain(of_service.map(|(key, _)| key.clone())).collect()
}

//! `run`: what a service depends on is brought up, and one container of its own is made.

use std::collections::BTreeMap;

use rcompose_engine_adapter::{ContainerName, ContainerSpec, NetworkMode, Observed, Restart, labels};
use rcompose_spec::model::{Project, Service};

use super::up::Builder;
use crate::lower::Instance;
use crate::{Plan, PlanError, Problem, ProblemKind, Run, World, identity};

/// What `run` does before the container is started, which the caller does once it is attached.
#[derive(Debug, Clone, PartialEq)]
pub struct RunPlan {
    /// Dependencies up and ready, and the container made.
    pub prepare: Plan,
    /// The container.
    pub container: ContainerName,
}

/// Plans `run`.
///
/// # Errors
/// A service that nobody knows, and all that can stand against `up`.
pub fn run(project: &Project, observed: &Observed, world: &World, options: &Run) -> Result<RunPlan, PlanError> {
    let Some(service) = project.services.get(&options.service) else {
        let message = format!("no such service: {}", options.service);
        return Err(PlanError::one(Problem::new(ProblemKind::UnknownService, "", message)));
    };
    let mut builder = Builder::new(project, observed, world, &options.up)?;
    builder.leave_out(&options.service);
    builder.prepare();
    let container = name(project, service, world, options);
    builder.oneoff(service, |builder| {
        let instance = Instance { name: container.clone(), number: None, carry: BTreeMap::new() };
        let mut spec = builder.lower(service, &instance);
        adapt(&mut spec, options);
        spec
    });
    Ok(RunPlan { prepare: builder.finish()?, container })
}

fn name(project: &Project, service: &Service, world: &World, options: &Run) -> ContainerName {
    let separator = identity::separator(world);
    let own = || format!("{}{separator}{}{separator}run{separator}{}", project.name, service.name, options.slug);
    options.name.clone().unwrap_or_else(own).into()
}

/// What differs from the service's other containers.
fn adapt(spec: &mut ContainerSpec, options: &Run) {
    spec.labels.insert(labels::SLUG.into(), options.slug.clone());
    spec.labels.extend(options.labels.clone());
    spec.restart = Restart::No;
    spec.auto_remove = options.remove && options.exec.detach;
    if !options.service_ports {
        spec.ports.clear();
    }
    spec.ports.extend(options.publish.clone());
    spec.mounts.retain(|mount| !options.mounts.iter().any(|added| added.target == mount.target));
    spec.mounts.extend(options.mounts.clone());
    spec.mounts.sort();
    let process = &mut spec.process;
    if let Some(entrypoint) = &options.entrypoint {
        process.entrypoint = Some(entrypoint.clone());
        // The service's command belongs to its own entrypoint.
        process.command = Some(Vec::new());
    }
    if !options.exec.command.is_empty() {
        process.command = Some(options.exec.command.clone());
    }
    process
        .environment
        .extend(options.exec.environment.iter().map(|(key, value)| (key.clone(), Some(value.clone()))));
    process.user = options.exec.user.clone().or(process.user.take());
    process.working_dir = options.exec.working_dir.clone().or(process.working_dir.take());
    process.tty = options.exec.tty;
    process.stdin_open = options.interactive;
    process.stdin_once = options.interactive && !options.exec.detach;
    spec.security.cap_add.extend(options.cap_add.clone());
    spec.security.cap_drop.extend(options.cap_drop.clone());
    if let NetworkMode::Networks { attachments } = &mut spec.network
        && !options.use_aliases
    {
        for attachment in attachments {
            attachment.aliases = vec![spec.name.to_string()];
        }
    }
}

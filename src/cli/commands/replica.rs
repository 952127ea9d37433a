//! One container of a service, by its number.

use rcompose_engine_adapter::{ContainerState, Observed, ObservedContainer};

use crate::failure::Failure;

/// Finds the container with a number, else (0) the one with the lowest; those that run come first. Containers of `run` do not count.
pub(crate) fn replica<'a>(observed: &'a Observed, service: &str, index: u32) -> Result<&'a ObservedContainer, Failure> {
    let of = if index == 0 { String::new() } else { format!(" with number {index}") };
    let candidates = observed.containers.values();
    candidates
        .filter(|it| it.is_listed() && !it.is_oneoff() && it.service() == Some(service))
        .filter(|it| index == 0 || it.number() == Some(index))
        .min_by_key(|it| (it.state != ContainerState::Running, it.number()))
        .ok_or_else(|| {
            Failure::refused_with(
                format!("service {service} has no container{of}"),
                format!("`rcompose up -d {service}` makes one; `rcompose run {service}` runs a command in one of its own"),
            )
        })
}

/// As [`replica`], of those that run.
pub(crate) fn running<'a>(observed: &'a Observed, service: &str, index: u32) -> Result<&'a ObservedContainer, Failure> {
    let found = replica(observed, service, index)?;
    if found.state == ContainerState::Running {
        return Ok(found);
    }
    let hint = match found.state {
        ContainerState::Paused => format!("`rcompose unpause {service}` thaws it"),
        ContainerState::Restarting => "it is about to be started again; repeat the command then".to_owned(),
        ContainerState::Removing | ContainerState::Dead => format!("`rcompose up -d {service}` makes another in its place"),
        ContainerState::Created | ContainerState::Exited { .. } | ContainerState::Running => {
            format!("`rcompose start {service}` starts it")
        }
    };
    Err(Failure::refused_with(
        format!("container {} of service {service} is not running: it is {}", found.name, found.state.as_str()),
        hint,
    ))
}

//! Ports that nobody holds any more, since the guardian was killed together with the shims: they are taken again.

use std::path::PathBuf;

use rcompose_engine_adapter::Result;
use rcompose_network::{PortRequest, hold};

use super::ports::{self, protocol};
use super::{Joined, refresh};
use crate::document::Container;
use crate::engine::Native;
use crate::error;
use crate::file;

/// Looks after the ports of a project's containers that run, where it has another guardian than when this was done last.
pub(crate) fn hold_again(native: &Native, project: &str, running: &[&Container]) -> Result<()> {
    let containers: Vec<&Container> = running.iter().copied().filter(|it| !it.spec.ports.is_empty()).collect();
    let Some(any) = containers.first() else { return Ok(()) };
    let client = native.client(any);
    let (path, now) = (seen(native, project), client.guardian().map(|it| it.to_string()));
    if now.is_none() || std::fs::read_to_string(&path).ok() == now {
        return Ok(());
    }
    // One that is stopped cannot be asked: who looks at what is there need not hear of it.
    let Ok(held) = client.keeps() else { return Ok(()) };
    if take(native, &containers, &held)? {
        refresh(native, project)?;
    }
    // Asked again: the question may have brought another guardian, which has what it was given since.
    note(native, project, client.guardian())
}

/// Where it is written which guardian was looked at.
fn seen(native: &Native, project: &str) -> PathBuf {
    native.places.projects().join(project).join(".ports.seen")
}

/// Writes down that a guardian was given a port, unless one before it was.
pub(super) fn given(native: &Native, project: &str, guardian: Option<u32>) -> Result<()> {
    if file::exists(&seen(native, project)) {
        Ok(())
    } else {
        note(native, project, guardian)
    }
}

/// Has the next one who looks ask the guardian again.
pub(super) fn forget(native: &Native, project: &str) {
    // Then it is asked by whoever finds another guardian.
    let _left = file::remove(&seen(native, project));
}

fn note(native: &Native, project: &str, guardian: Option<u32>) -> Result<()> {
    let text = guardian.map(|it| it.to_string()).unwrap_or_default();
    match file::write_volatile_together(&seen(native, project), text.as_bytes()) {
        // Then it is asked again.
        Err(error) if error::is_full(&error) => Ok(()),
        other => other,
    }
}

/// Takes what is missing; tells whether something was.
fn take(native: &Native, containers: &[&Container], held: &[String]) -> Result<bool> {
    let mut taken = Vec::new();
    let _lock = ports::lock(native)?;
    for container in containers {
        // Somebody is just starting it, who has its ports until the guardian has them.
        let Some(_still) = file::try_lock(&native.places.container(&container.id).lock())? else {
            continue;
        };
        for port in Joined::read(&native.places, container)?.ports {
            let name = ports::kept(protocol(port.protocol), port.port, port.asked_ip);
            if held.contains(&name) || taken.contains(&name) {
                continue;
            }
            let request =
                PortRequest { protocol: protocol(port.protocol), host_ip: port.asked_ip, published: Some((port.port, port.port)) };
            match hold(&request, &[]) {
                Ok(held) => ports::keep(native, container, port.asked_ip, &held)?,
                // The kernel's rules lead to the container all the same.
                Err(error) => {
                    let said = format!("its published port {} was held by nobody for a while, and now: {error}", port.port);
                    native.remarks.add(container, [said]);
                }
            }
            taken.push(name);
        }
    }
    Ok(!taken.is_empty())
}

//! Errors of images and registries: what helps against each.

use std::error::Error;

use rcompose_image::{ImageError, Problem};

use super::Entry;

/// Puts an error into words.
pub(crate) fn entry(error: &ImageError) -> Entry {
    let mut entry = Entry::error(error.to_string());
    let mut at: Option<&(dyn Error + 'static)> = error.source();
    if let ImageError::Registry { problem, .. } = error {
        at = problem.source();
    }
    while let Some(cause) = at {
        let text = cause.to_string();
        if !entry.title.contains(&text) && !entry.notes.contains(&text) {
            entry.notes.push(text);
        }
        at = cause.source();
    }
    entry.hint = hint(error);
    entry
}

fn hint(error: &ImageError) -> Option<String> {
    if error.is_disk_full() {
        return Some("free some room; `rcompose image prune` removes images without a name and downloads that were broken off".into());
    }
    match error {
        ImageError::Registry { registry, problem } => match &**problem {
            Problem::Denied { logged_in: true, .. } => {
                Some(format!("the credentials known for {registry} do not suffice; `rcompose login {registry}` takes others"))
            }
            Problem::Denied { logged_in: false, .. } => Some(format!("if it is there and private: `rcompose login {registry}`")),
            Problem::NotFound { .. } => Some("check name, tag and platform".into()),
            Problem::RateLimited { .. } => {
                Some(format!("`rcompose login {registry}` often raises the limit; a mirror avoids it: --registry-mirror"))
            }
            Problem::Transport { .. } => Some(format!(
                "is {registry} reachable from here, and does it speak TLS? Without TLS it must be allowed: --insecure-registry {registry}"
            )),
            _ => None,
        },
        ImageError::NoSuchImage { .. } => {
            Some("`rcompose image ls` lists what is there; `rcompose image pull` and `load` bring more".into())
        }
        ImageError::Ambiguous { .. } => Some("write more digits of the id".into()),
        ImageError::NoPlatform { .. } => Some("choose another one with --platform".into()),
        ImageError::TooLarge { .. } => Some("it looks made to fill disks; nothing of it was kept".into()),
        _ => None,
    }
}

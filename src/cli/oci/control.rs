//! `kill`, `delete`, `pause`, `resume`.

use rcompose_runtime::RuntimeError;

use super::{Face, OciError, Result};

/// Reads a signal: a number, or a name with or without `SIG`; 0 asks whether the process is there.
fn signal(text: &str) -> Result<i32> {
    if text == "0" {
        return Ok(0);
    }
    let number = rcompose_runtime::signal_number(text).map(i32::from);
    number.ok_or_else(|| OciError::Words(format!("`{text}` is no signal")))
}

/// Sends a signal.
pub(super) fn kill(face: &Face) -> Result<u8> {
    let id = face.id(1)?;
    let signal = signal(face.words.plain.get(1).map_or("SIGTERM", String::as_str))?;
    face.store.read(id)?.kill(signal, face.words.has("all"))?;
    Ok(0)
}

/// Removes what a container left.
pub(super) fn delete(face: &Face) -> Result<u8> {
    remove(face, face.id(0)?, face.words.has("force")).map(|()| 0)
}

/// Removes a container; with `force` an absent one is removed.
pub(super) fn remove(face: &Face, id: &str, force: bool) -> Result<()> {
    let container = match face.store.read(id) {
        // Also what a call left that was ended half way.
        Err(RuntimeError::Absent { .. }) if force => return Ok(face.store.forget(id)?),
        other => other?,
    };
    container.delete(force)?;
    // The spec may be damaged, and the container is to go all the same.
    let spec = Some(()).filter(|()| container.record().hooked).and_then(|()| face.store.spec(id).ok());
    face.store.forget(id)?;
    let hooks = spec
        .as_ref()
        .and_then(|it| it.hooks().as_ref())
        .and_then(|it| it.poststop().clone())
        .unwrap_or_default();
    let annotations = spec.and_then(|it| it.annotations().clone()).unwrap_or_default().into_iter().collect();
    if let Err(error) = rcompose_runtime::run_hooks("poststop", &hooks, container.record(), &annotations) {
        face.journal.warning(&error.chain());
    }
    Ok(())
}

/// Freezes.
pub(super) fn pause(face: &Face) -> Result<u8> {
    face.store.read(face.id(0)?)?.pause()?;
    Ok(0)
}

/// Lets go on.
pub(super) fn resume(face: &Face) -> Result<u8> {
    face.store.read(face.id(0)?)?.resume()?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_numbers_and_names() {
        for (text, number) in [("9", 9), ("KILL", 9), ("sigterm", 15), ("SIGRTMIN+3", 37), ("RTMIN", 34), ("0", 0)] {
            assert_eq!(signal(text).unwrap(), number, "{text}");
        }
        for text in ["", "SIG", "65", "-1", "RTMIN+31", "RTMIN-1", "FOO"] {
            assert!(signal(text).is_err(), "{text}");
        }
    }
}

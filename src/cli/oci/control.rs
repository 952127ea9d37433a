//! `kill`, `delete`, `pause`, `resume`.

use rcompose_runtime::RuntimeError;

use super::{Face, OciError, Result};

/// Signals by name; source: signal(7), the numbers that x86 and ARM share.
const SIGNALS: [(&str, i32); 31] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// Reads a signal: a number, or a name with or without `SIG`.
fn signal(text: &str) -> Result<i32> {
    let unknown = || OciError::Words(format!("`{text}` is no signal"));
    if let Ok(number) = text.parse::<i32>() {
        return Some(number).filter(|it| (0..=64).contains(it)).ok_or_else(unknown);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(offset) = name.strip_prefix("RTMIN") {
        // The first that a C library leaves to programs.
        let offset = if offset.is_empty() {
            Some(0)
        } else {
            offset.strip_prefix('+').and_then(|it| it.parse::<i32>().ok())
        };
        return offset.filter(|it| (0..=30).contains(it)).map(|it| 34 + it).ok_or_else(unknown);
    }
    SIGNALS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number).ok_or_else(unknown)
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

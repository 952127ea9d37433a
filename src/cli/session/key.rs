//! The user's key for digests of configs, secrets and env files, so that a label tells nobody their content.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Bytes of the key.
const LENGTH: usize = 32;

/// Reads the key, or draws it the first time. `None` where it can neither be read nor kept: then content changes go unseen.
pub(crate) fn inputs_key(folder: &Path) -> Option<[u8; LENGTH]> {
    let path = folder.join("inputs.key");
    match read(&path) {
        Ok(key) => Some(key),
        Err(error) if error.kind() == io::ErrorKind::NotFound => draw(folder, &path).or_else(|| read(&path).ok()),
        Err(error) => {
            tracing::debug!(%error, path = %path.display(), "the key of content digests cannot be read");
            None
        }
    }
}

fn read(path: &Path) -> io::Result<[u8; LENGTH]> {
    fs::read(path)?.try_into().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
}

/// Draws a key and puts it in place at once, so that no other invocation sees half of it or draws another one.
fn draw(folder: &Path, path: &Path) -> Option<[u8; LENGTH]> {
    let mut key = [0; LENGTH];
    getrandom::fill(&mut key).ok()?;
    fs::create_dir_all(folder).ok()?;
    let draft = folder.join(format!(".inputs.key.{}", std::process::id()));
    let written = create(&draft).and_then(|mut file| file.write_all(&key).and_then(|()| file.sync_all()));
    // A link fails where the name is taken; a rename would replace the key of another invocation.
    let placed = written.and_then(|()| fs::hard_link(&draft, path));
    let _ = fs::remove_file(&draft);
    placed.ok().map(|()| key)
}

#[cfg(unix)]
fn create(path: &Path) -> io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn create(path: &Path) -> io::Result<fs::File> {
    fs::File::create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_drawn_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("rcompose");
        let first = inputs_key(&state).unwrap();
        assert_eq!(inputs_key(&state), Some(first));
        assert_ne!(first, [0; LENGTH]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(state.join("inputs.key")).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::write(state.join("inputs.key"), "short").unwrap();
        assert_eq!(inputs_key(&state), None);
    }
}

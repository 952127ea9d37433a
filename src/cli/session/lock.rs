//! The project lock: two invocations on one project take turns. The system lets go of it however an invocation ends.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Live, Session};
use crate::failure::Failure;

/// Time between two tries: short for a person, long for a machine.
const PAUSE: Duration = Duration::from_millis(50);

/// Held while a project is observed, planned and changed.
#[derive(Debug)]
pub(crate) struct Lock {
    file: Option<File>,
}

/// Who holds the lock, as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    verb: String,
    since: String,
}

impl Session {
    /// Takes the lock of a project; says who is waited for. A remote engine has none.
    pub(crate) async fn lock(&self, live: &Live, project: &str) -> Result<Lock, Failure> {
        if !live.local || self.globals.dry_run {
            return Ok(Lock { file: None });
        }
        let path = lock_path(&self.caller.state_folder(), &live.address, project);
        let mut file = match open(&path) {
            Ok(file) => file,
            Err(error) => {
                self.say(&format!("warning: no project lock: {}: {error}", path.display()));
                return Ok(Lock { file: None });
            }
        };
        let mut told: Option<Option<Holder>> = None;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    let holder = read(&mut file);
                    if told.as_ref() != Some(&holder) {
                        self.say(&waiting(project, holder.as_ref()));
                        told = Some(holder);
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                Err(TryLockError::Error(error)) => return Err(Failure::io(format!("cannot lock {}", path.display()), error)),
            }
        }
        let since = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
        let holder = Holder { pid: std::process::id(), verb: self.verb.to_owned(), since };
        // Without it the others wait all the same; they only cannot say for whom.
        let _ = write(&mut file, &serde_json::to_string(&holder).unwrap_or_default());
        Ok(Lock { file: Some(file) })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(file) = &mut self.file {
            let _ = write(file, "");
            let _ = file.unlock();
        }
    }
}

fn waiting(project: &str, holder: Option<&Holder>) -> String {
    match holder {
        Some(Holder { pid, verb, since }) => format!("waiting for `rcompose {verb}` on project {project} (process {pid}, since {since})"),
        None => format!("waiting for another rcompose on project {project}"),
    }
}

/// The file's name is a digest: an address may hold any character.
fn lock_path(state: &Path, address: &str, project: &str) -> PathBuf {
    let digest = Sha256::digest(format!("{address}\n{project}"));
    let name: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    state.join("locks").join(format!("{name}.lock"))
}

fn open(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Never removed: an invocation that waits has it open.
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}

fn read(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn write(file: &mut File, text: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_reads_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = lock_path(folder.path(), "unix:///x", "shop");
        let mut first = open(&path).unwrap();
        first.try_lock().unwrap();
        let holder = Holder { pid: 7, verb: "up".into(), since: "10:00:00".into() };
        write(&mut first, &serde_json::to_string(&holder).unwrap()).unwrap();
        let mut second = open(&path).unwrap();
        assert!(matches!(second.try_lock(), Err(TryLockError::WouldBlock)));
        assert_eq!(read(&mut second), Some(holder));
        drop(Lock { file: Some(first) });
        second.try_lock().unwrap();
        assert_eq!(read(&mut second), None);
    }

    #[test]
    fn projects_and_engines_have_locks_of_their_own() {
        let path = |address, project| lock_path(Path::new("/s"), address, project);
        assert_ne!(path("a", "x"), path("a", "y"));
        assert_ne!(path("a", "x"), path("b", "x"));
    }
}

//! Folders of containers that were removed: nobody waits until the last of their files is gone.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use rcompose_engine_adapter::Result;

use crate::catalog::GONE;
use crate::file;

/// The verb under which this program takes them away.
const CLEAR: &str = "__clear";

/// What takes them away once this engine is closed: a process of its own, which ends with that. One that is killed leaves them to whoever
/// observes next.
#[derive(Debug)]
pub(crate) struct Trash {
    containers: PathBuf,
    program: PathBuf,
    filled: AtomicBool,
}

impl Trash {
    /// For the engine whose containers are in this folder.
    pub(crate) fn new(containers: PathBuf, program: Option<&Path>) -> Self {
        let program = program.unwrap_or(Path::new("/proc/self/exe")).to_owned();
        Self { containers, program, filled: AtomicBool::new(false) }
    }

    /// Says that something is there.
    pub(crate) fn filled(&self) {
        self.filled.store(true, Ordering::Relaxed);
    }

    /// Takes everything away here and now.
    ///
    /// # Errors
    /// Something stays.
    pub(crate) fn clear(&self) -> Result<()> {
        self.filled.store(false, Ordering::Relaxed);
        clear(&self.containers)
    }
}

impl Drop for Trash {
    fn drop(&mut self) {
        if !self.filled.load(Ordering::Relaxed) {
            return;
        }
        let mut command = Command::new(&self.program);
        command.arg(CLEAR).arg(&self.containers).current_dir("/");
        // Out of the terminal's reach: Ctrl-C is for what the user sees.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Whoever observes next does it otherwise.
        let _started = command.spawn();
    }
}

/// Takes away what was removed in this folder, of containers or of volumes.
///
/// # Errors
/// Something stays; everything else is taken away all the same.
pub(crate) fn clear(folder: &Path) -> Result<()> {
    let gone = file::names(folder)?;
    let results = gone.iter().filter(|it| it.starts_with(GONE)).map(|name| file::remove_folder(&folder.join(name)));
    results.fold(Ok(()), Result::and)
}

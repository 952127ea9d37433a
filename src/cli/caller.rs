//! Who called: variables, folder, terminals. Read once, here, and passed on.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Everything the process was given by its caller beside its arguments.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    /// Variables; those that are no UTF-8 are left out.
    pub(crate) env: BTreeMap<String, String>,
    /// The working folder, absolute.
    pub(crate) folder: PathBuf,
    /// Standard input is a terminal.
    pub(crate) stdin_tty: bool,
    /// Standard output is a terminal.
    pub(crate) stdout_tty: bool,
    /// Standard error is a terminal.
    pub(crate) stderr_tty: bool,
}

impl Caller {
    /// Reads what the process was given.
    pub(crate) fn of_process() -> Self {
        let text = |(key, value): (std::ffi::OsString, std::ffi::OsString)| Some((key.into_string().ok()?, value.into_string().ok()?));
        Self {
            env: std::env::vars_os().filter_map(text).collect(),
            // A folder that was removed meanwhile still has a name to start from.
            folder: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            stdin_tty: std::io::stdin().is_terminal(),
            stdout_tty: std::io::stdout().is_terminal(),
            stderr_tty: std::io::stderr().is_terminal(),
        }
    }

    /// Returns a variable; one set to nothing counts as not set.
    pub(crate) fn var(&self, key: &str) -> Option<&str> {
        self.env.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Tells whether a variable says yes.
    pub(crate) fn says(&self, key: &str) -> bool {
        self.var(key).is_some_and(yes)
    }

    /// Returns the user's folder.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.var(if cfg!(windows) { "USERPROFILE" } else { "HOME" }).map(PathBuf::from)
    }

    /// Returns the folder of the docker command's configuration.
    pub(crate) fn docker_config(&self) -> Option<PathBuf> {
        self.var("DOCKER_CONFIG")
            .map(|it| self.absolute(Path::new(it)))
            .or_else(|| Some(self.home()?.join(".docker")))
    }

    /// Returns our own folder for what outlives a run. Source: XDG Base Directory Specification, `XDG_STATE_HOME`.
    pub(crate) fn state_folder(&self) -> PathBuf {
        let base = match self.var("XDG_STATE_HOME").map(PathBuf::from).filter(|it| it.is_absolute()) {
            Some(folder) => folder,
            None => match self.home() {
                Some(home) => home.join(".local/state"),
                None => PathBuf::from("/var/lib"),
            },
        };
        base.join("rcompose")
    }

    /// Makes a path absolute from the working folder.
    pub(crate) fn absolute(&self, path: &Path) -> PathBuf {
        if path.is_absolute() { path.to_owned() } else { self.folder.join(path) }
    }

    /// Shortens a path for people: relative where it lies below the working folder.
    pub(crate) fn shown(&self, path: &Path) -> String {
        match path.strip_prefix(&self.folder) {
            Ok(rest) if !rest.as_os_str().is_empty() => rest.display().to_string(),
            _ => path.display().to_string(),
        }
    }
}

/// Tells whether a value says yes, in the words that Go's `ParseBool` takes.
pub(crate) fn yes(value: &str) -> bool {
    matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

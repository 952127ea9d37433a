//! A project of its own for each test, gone when the test ends, however it ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::engine::Engine;

/// One scenario's folder, project name and state folder.
pub(crate) struct Stage {
    pub(crate) project: String,
    pub(crate) engine: Engine,
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Stage {
    /// Copies `tests/scenarios/<name>`; `None` where no engine answers.
    pub(crate) fn set(name: &str) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let engine = Engine::find()?;
        let folder = tempfile::Builder::new().prefix("rcompose-scenario.").tempdir().unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios").join(name);
        for entry in fs::read_dir(&from).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
        let project = format!("t{}-{}-{name}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Some(Self { project, engine, folder, variables: Vec::new() })
    }

    /// Sets a variable for every later command.
    pub(crate) fn variable(&mut self, key: &str, value: &str) {
        self.variables.retain(|(name, _)| name != key);
        self.variables.push((key.to_owned(), value.to_owned()));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns a command of the binary on this project.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rcompose"));
        command.args(["-p", &self.project]).args(arguments).current_dir(self.folder.path());
        command
            .env("XDG_STATE_HOME", self.path("state"))
            .envs(self.engine.variables())
            .envs(self.variables.iter().map(|(key, value)| (key, value)));
        command.env_remove("COMPOSE_FILE").env_remove("COMPOSE_PROJECT_NAME");
        command.stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs it to its end, which must be success; returns standard output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}\n{}", output.status, text(&output.stderr));
        text(&output.stdout)
    }

    /// The status of `plan`: 0 nothing to do, 2 changes.
    pub(crate) fn plan(&self) -> (Option<i32>, String) {
        let output = self.run(&["plan"]);
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    }

    /// Containers by name, sorted, with their states.
    pub(crate) fn containers(&self) -> Vec<(String, String)> {
        let prefix = format!("{}-", self.project);
        let name = |it: &serde_json::Value| it["Names"][0].as_str().unwrap_or_default().trim_start_matches('/').replacen(&prefix, "", 1);
        let mut all: Vec<(String, String)> = self
            .engine
            .list("containers", &self.project)
            .iter()
            .map(|it| (name(it), it["State"].as_str().unwrap_or_default().to_owned()))
            .collect();
        all.sort();
        all
    }

    pub(crate) fn inspect(&self, container: &str) -> serde_json::Value {
        self.engine.inspect(&format!("{}-{container}", self.project))
    }

    /// Nothing of the project is left but, where asked, volumes.
    pub(crate) fn assert_gone(&self) {
        assert_eq!(self.containers(), []);
        assert!(self.engine.list("networks", &self.project).is_empty());
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let output = self.run(&["down", "-v", "--remove-orphans", "-t", "0"]);
        if !output.status.success() && !std::thread::panicking() {
            panic!("down after the test: {}", text(&output.stderr));
        }
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits until something holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "still not: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

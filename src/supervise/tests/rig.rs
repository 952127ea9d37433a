//! A project in a folder of its own, gone at the end with everything that belongs to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rcompose_supervise::{Client, Input, Limits, Phase, Place, Project, Reader, Record, Restart, Stream, Task};
use rustix::process::{Pid, Signal, kill_process};

pub(crate) const LONG: Duration = Duration::from_secs(60);
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_plain-supervisor");

pub(crate) struct Rig {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) project: Project,
    pub(crate) client: Client,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(Path::new(PROGRAM))
    }

    pub(crate) fn with(program: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::new(folder.path().join("run"));
        let client = Client::new(project.clone(), Some(program.to_owned()));
        Self { folder, project, client }
    }

    pub(crate) fn place(&self, name: &str) -> Place {
        self.project.container(name).unwrap()
    }

    pub(crate) fn keep(&self, name: &str) -> PathBuf {
        self.folder.path().join("keep").join(name)
    }

    pub(crate) fn task(&self, name: &str, words: &[&str]) -> Task {
        let keep = self.keep(name);
        fs::create_dir_all(&keep).unwrap();
        fs::write(keep.join("command.json"), serde_json::to_vec(words).unwrap()).unwrap();
        Task {
            bundle: keep.clone(),
            keep,
            terminal: false,
            input: Input::None,
            owner: None,
            restart: Restart::No,
            stop_signal: 15,
            grace: 10_000,
            log: Limits::default(),
            layers: None,
            changed: Vec::new(),
            health: None,
        }
    }

    pub(crate) fn run(&self, name: &str, task: &Task) {
        task.write(&self.place(name)).unwrap();
        self.client.run(name).unwrap();
    }

    pub(crate) fn run_words(&self, name: &str, words: &[&str]) {
        self.run(name, &self.task(name, words));
    }

    pub(crate) fn sh(&self, name: &str, script: &str) {
        self.run_words(name, &["/bin/sh", "-c", script]);
    }

    pub(crate) fn end(&self, name: &str) -> Record {
        self.client.wait(name, Some(LONG)).unwrap().unwrap_or_else(|| panic!("{name} does not end"))
    }

    pub(crate) fn text(&self, name: &str, stream: Stream) -> String {
        String::from_utf8(self.bytes(name, stream)).unwrap()
    }

    pub(crate) fn bytes(&self, name: &str, stream: Stream) -> Vec<u8> {
        let mut reader = Reader::oldest(&self.keep(name));
        let mut all = Vec::new();
        while let Some(frame) = reader.next_frame().unwrap() {
            if frame.head.stream == stream {
                all.extend(frame.bytes);
            }
        }
        all
    }

    /// First process of a container that runs.
    pub(crate) fn first(&self, name: &str) -> Pid {
        let record = self.client.status(name).unwrap();
        let Phase::Running { who, .. } = record.phase else {
            panic!("{record:?}")
        };
        Pid::from_raw(who.pid).unwrap()
    }

    /// The shim of a container; nothing while there is none.
    pub(crate) fn shim(&self, name: &str) -> Option<Pid> {
        self.shims(name).first().copied()
    }

    /// The shim of a container, and those that wait until it is gone.
    pub(crate) fn shims(&self, name: &str) -> Vec<Pid> {
        let place = self.place(name);
        let is_its =
            |words: &[String]| words.get(1).is_some_and(|it| it == "__shim") && words.get(2).map(Path::new) == Some(place.folder());
        processes().into_iter().filter(|(_, words)| is_its(words)).map(|it| it.0).collect()
    }

    /// The guardian; nothing while there is none.
    pub(crate) fn guardian(&self) -> Option<Pid> {
        let folder = self.project.folder();
        processes()
            .into_iter()
            .find(|(_, words)| words.get(1).is_some_and(|it| it == "__guard") && words.get(2).map(Path::new) == Some(folder))
            .map(|it| it.0)
    }

    /// Everything that still runs and belongs to this project.
    pub(crate) fn left(&self) -> Vec<String> {
        let own = self.folder.path().to_str().unwrap();
        processes().into_iter().map(|(_, words)| words.join(" ")).filter(|it| it.contains(own)).collect()
    }

    /// Waits until shims and guardian have gone by themselves.
    pub(crate) fn settle(&self) {
        until("guardian and shims go when nothing is left", || self.left().is_empty());
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // What a failed test left; by their own numbers, and only what names this folder.
        for _ in 0..50 {
            let own = self.folder.path().to_str().unwrap_or_default().to_owned();
            let left: Vec<Pid> = processes().into_iter().filter(|(_, words)| words.join(" ").contains(&own)).map(|it| it.0).collect();
            if left.is_empty() {
                break;
            }
            for pid in left {
                let _ = kill_process(pid, Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // Containers go on without anybody, and their words name no folder.
        for entry in fs::read_dir(self.folder.path().join("keep")).into_iter().flatten().flatten() {
            if let Ok(Some(Record { phase: Phase::Running { who, .. }, .. })) = Record::read(&entry.path().join("state.json"))
                && who.open().is_some()
            {
                Pid::from_raw(who.pid).into_iter().for_each(kill);
                std::thread::sleep(Duration::from_millis(50));
                let groups = crate::bundle::groups(self, &entry.file_name().to_string_lossy());
                groups.into_iter().for_each(|it| drop(fs::remove_dir(it)));
            }
        }
    }
}

/// Processes that have not ended, with their words.
fn processes() -> Vec<(Pid, Vec<String>)> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries
        .filter_map(|it| it.file_name().to_str()?.parse::<i32>().ok())
        .filter(|it| *it as u32 != std::process::id());
    pids.filter_map(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok().filter(|it| !it.is_empty())?;
        let words = line.split(|byte| *byte == 0).map(|it| String::from_utf8_lossy(it).into_owned()).collect();
        Some((Pid::from_raw(pid)?, words))
    })
    .collect()
}

#[track_caller]
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + LONG;
    while !done() {
        assert!(Instant::now() < limit, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn kill(pid: Pid) {
    let _ = kill_process(pid, Signal::KILL);
}

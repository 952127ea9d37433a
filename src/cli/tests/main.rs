//! What a person sees: each case is a folder with files, words in `cmd`, and the screen in `screen.txt`.
//!
//! `cmd` holds one line of words for each run. `engine.json`, where it is there, is an engine that answers with these
//! texts, by method and path; without it there is no engine. `RCOMPOSE_BLESS=1` writes the screens anew.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare itself has failed")]

mod engine;
#[cfg(target_os = "linux")]
mod image;
#[cfg(target_os = "linux")]
mod system;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use engine::FakeEngine;

#[test]
fn screens_are_as_recorded() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/tests/cases");
    let mut names: Vec<PathBuf> = fs::read_dir(&cases).unwrap().flatten().map(|entry| entry.path()).filter(|it| it.is_dir()).collect();
    names.sort();
    assert!(names.len() >= 20, "only {} cases were found", names.len());
    let bless = std::env::var_os("RCOMPOSE_BLESS").is_some();
    let mut differ = Vec::new();
    for case in &names {
        let screen = screen(case);
        let recorded = case.join("screen.txt");
        if bless {
            fs::write(&recorded, &screen).unwrap();
        } else if fs::read_to_string(&recorded).unwrap_or_default() != screen {
            differ.push(format!("=== {}\n{screen}", case.file_name().unwrap().to_string_lossy()));
        }
    }
    assert!(differ.is_empty(), "these screens differ from screen.txt:\n{}", differ.join("\n"));
}

/// Runs the words of a case in a folder of its own and returns what is seen.
fn screen(case: &Path) -> String {
    let folder = tempfile::tempdir().unwrap();
    // The folder's name is the project's name.
    let project = folder.path().join("shop");
    copy(case, &project);
    let engine = fs::read_to_string(case.join("engine.json"))
        .ok()
        .map(|routes| FakeEngine::start(&folder.path().join("engine.sock"), &routes));
    let mut screen = String::new();
    for line in fs::read_to_string(case.join("cmd")).unwrap().lines() {
        let words = shlex::split(line).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_rcompose"))
            .args(&words)
            .current_dir(&project)
            .env_clear()
            .env("HOME", folder.path())
            .env("DOCKER_HOST", format!("unix://{}/engine.sock", folder.path().display()))
            .env("TZ", "UTC")
            .output()
            .unwrap();
        screen.push_str(&format!("$ rcompose {line}\n"));
        screen.push_str(&String::from_utf8_lossy(&output.stdout));
        screen.push_str(&String::from_utf8_lossy(&output.stderr));
        screen.push_str(&format!("status {}\n", output.status.code().unwrap_or(-1)));
    }
    drop(engine);
    hide(&screen, folder.path())
}

/// Takes out what differs from run to run: the temporary folder.
fn hide(screen: &str, folder: &Path) -> String {
    let mut text = screen.replace(&folder.display().to_string(), "[HOME]");
    let parents = folder.ancestors().skip(1).map(|it| it.display().to_string()).collect::<Vec<_>>().join(", ");
    text = text.replace(&parents, "[PARENTS]");
    text
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target);
        } else {
            fs::copy(&source, &target).unwrap();
        }
    }
}

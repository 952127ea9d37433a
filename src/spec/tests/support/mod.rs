//! Files for tests: those of the disk, and texts held in memory.
#![allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "each test program uses a part of it")]

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use rcompose_spec::{Files, Given, Kind, Loaded, Selection, SpecErrors, discover, load, select};

pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        let meta = std::fs::metadata(path).ok()?;
        Some(if meta.is_dir() { Kind::Folder } else { Kind::File })
    }
}

/// What a command line asks for, and whether it is `config --hash` and the like.
#[derive(Default)]
pub struct Asked {
    pub given: Given,
    pub services: Vec<String>,
    pub words: Vec<String>,
}

/// Reads the words of a command line.
pub fn asked(words: &[String]) -> Asked {
    let mut asked = Asked::default();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let mut value = || rest.next().cloned().unwrap_or_default();
        let options = &mut asked.given.options;
        match word.as_str() {
            "-f" => asked.given.files.push(value().into()),
            "-p" => asked.given.project_name = Some(value()),
            "--profile" => asked.given.profiles.push(value()),
            "--env-file" => asked.given.env_files.push(value().into()),
            "--project-directory" => asked.given.project_directory = Some(value().into()),
            "--no-interpolate" | "--variables" => options.no_interpolate = true,
            "--no-normalize" => options.no_normalize = true,
            "--no-consistency" => options.no_consistency = true,
            "--no-env-resolution" => options.no_env_resolution = true,
            "--hash" => {
                value();
                options.no_env_resolution = true;
            }
            "config" | "--quiet" | "--images" | "--networks" | "--services" => {}
            "--format" => {
                value();
            }
            flag if flag.starts_with('-') => panic!("{flag} is unknown to the tests"),
            service => asked.services.push(service.to_owned()),
        }
        asked.words.push(word.clone());
    }
    asked
}

/// Finds, loads and selects.
pub fn run(asked: &Asked, cwd: &Path, env: &BTreeMap<String, String>, files: &dyn Files) -> Result<Loaded, SpecErrors> {
    let found = discover(&asked.given, cwd, env, files)?;
    let loaded = load(&found.sources, files)?;
    let selection = Selection { services: asked.services.clone(), dependencies: true };
    select(loaded, &selection, files)
}

/// Replaces the folder of a case, so that expected texts are the same everywhere.
pub fn placeless(text: &str, folder: &Path) -> String {
    text.replace(&folder.display().to_string(), "@CASE@")
}

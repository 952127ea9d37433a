//! Runs the recorded answers of `tests/conformance/vectors`.
#![allow(clippy::unwrap_used, clippy::allow_attributes, reason = "a test")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rcompose_spec::render::{self, RenderOptions};
use rcompose_spec::{Given, LoadOptions, Loaded, SpecErrors, hash};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use support::{Asked, Disk, asked, placeless, run};

#[derive(Deserialize)]
struct Manifest {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    cwd: String,
    args: Vec<String>,
    cmd: Vec<String>,
    env: BTreeMap<String, String>,
    rc: i32,
    hazard: bool,
}

/// What a message must still name.
#[derive(Deserialize)]
struct Named {
    keypath: Option<String>,
    mentions: Vec<String>,
}

/// Another answer of the reference to the same question.
#[derive(Deserialize)]
struct Other {
    rc: i32,
    stdout: String,
    stderr: String,
}

struct Case<'a> {
    vector: &'a Vector,
    folder: PathBuf,
}

fn vectors() -> (PathBuf, Vec<Vector>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/conformance/vectors")
        .canonicalize()
        .unwrap();
    let manifest: Manifest = serde_json::from_slice(&std::fs::read(root.join("manifest.json")).unwrap()).unwrap();
    (root, manifest.vectors)
}

#[test]
fn every_recorded_answer_is_given() {
    let (root, vectors) = vectors();
    assert!(vectors.len() > 400, "only {} vectors were found", vectors.len());
    let mut failed = Vec::new();
    for vector in &vectors {
        let case = Case { vector, folder: root.join(&vector.name) };
        let begin = Instant::now();
        if let Err(why) = case.check() {
            failed.push(format!("== {}\n{why}", vector.name));
        }
        assert!(begin.elapsed() < Duration::from_secs(5), "{} took {:?}", vector.name, begin.elapsed());
    }
    assert!(failed.is_empty(), "{} of {} differ\n{}", failed.len(), vectors.len(), failed.join("\n"));
}

/// Not a fixed point in the reference either: it tells `published: 8080` from `published: "8080"` but writes both alike;
/// and it keeps an optional dependency on a disabled service, but leaves that service out.
const NOT_FIXED: [&str; 2] = ["merge/ports-long-short", "profiles/dep-on-profiled-optional"];

#[test]
fn config_of_config_is_config() {
    let (root, vectors) = vectors();
    let mut checked = 0;
    for vector in vectors.iter().filter(|vector| vector.rc == 0 && !vector.hazard) {
        let case = Case { vector, folder: root.join(&vector.name) };
        let asked = case.asked();
        let Ok(loaded) = case.run(&asked) else { continue };
        if asked.given.options != LoadOptions::default() || NOT_FIXED.contains(&vector.name.as_str()) {
            continue;
        }
        let first = render::yaml(&loaded, &RenderOptions::default());
        let given = Given {
            files: vec!["-".into()],
            profiles: vec!["*".to_owned()],
            stdin: Some(first.clone().into_bytes()),
            ..Given::default()
        };
        let again = case
            .run(&Asked { given, ..Asked::default() })
            .unwrap_or_else(|errors| panic!("{}: {errors}\n{first}", vector.name));
        assert_eq!(first, render::yaml(&again, &RenderOptions::default()), "{}", vector.name);
        checked += 1;
    }
    assert!(checked > 250, "only {checked} vectors were checked");
}

impl Case<'_> {
    fn asked(&self) -> Asked {
        let words: Vec<String> = self.vector.args.iter().chain(&self.vector.cmd).cloned().collect();
        asked(&words)
    }

    fn run(&self, asked: &Asked) -> Result<Loaded, SpecErrors> {
        let cwd = self.folder.join(&self.vector.cwd);
        let mut env = self.vector.env.clone();
        for (name, value) in [("HOME", "/home/oracle"), ("LANG", "C.UTF-8"), ("PATH", "/usr/bin:/bin")] {
            env.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        run(asked, &cwd, &env, &Disk)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join("oracle").join(name)).unwrap_or_default()
    }

    fn others(&self) -> Vec<Other> {
        serde_json::from_str(&self.read("alt.json")).unwrap_or_default()
    }

    fn check(&self) -> Result<(), String> {
        let asked = self.asked();
        match self.run(&asked) {
            Ok(_) if self.vector.hazard => Err("must be refused".to_owned()),
            Err(_) if self.vector.hazard => Ok(()),
            Ok(loaded) => self.check_answer(&asked, &loaded),
            Err(errors) if self.vector.rc == 0 => Err(format!("refused: {errors}")),
            Err(errors) => self.check_errors(&errors),
        }
    }

    fn check_answer(&self, asked: &Asked, loaded: &Loaded) -> Result<(), String> {
        let others = self.others();
        let recorded = |name: &str| {
            let first = (self.vector.rc == 0).then(|| self.read(name));
            let more = others.iter().filter(|other| other.rc == 0).map(|other| other.stdout.clone());
            first.into_iter().chain(more).collect::<Vec<_>>()
        };
        let has = |word: &str| asked.words.iter().any(|known| known == word);
        let options = RenderOptions { no_interpolate: asked.given.options.no_interpolate };
        if has("--quiet") {
            return Ok(());
        }
        if has("--format") {
            let found: Value = serde_json::from_str(&placeless(&render::json(loaded, &options), &self.folder)).unwrap();
            let expected = recorded("out.json");
            let same = expected.iter().any(|text| serde_json::from_str::<Value>(text).unwrap() == found);
            return if same {
                Ok(())
            } else {
                Err(format!("expected {}\nfound {found:#}", expected.join("\nor ")))
            };
        }
        let (text, ordered) = match asked.words.iter().find(|word| word.starts_with("--")).map(String::as_str) {
            Some("--hash") => (hashes(loaded), false),
            Some("--images") => (render::images(loaded), false),
            Some("--networks") => (render::networks(loaded), false),
            Some("--services") => (render::services(loaded), false),
            Some("--variables") => (render::variables(loaded), false),
            _ => (render::yaml(loaded, &options), true),
        };
        let normal = |text: &str| {
            let mut lines: Vec<String> = placeless(text.trim_end(), &self.folder).lines().map(|line| line.trim_end().to_owned()).collect();
            if !ordered {
                lines.sort();
            }
            lines
        };
        let expected = recorded("out.txt");
        let same = expected.iter().any(|expected| normal(expected) == normal(&text));
        if same {
            Ok(())
        } else {
            Err(format!("expected {}\nfound {text}", expected.join("\nor ")))
        }
    }

    fn check_errors(&self, errors: &SpecErrors) -> Result<(), String> {
        let text = placeless(&errors.to_string(), &self.folder);
        let first = self.read("stderr");
        if self.others().iter().any(|other| other.rc != 0 && other.stderr != first) {
            // The reference names one of several mistakes at random.
            return Ok(());
        }
        let named: Named = serde_json::from_str(&self.read("error.json")).map_err(|_| "the reference accepts it".to_owned())?;
        let missing = named.mentions.iter().find(|name| !text.contains(name.as_str()));
        if let Some(name) = missing {
            return Err(format!("{name} is not named in\n{text}\nreference: {first}"));
        }
        let path = named.keypath.as_deref().map(plain).unwrap_or_default();
        if plain(&text).contains(&path) {
            Ok(())
        } else {
            Err(format!("{path} is not named in\n{text}\nreference: {first}"))
        }
    }
}

/// A path without indexes, which the reference writes in several forms or not at all.
fn plain(path: &str) -> String {
    let dotted = path.replace('[', ".").replace(']', "");
    let parts = dotted.split('.').filter(|part| !part.is_empty() && !part.bytes().all(|b| b.is_ascii_digit()));
    parts.collect::<Vec<_>>().join(".")
}

fn hashes(loaded: &Loaded) -> String {
    let mut text = String::new();
    for (name, service) in &loaded.project.services {
        let digest = Sha256::digest(hash::service((**service).clone(), hash::Dialect::V2));
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        text.push_str(&format!("{name} {hex}\n"));
    }
    text
}

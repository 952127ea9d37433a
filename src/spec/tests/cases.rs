//! Cases as data: `cases/<case>/{compose.yaml, …}` must give `project.yaml`, or fail with `error.txt`.
//!
//! `args` holds further words of the command line, `env` the variables of the process. With BLESS=1 in the environment
//! the expected files are written instead of compared; look at what changed before committing it.
#![allow(clippy::unwrap_used, clippy::allow_attributes, reason = "a test")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use rcompose_spec::render::{self, RenderOptions};
use rcompose_spec::{Code, Finding, Place, SpecErrors, strict};
use support::{Disk, asked, placeless, run};

#[test]
fn cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let bless = std::env::var_os("BLESS").is_some();
    let mut failed = Vec::new();
    let mut count = 0;
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    for case in cases {
        count += 1;
        if let Err(difference) = check(&case, bless) {
            failed.push(format!("== {}\n{difference}", case.file_name().unwrap().to_string_lossy()));
        }
    }
    assert!(count > 30, "only {count} cases were found");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn check(case: &Path, bless: bool) -> Result<(), String> {
    let words = read(&case.join("args"));
    let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    let env: BTreeMap<String, String> = read(&case.join("env"))
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .chain([("HOME".to_owned(), "/home/user".to_owned())])
        .collect();
    let asked = asked(&words);
    let options = RenderOptions { no_interpolate: asked.given.options.no_interpolate };
    let (name, other, text) = match run(&asked, case, &env, &Disk) {
        Ok(loaded) => {
            let mut text = render::yaml(&loaded, &options);
            for line in show("warning", &errors_of(&loaded.warnings)).lines() {
                let _ = writeln!(text, "# {line}");
            }
            let facts = loaded.warnings.iter().filter(|warning| warning.code == Code::ChosenFile).count();
            assert_eq!(strict(&loaded.warnings).is_err(), loaded.warnings.len() > facts, "{}", case.display());
            ("project.yaml", "error.txt", text)
        }
        Err(errors) => ("error.txt", "project.yaml", show("error", &errors)),
    };
    let text = placeless(&text, case);
    if bless {
        std::fs::write(case.join(name), &text).unwrap();
        return Ok(());
    }
    if case.join(other).exists() {
        return Err(format!("{other} was expected, but the result is\n{text}"));
    }
    let expected = read(&case.join(name));
    if text == expected {
        Ok(())
    } else {
        Err(format!("-- expected\n{expected}\n-- found\n{text}"))
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Warnings as the errors that they are under `--strict`.
fn errors_of(warnings: &[Finding]) -> SpecErrors {
    SpecErrors(warnings.to_vec())
}

/// The mistakes as a terminal without colours would show them.
fn show(level: &str, errors: &SpecErrors) -> String {
    let mut text = String::new();
    for report in errors.reports() {
        let _ = writeln!(text, "{level}[{}]: {}", report.code, report.title);
        for place in report.place.iter().chain(&report.notes).chain(&report.chain) {
            mark(place, &mut text);
        }
        if let Some(hint) = &report.hint {
            let _ = writeln!(text, "  hint: {hint}");
        }
    }
    text
}

fn mark(place: &Place, text: &mut String) {
    let _ = writeln!(text, "  --> {}:{}:{}", place.path.display(), place.line, place.column);
    let _ = writeln!(text, "   | {}", place.text());
    let width = place.source.text[place.range.clone()].chars().count().max(1);
    let _ = writeln!(text, "   | {}{} {}", " ".repeat(place.column - 1), "^".repeat(width), place.label);
}

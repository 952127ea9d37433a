//! Keeps the house: who imports whom, how large files and functions are, what modules are called.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned;
use syn::visit::Visit;

/// Rooms and what each may import; source: `ARCHITECTURE.md`. Anything absent is forbidden.
const EDGES: &[(&str, &str, &[&str])] = &[
    (
        "",
        "rcompose",
        &[
            "spec",
            "planner",
            "executor",
            "engine-adapter",
            "docker",
            "native",
            "credentials",
            "image",
            "runtime",
            "supervise",
        ],
    ),
    ("src/planner", "planner", &["spec", "engine-adapter"]),
    ("src/executor", "executor", &["planner", "engine-adapter"]),
    ("src/engine-adapter", "engine-adapter", &["health"]),
    ("src/engine-adapter/docker", "docker", &["engine-adapter", "context", "credentials"]),
    ("src/engine-adapter/memory", "memory", &["engine-adapter", "health"]),
    (
        "src/engine-adapter/native",
        "native",
        &["engine-adapter", "health", "image", "network", "runtime", "supervise"],
    ),
    ("src/supervise", "supervise", &["runtime", "health", "network"]),
    ("src/spec", "spec", &[]),
    ("src/health", "health", &[]),
    ("src/context", "context", &[]),
    ("src/credentials", "credentials", &[]),
    ("src/image", "image", &[]),
    ("src/network", "network", &[]),
    ("src/runtime", "runtime", &[]),
];

/// Names that say nothing of what is inside.
const DRAWERS: &[&str] = &["utils", "util", "common", "helpers", "helper", "imp", "types", "manager", "misc"];

const WARN_LINES: usize = 500;
const MOST_LINES: usize = 800;
const MOST_FUNCTION_LINES: usize = 60;

#[test]
fn rooms_import_only_what_they_may() {
    let rooms: BTreeSet<&str> = EDGES.iter().map(|(folder, ..)| *folder).collect();
    assert_eq!(rooms, manifests().iter().map(String::as_str).collect(), "a room without a line in EDGES, or the reverse");
    for (folder, room, allowed) in EDGES {
        let manifest = manifest(folder);
        let ours = |table: &str| -> BTreeSet<String> {
            let names = manifest.get(table).and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
            names.filter_map(|name| name.strip_prefix("rcompose-")).map(str::to_owned).collect()
        };
        let allowed: BTreeSet<String> = allowed.iter().map(|&it| it.to_owned()).collect();
        let extra: Vec<String> = ours("dependencies").difference(&allowed).cloned().collect();
        assert!(extra.is_empty(), "{room} must not import {extra:?}");
        assert!(!ours("dependencies").contains("memory"), "{room}: the memory engine is for tests");
    }
}

#[test]
fn the_planner_and_spec_know_neither_clock_nor_engine() {
    for room in ["src/planner", "src/spec", "src/health"] {
        for file in sources(Path::new(room)).into_iter().filter(|file| !is_test(file)) {
            let text = fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for word in ["std::env::", "SystemTime", "Instant::now", "std::fs::", "println!", "tracing::"] {
                assert!(!code.contains(word), "{}: `{word}` belongs to another room", file.display());
            }
        }
    }
}

#[test]
fn bollard_stays_in_its_room() {
    for file in sources(Path::new("src")) {
        let inside = file.starts_with("src/engine-adapter/docker");
        assert!(inside || !fs::read_to_string(&file).unwrap().contains("bollard::"), "{}", file.display());
    }
}

#[test]
fn modules_say_what_they_are() {
    for file in sources(Path::new("src")) {
        let stem = file.file_stem().and_then(|it| it.to_str()).unwrap_or_default();
        let folder = file.parent().and_then(|it| it.file_name()).and_then(|it| it.to_str()).unwrap_or_default();
        assert!(!DRAWERS.contains(&stem) && !DRAWERS.contains(&folder), "{}: a drawer, not a room", file.display());
    }
}

#[test]
fn every_room_says_what_it_is() {
    for (folder, room, _) in EDGES.iter().filter(|(folder, ..)| !folder.is_empty()) {
        let text = fs::read_to_string(Path::new(folder).join("lib.rs")).unwrap();
        assert!(text.starts_with("//!"), "{room}: lib.rs opens with its purpose");
    }
}

#[test]
fn files_and_functions_are_small() {
    let (mut files, mut functions) = (BTreeMap::new(), BTreeMap::new());
    for file in sources(Path::new("src")).into_iter().filter(|file| !is_test(file)) {
        let text = fs::read_to_string(&file).unwrap();
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut sizes = Sizes::default();
        sizes.visit_file(&parsed);
        files.insert(file.display().to_string(), text.lines().count() - sizes.test_lines);
        functions.extend(sizes.functions.into_iter().map(|(name, lines)| (format!("{}: {name}", file.display()), lines)));
    }
    report("files", &files, MOST_LINES, WARN_LINES);
    report("functions", &functions, MOST_FUNCTION_LINES, MOST_FUNCTION_LINES);
    let large = |all: &BTreeMap<String, usize>, most: usize| -> Vec<(String, usize)> {
        all.iter().filter(|(_, lines)| **lines > most).map(|(name, lines)| (name.clone(), *lines)).collect()
    };
    assert_eq!(large(&files, MOST_LINES), [], "files of more than {MOST_LINES} lines");
    assert_eq!(large(&functions, MOST_FUNCTION_LINES), [], "functions of more than {MOST_FUNCTION_LINES} lines");
}

/// Lines of functions, those of tests left out.
#[derive(Default)]
struct Sizes {
    functions: BTreeMap<String, usize>,
    test_lines: usize,
}

impl Sizes {
    fn function(&mut self, name: &syn::Ident, span: proc_macro2::Span, at: usize) {
        self.functions.insert(format!("{name} (line {at})"), span.end().line - span.start().line + 1);
    }
}

impl<'ast> Visit<'ast> for Sizes {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let is_test = module
            .attrs
            .iter()
            .any(|it| it.path().is_ident("cfg") && quote::quote!(#it).to_string().contains("test"));
        if is_test {
            self.test_lines += module.span().end().line - module.span().start().line + 1;
        } else {
            syn::visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        let start = function.sig.span().start().line;
        self.function(&function.sig.ident, function.block.span(), start);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        let start = function.sig.span().start().line;
        self.function(&function.sig.ident, function.block.span(), start);
        syn::visit::visit_impl_item_fn(self, function);
    }
}

#[expect(clippy::print_stdout, reason = "`just tidy` shows these figures")]
fn report(what: &str, sizes: &BTreeMap<String, usize>, most: usize, warn: usize) {
    let mut lines: Vec<usize> = sizes.values().copied().collect();
    lines.sort_unstable();
    let at = |share: usize| lines.get((lines.len() * share / 100).min(lines.len().saturating_sub(1))).copied().unwrap_or(0);
    println!("{what}: {} of them, lines median {}, p90 {}, max {} (limit {most})", lines.len(), at(50), at(90), at(100));
    for (name, lines) in sizes.iter().filter(|(_, lines)| **lines > warn) {
        println!("warning: {name} has {lines} lines");
    }
}

fn is_test(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "tests") || file.file_name().is_some_and(|name| name == "tests.rs")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn manifest(folder: &str) -> toml::Table {
    let path = Path::new(folder).join("Cargo.toml");
    fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .parse()
        .unwrap()
}

/// The folders of all packages of the workspace.
fn manifests() -> Vec<String> {
    let root = manifest("");
    let members = root["workspace"]["members"].as_array().unwrap();
    let members = members.iter().filter_map(toml::Value::as_str).map(str::to_owned);
    std::iter::once(String::new()).chain(members).collect()
}

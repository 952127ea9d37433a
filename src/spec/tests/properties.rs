//! Laws that hold for any input.
#![allow(clippy::unwrap_used, clippy::allow_attributes, reason = "a test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rcompose_spec::render::{self, RenderOptions};
use rcompose_spec::{Given, InMemory, Loaded, Sources, SpecErrors, discover, load};

fn load_texts(texts: &[&str], env: &[(&str, &str)]) -> Result<Loaded, SpecErrors> {
    let mut files = InMemory::default();
    let mut sources = Sources { working_dir: PathBuf::from("/p"), ..Sources::default() };
    for (index, text) in texts.iter().enumerate() {
        let path = Path::new("/p").join(format!("{index}.yaml"));
        files.0.insert(path.clone(), text.as_bytes().to_vec());
        sources.files.push(path);
    }
    sources.env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    load(&sources, &files)
}

fn label(loaded: &Loaded) -> Option<&String> {
    loaded.project.services.get("web")?.labels.get("l")
}

/// Pieces that compose files are made of, good and bad ones.
const PIECES: [&str; 44] = [
    "services:",
    "\n  web:",
    "\n    image: a",
    "\n    ports:",
    "\n      - ",
    "\"80:80\"",
    "1-5:3",
    "{target: 80}",
    "\n    volumes:",
    "a:/b:ro",
    "\n    environment:",
    "\n      A: ",
    "${A:-",
    "}",
    "$$",
    "$",
    "&x ",
    "*x",
    "<<: *x",
    "!reset ",
    "!override ",
    "[",
    "]",
    "{",
    "}",
    ": ",
    ",",
    "\n",
    "\t",
    "\"",
    "'",
    "|\n   text",
    "null",
    "0x1f",
    "1e3",
    "2001-01-01",
    "\n    extends: web",
    "\ninclude: [0.yaml]",
    "\n---\n",
    "\n    deploy: {replicas: 2}",
    "\n    healthcheck: {test: x}",
    "\n    depends_on: [web]",
    "é\u{2028}",
    "\u{feff}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn text_without_a_dollar_sign_is_kept(value in "[ -#%-~é]{0,40}") {
        let yaml = serde_json::json!({"services": {"web": {"image": "a", "labels": {"l": value}}}}).to_string();
        let loaded = load_texts(&[&yaml], &[]).unwrap();
        prop_assert_eq!(label(&loaded), Some(&value));
    }

    #[test]
    fn rendered_yaml_reads_back_as_it_was(value in "\\PC{0,40}|[ \\n\\ta:#'\"$-]{0,20}", key in "[a-z]{1,8}") {
        let escaped = value.replace('$', "$$");
        let yaml = serde_json::json!({"services": {"web": {"image": "a", "labels": {"l": escaped}, "command": [escaped, key]}}}).to_string();
        let first = load_texts(&[&yaml], &[]).unwrap();
        let text = render::yaml(&first, &RenderOptions::default());
        let again = load_texts(&[&text], &[]);
        prop_assert!(again.is_ok(), "{}\n{}", text, again.unwrap_err());
        let again = again.unwrap();
        prop_assert_eq!(label(&again), Some(&value), "{}", text);
        prop_assert_eq!(&again.project.services, &first.project.services);
    }

    #[test]
    fn nothing_panics_and_every_mistake_has_a_place(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..40)) {
        let text = pieces.concat();
        if let Err(errors) = load_texts(&[&text], &[("A", "1")]) {
            prop_assert!(!errors.0.is_empty());
            for report in errors.reports() {
                prop_assert!(!report.title.is_empty());
                for place in report.place.iter().chain(&report.notes).chain(&report.chain) {
                    prop_assert!(place.source.text.get(place.range.clone()).is_some(), "{:?}", place);
                }
            }
        }
    }

    #[test]
    fn later_files_win_whatever_the_grouping(a in "[a-z]{1,5}", b in "[a-z]{1,5}", c in "[a-z]{1,5}") {
        let file = |value: &str| format!("services:\n  web: {{image: {value}, labels: {{l: {value}, k-{value}: x}}, command: [{value}]}}\n");
        let (a, b, c) = (file(&a), file(&b), file(&c));
        let flat = load_texts(&[&a, &b, &c], &[]).unwrap();
        let documents = format!("{b}---\n{c}");
        let grouped = load_texts(&[&a, &documents], &[]).unwrap();
        prop_assert_eq!(flat.project.services, grouped.project.services);
    }
}

#[test]
fn origins_name_the_line_of_each_value() {
    let base = "services:\n  web:\n    image: a\n    ports: [\"80:80\"]\n    labels: {a.b: x}\n";
    let over = "services:\n  web:\n    ports:\n      - 81:81\n    environment:\n      A: 1\n";
    let loaded = load_texts(&[base, over], &[]).unwrap();
    let place = |path: &str| loaded.origins.get(path).map(ToString::to_string);
    let expected: BTreeMap<&str, &str> = [
        ("services.web.image", "/p/0.yaml:3:12"),
        ("services.web.ports[0]", "/p/0.yaml:4:13"),
        ("services.web.ports[1]", "/p/1.yaml:4:9"),
        ("services.web.ports[1].target", "/p/1.yaml:4:9"),
        ("services.web.labels.a.b", "/p/0.yaml:5:19"),
        ("services.web.environment.A", "/p/1.yaml:6:10"),
        ("services.web.nothing", "/p/0.yaml:2:3"),
    ]
    .into();
    for (path, at) in expected {
        assert_eq!(place(path).as_deref(), Some(at), "{path}");
    }
    assert_eq!(loaded.origins.below("services.web.ports").len(), 11);
    assert_eq!(place("volumes"), None);
}

#[test]
fn without_a_compose_file_the_error_says_where_it_looked() {
    let errors = discover(&Given::default(), Path::new("/p/q"), &BTreeMap::new(), &InMemory::default()).unwrap_err();
    let report = &errors.reports()[0];
    assert_eq!(report.code, "no-compose-file");
    let hint = report.hint.as_deref().unwrap_or_default();
    assert!(hint.contains("compose.yaml, compose.yml, docker-compose.yml, docker-compose.yaml"), "{hint}");
    assert!(hint.ends_with("in /p/q, /p, /"), "{hint}");
}

#[test]
fn a_file_in_a_parent_folder_is_found_with_its_override() {
    let mut files = InMemory::default();
    for (path, text) in [
        ("/p/docker-compose.yml", "services: {web: {image: a}}"),
        ("/p/compose.override.yaml", "services: {web: {image: b}}"),
        ("/p/.env", "COMPOSE_PROFILES=x, y\nCOMPOSE_PROJECT_NAME=named\n"),
    ] {
        files.0.insert(PathBuf::from(path), text.as_bytes().to_vec());
    }
    let found = discover(&Given::default(), Path::new("/p/q"), &BTreeMap::new(), &files).unwrap();
    assert_eq!(found.sources.working_dir, Path::new("/p"));
    assert_eq!(found.sources.profiles, ["x", "y"]);
    let loaded = load(&found.sources, &files).unwrap();
    assert_eq!(loaded.project.name, "named");
    assert_eq!(loaded.project.services["web"].image, "b");
}

#[test]
fn a_megabyte_of_mistakes_ends_soon() {
    let keys: String = (0..60_000).map(|index| format!("    key{index}: ${{V{index}}}\n")).collect();
    let text = format!("services:\n  web:\n{keys}");
    let begin = std::time::Instant::now();
    let errors = load_texts(&[&text], &[]).unwrap_err();
    assert_eq!(errors.0.len(), 501);
    // Generous, since tests run unoptimised and beside others.
    assert!(begin.elapsed() < std::time::Duration::from_secs(30), "{:?}", begin.elapsed());
}

/// Lists as long as a megabyte allows, of things that are compared with each other.
#[test]
fn a_megabyte_of_doubtful_things_ends_soon() {
    let list = |count: usize, item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<String>();
    let apart = |index: usize| format!("127.{}.{}.{}", index >> 16, index >> 8 & 255, index & 255);
    let ports = list(30_000, &|index| format!("      - {}:80:80\n", apart(index)));
    let ranges = list(15_000, &|index| format!("      - {}:80:80\n      - {}:1-65000:80\n", apart(index), apart(index + 20_000)));
    let hosts = list(40_000, &|index| format!("      - host{index}=nowhere\n"));
    let options = list(100_000, &|index| format!("o{index},"));
    let pools = list(15_000, &|index| format!("{{subnet: 10.{}.{}.0/24}}, ", index >> 8, index & 255));
    let fixed = list(5_000, &|index| {
        format!("  s{index}: {{image: a, networks: {{n: {{ipv4_address: 11.0.{}.{}}}}}}}\n", index >> 8, index & 255)
    });
    let networks = list(10_000, &|index| {
        format!("  n{index}: {{ipam: {{config: [{{subnet: 10.{}.{}.0/24}}]}}}}\n", index >> 8, index & 255)
    });
    let joined = list(10_000, &|index| format!("n{index}, "));
    let blank = list(15_000, &|index| format!("  b{index}: {{image: \"$NONE:$NONE\", restart: \"x{index}\"}}\n"));
    for text in [
        format!("services:\n  web:\n    image: a\n    ports:\n{ports}"),
        format!("services:\n  web:\n    image: a\n    ports:\n{ranges}"),
        format!("services:\n  web:\n    image: a\n    extra_hosts:\n{hosts}"),
        format!("services:\n  web:\n    image: a\n    volumes: [\"./a:/b:{options}\"]\n    tmpfs: [\"/x:{options}\"]\n"),
        format!("services:\n{fixed}networks: {{n: {{ipam: {{config: [{pools}]}}}}}}\n"),
        format!("services:\n  a: {{image: a, networks: [{joined}]}}\nnetworks:\n{networks}"),
        format!("services:\n{blank}"),
        format!("services:\n  web: {{image: {0}, restart: {0}, stop_signal: {0}, platform: {0}}}\n", "A".repeat(200_000)),
    ] {
        let begin = std::time::Instant::now();
        let loaded = load_texts(&[&text], &[]);
        assert!(loaded.is_ok_and(|loaded| loaded.warnings.len() <= 500), "{}", &text[..80]);
        assert!(begin.elapsed() < std::time::Duration::from_secs(30), "{:?}: {}", begin.elapsed(), &text[..80]);
    }
}

//! What fuzzing calls, and the tests of the room `spec` replay: bytes in, a panic where a law is broken.
#![allow(unreachable_pub, clippy::allow_attributes, reason = "two crates use it: the fuzz targets and a test")]

use std::collections::BTreeMap;
use std::path::Path;

use rcompose_spec::hash::{self, Dialect};
use rcompose_spec::render::{self, RenderOptions};
use rcompose_spec::{Discovered, Given, InMemory, LoadOptions, Loaded, Place, SpecErrors, discover, elements, load, why};
use serde_json::{Value, json};

/// Stands between the files of one input.
const CUT: &[u8] = b"\n=====\n";
/// Where the files are.
const FOLDER: &str = "/p";

/// A target by its name.
pub type Target = fn(&[u8]);

/// All targets.
pub const TARGETS: [(&str, Target); 8] = [
    ("project", project),
    ("layers", layers),
    ("interpolation", interpolation),
    ("dotenv", dotenv),
    ("short_ports", short_ports),
    ("short_volumes", short_volumes),
    ("short_words", short_words),
    ("round_trip", round_trip),
];

/// Any bytes as a compose file.
pub fn project(data: &[u8]) {
    run(&[("compose.yaml", data)], LoadOptions { trace: true, ..LoadOptions::default() });
    run(&[("compose.yaml", data)], LoadOptions { no_interpolate: true, all_resources: true, ..LoadOptions::default() });
}

/// A base, its override, a file to extend or include, and `.env`.
pub fn layers(data: &[u8]) {
    let names = ["compose.yaml", "compose.override.yaml", "other.yaml", ".env"];
    let files: Vec<(&str, &[u8])> = names.into_iter().zip(cut(data)).collect();
    run(&files, LoadOptions { trace: true, ..LoadOptions::default() });
}

/// A text with variables, as a value of several types, and a file of variables.
pub fn interpolation(data: &[u8]) {
    let mut parts = cut(data).into_iter();
    let text = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let service = json!({"image": "a", "labels": {"l": text}, "command": [text], "init": text, "mem_limit": text});
    for key in ["labels", "command", "init", "mem_limit"] {
        let yaml = json!({"services": {"web": {"image": "a", key: service[key]}}}).to_string();
        let loaded = run(
            &[("compose.yaml", yaml.as_bytes()), (".env", parts.clone().next().unwrap_or_default())],
            LoadOptions { trace: true, ..LoadOptions::default() },
        );
        if let Some(loaded) = loaded.filter(|_| key == "labels" && !text.contains('$')) {
            assert_eq!(loaded.project.services["web"].labels["l"], text, "text without `$` is kept");
        }
    }
}

/// A file of variables: `.env`, `env_file`, `env_file` taken raw, `label_file`; the first byte chooses.
pub fn dotenv(data: &[u8]) {
    let Some((&choice, text)) = data.split_first() else {
        return;
    };
    let service = match choice % 4 {
        0 => json!({"image": "a${A}${B:-c}", "environment": ["A", "B"]}),
        1 => json!({"image": "a", "env_file": "vars", "environment": {"A": "1"}}),
        2 => json!({"image": "a", "env_file": [{"path": "vars", "format": "raw"}]}),
        _ => json!({"image": "a", "label_file": "vars"}),
    };
    let name = if choice % 4 == 0 { ".env" } else { "vars" };
    let yaml = json!({"services": {"web": service}}).to_string();
    run(&[("compose.yaml", yaml.as_bytes()), (name, text)], LoadOptions { trace: true, ..LoadOptions::default() });
}

/// The short form of a port, and the long one with the same text. A wide range is work for each of its ports, and so many seconds here,
/// where code is slow: the budget test has those.
pub fn short_ports(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    // A variable in a range may make any.
    if widest_range(&text) > 1_000 || text.contains('-') && text.contains('$') {
        return;
    }
    one_service("ports", &json!([text]));
    one_service("ports", &json!([{"target": 80, "published": text, "mode": "host"}]));
    one_service("expose", &json!([text]));
}

fn widest_range(text: &str) -> u64 {
    let numbers: Vec<u64> = text.split(|it: char| !it.is_ascii_digit()).filter_map(|it| it.parse().ok()).collect();
    numbers.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap_or(0)
}

/// The short form of a mount.
pub fn short_volumes(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    one_service("volumes", &json!([text]));
    one_service("volumes", &json!([{"type": "bind", "source": text, "target": text}]));
    one_service("volumes_from", &json!([text]));
}

/// All other short forms; the first byte chooses one.
pub fn short_words(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(rest).into_owned();
    let words: Vec<&str> = text.lines().collect();
    let number: Value = text.trim().parse::<i64>().map_or_else(|_| json!(text), Value::from);
    let forms: [(&str, Value); 24] = [
        ("devices", json!(words)),
        ("secrets", json!([text])),
        ("configs", json!([{"source": text, "target": text, "mode": number}])),
        ("extra_hosts", json!(words)),
        ("ulimits", json!({"nofile": number})),
        ("gpus", json!([{"count": number, "device_ids": words}])),
        ("stop_grace_period", json!(text)),
        ("healthcheck", json!({"test": text, "interval": text, "timeout": text})),
        ("mem_limit", json!(number)),
        ("shm_size", json!(text)),
        ("command", json!(text)),
        ("entrypoint", json!(text)),
        ("environment", json!(words)),
        ("labels", json!(words)),
        ("build", json!({"context": ".", "ssh": words, "args": words, "shm_size": text})),
        ("build", json!(text)),
        ("tmpfs", json!(words)),
        ("depends_on", json!(words)),
        ("pull_policy", json!(text)),
        ("cpus", json!(text)),
        ("networks", json!({"default": {"ipv4_address": text, "aliases": words}})),
        ("blkio_config", json!({"device_read_bps": [{"path": text, "rate": text}]})),
        ("deploy", json!({"resources": {"limits": {"cpus": text, "memory": text}}, "restart_policy": {"delay": text}})),
        ("extends", json!({"service": text, "file": text})),
    ];
    let (key, value) = &forms[usize::from(choice) % forms.len()];
    one_service(key, value);
}

/// What `config` prints is a fixed point: given to `config`, the same comes out.
pub fn round_trip(data: &[u8]) {
    let options = LoadOptions { all_resources: data.len().is_multiple_of(2), ..LoadOptions::default() };
    let Some(first) = run(&[("compose.yaml", data)], options) else {
        return;
    };
    fixed_point(&first, options);
}

fn one_service(key: &str, value: &Value) {
    let yaml = json!({"services": {"web": {"image": "a", key: value}}}).to_string();
    let options = LoadOptions::default();
    if let Some(loaded) = run(&[("compose.yaml", yaml.as_bytes())], options) {
        fixed_point(&loaded, options);
    }
}

fn fixed_point(first: &Loaded, options: LoadOptions) {
    let plain = RenderOptions::default();
    let printed = render::yaml(first, &plain);
    match load_files(&[("compose.yaml", printed.as_bytes())], options) {
        Ok((_, again)) => assert_eq!(render::yaml(&again, &plain), printed, "`config | config` is a fixed point"),
        Err(errors) => panic!("`config` refuses what it printed itself: {errors}\n{printed}"),
    }
}

/// Loads, and asks everything of what was loaded or found wrong.
fn run(files: &[(&str, &[u8])], options: LoadOptions) -> Option<Loaded> {
    match load_files(files, options) {
        Ok((found, loaded)) => {
            ask(&found, &loaded);
            Some(loaded)
        }
        Err(errors) => {
            explain(&errors);
            None
        }
    }
}

fn load_files(files: &[(&str, &[u8])], options: LoadOptions) -> Result<(Discovered, Loaded), SpecErrors> {
    let memory = InMemory(files.iter().map(|(name, text)| (Path::new(FOLDER).join(name), text.to_vec())).collect());
    let given = Given { options, ..Given::default() };
    let found = discover(&given, Path::new(FOLDER), &environment(), &memory)?;
    let loaded = load(&found.sources, &memory)?;
    Ok((found, loaded))
}

fn environment() -> BTreeMap<String, String> {
    let pairs = [("HOME", "/home/user"), ("A", "1"), ("EMPTY", ""), ("LIST", "a b,c:80")];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Everything that can be said of a project.
fn ask(found: &Discovered, loaded: &Loaded) {
    let options = RenderOptions { no_interpolate: loaded.options.no_interpolate };
    let text = render::json(loaded, &options);
    assert!(serde_json::from_str::<Value>(&text).is_ok(), "JSON is well-formed: {text}");
    drop(render::yaml(loaded, &options));
    for list in [
        render::services,
        render::volumes,
        render::networks,
        render::images,
        render::profiles,
        render::variables,
    ] {
        drop(list(loaded));
    }
    for service in loaded.project.services.values() {
        drop(hash::service((**service).clone(), Dialect::V5));
        drop(hash::service((**service).clone(), Dialect::V2));
    }
    loaded.project.networks.values().for_each(|network| drop(hash::network(network)));
    loaded.project.volumes.values().for_each(|volume| drop(hash::volume(volume)));
    for path in ["services", "services.web.ports", "services.web.environment.A", "networks", "nothing"] {
        drop(elements(loaded, path));
    }
    for name in ["A", "B", "nothing"] {
        drop(why(name, &environment(), found, loaded));
    }
}

/// Each mistake has a title, and its places are within their texts.
fn explain(errors: &SpecErrors) {
    assert!(!errors.0.is_empty(), "a failure without a mistake");
    for report in errors.reports() {
        assert!(!report.title.is_empty(), "a mistake without a title");
        for place in report.place.iter().chain(&report.notes).chain(&report.chain) {
            assert!(is_within(place), "{}:{}: not within the text", place.line, place.column);
        }
    }
}

fn is_within(place: &Place) -> bool {
    place.source.text.get(place.range.clone()).is_some() && place.column > 0 && place.line > 0
}

fn cut(data: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(CUT.len()).position(|window| window == CUT) {
        parts.push(&rest[..at]);
        rest = &rest[at + CUT.len()..];
    }
    parts.push(rest);
    parts
}

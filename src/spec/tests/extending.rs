//! `extends` merges as files do: a file that extends another is merged with that one first, which is another grouping of the
//! same files, and makes no difference. `laws.rs` holds the other laws of merging.
#![allow(clippy::unwrap_used, clippy::allow_attributes, reason = "a test")]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use rcompose_spec::render::{self, RenderOptions};
use rcompose_spec::{InMemory, LoadOptions, Loaded, Sources, load};
use serde_json::{Map, Value, json};

/// What an attribute may say: each element is one way, in a short or a long form.
///
/// `logging` is missing, since it merges options for one and the same driver only: a file without a driver goes with
/// whichever neighbour it is grouped with.
fn attributes() -> Vec<(&'static str, Vec<Value>)> {
    let [mut all, more] = [scalars(), collections()];
    all.extend(more);
    all
}

/// Attributes of one value, and mappings of such.
fn scalars() -> Vec<(&'static str, Vec<Value>)> {
    vec![
        ("image", vec![json!("a"), json!("b:1")]),
        ("command", vec![json!(["x", "y"]), json!("sleep 1"), json!([])]),
        ("entrypoint", vec![json!(["e"]), json!("sh -c")]),
        ("restart", vec![json!("always"), json!("no")]),
        ("init", vec![json!(true), json!(false)]),
        ("mem_limit", vec![json!("64m"), json!(1_048_576)]),
        ("stop_grace_period", vec![json!("3s"), json!("1m")]),
        (
            "build",
            vec![
                json!("."),
                json!({"context": "./b", "args": {"X": "1"}}),
                json!({"target": "t", "args": ["X=2", "Y=3"]}),
            ],
        ),
        (
            "healthcheck",
            vec![
                json!({"test": ["CMD", "a"], "retries": 2}),
                json!({"test": "b", "interval": "2s"}),
                json!({"timeout": "1s"}),
            ],
        ),
        (
            "deploy",
            vec![
                json!({"replicas": 2, "labels": ["d=1"]}),
                json!({"labels": {"d": "2", "e": "3"}, "update_config": {"parallelism": 2}}),
            ],
        ),
        (
            "ulimits",
            vec![json!({"nproc": 5, "core": 1}), json!({"nproc": {"soft": 1, "hard": 2}}), json!({"nofile": 7})],
        ),
        ("x-own", vec![json!({"k": [1]}), json!({"k": [2], "l": {"m": 1}})]),
    ]
}

/// Attributes whose entries have keys, and lists.
///
/// No two `extra_hosts` give one host the same address in different forms: docker compose prints that line twice, and then
/// refuses what it printed.
fn collections() -> Vec<(&'static str, Vec<Value>)> {
    vec![
        ("environment", vec![json!({"A": "1", "B": "2"}), json!(["A=3", "C=4"]), json!(["B="]), json!({"D": 5})]),
        ("labels", vec![json!({"l": "1", "m": "2"}), json!(["l=3", "n=4"]), json!({})]),
        ("annotations", vec![json!({"l": "1"}), json!(["l=2", "m=3"])]),
        ("sysctls", vec![json!({"net.core.somaxconn": 1}), json!(["net.core.somaxconn=2", "kernel.msgmax=3"])]),
        (
            "ports",
            vec![
                json!(["80:80", "81"]),
                json!([{"target": 80, "published": "80"}]),
                json!(["1000-1002:1000-1002/udp", "80:80"]),
            ],
        ),
        ("expose", vec![json!(["1"]), json!(["1", "2"])]),
        (
            "volumes",
            vec![
                json!(["data:/d", "./h:/h:ro"]),
                json!([{"type": "tmpfs", "target": "/d"}]),
                json!(["./other:/h", "/anonymous"]),
            ],
        ),
        ("tmpfs", vec![json!("/t"), json!(["/t", "/u:size=1m"])]),
        ("dns", vec![json!("1.1.1.1"), json!(["1.1.1.1", "8.8.8.8"])]),
        ("dns_search", vec![json!("a.test"), json!(["b.test"])]),
        ("cap_add", vec![json!(["A"]), json!(["A", "B"])]),
        ("devices", vec![json!(["/dev/a:/dev/x"]), json!(["/dev/b:/dev/x:r", "/dev/c"])]),
        ("extra_hosts", vec![json!(["h:1.1.1.1"]), json!({"h": "4.4.4.4", "i": "2.2.2.2"}), json!(["h=3.3.3.3"])]),
        (
            "networks",
            vec![
                json!(["front"]),
                json!({"front": {"aliases": ["x"]}, "back": null}),
                json!({"front": {"aliases": ["y"], "priority": 1}}),
            ],
        ),
        (
            "depends_on",
            vec![
                json!(["db"]),
                json!({"db": {"condition": "service_healthy"}}),
                json!({"cache": {"condition": "service_started", "required": false}}),
            ],
        ),
        ("secrets", vec![json!(["s"]), json!([{"source": "s", "target": "t", "mode": 256}])]),
        ("configs", vec![json!(["c"]), json!([{"source": "c", "target": "/c"}])]),
        ("profiles", vec![json!([]), json!([])]),
    ]
}

/// A service with some attributes.
fn service() -> impl Strategy<Value = Value> {
    let all = attributes();
    let count = all.len();
    subsequence(all, 0..count).prop_flat_map(|chosen| {
        let each: Vec<_> = chosen.into_iter().map(|(key, ways)| (Just(key), select(ways))).collect();
        each.prop_map(|pairs| Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>()))
    })
}

/// A file with one service `web`.
fn file(web: &Value) -> Value {
    json!({"services": {"web": web}})
}

/// The file that comes first: what the services refer to.
fn ground() -> Value {
    let other = json!({"image": "o"});
    json!({
        "name": "p", "services": {"web": {"image": "first"}, "db": other, "cache": other},
        "networks": {"front": {}, "back": {}}, "volumes": {"data": {}},
        "secrets": {"s": {"environment": "HOME"}}, "configs": {"c": {"content": "x"}},
    })
}

/// Loads the first `count` of files, which may refer to the others by their number.
fn loaded(files: &[Value], count: usize, options: LoadOptions) -> Result<Loaded, String> {
    let mut memory = InMemory::default();
    let path = |index: usize| Path::new("/p").join(format!("{index}.yaml"));
    for (index, file) in files.iter().enumerate() {
        memory.0.insert(path(index), file.to_string().into_bytes());
    }
    let sources = Sources {
        working_dir: PathBuf::from("/p"),
        files: (0..count).map(path).collect(),
        options,
        ..Sources::default()
    };
    load(&sources, &memory).map_err(|errors| errors.to_string())
}

fn extending(web: &Value, file: &str) -> Value {
    let mut web = web.clone();
    web["extends"] = json!({"file": file, "service": "web"});
    web
}

fn text(loaded: &Loaded) -> String {
    render::yaml(loaded, &RenderOptions::default())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Files that are named in a row are merged from the left. A file that extends another is merged with that one first,
    /// so `extends` is the other grouping.
    #[test]
    fn extending_and_merging_group_alike(a in service(), b in service(), c in service()) {
        let normal = LoadOptions::default;
        let flat = loaded(&[ground(), file(&a), file(&b), file(&c)], 4, normal());
        let right = loaded(&[ground(), file(&a), file(&extending(&c, "3.yaml")), file(&b)], 3, normal());
        let left = loaded(&[ground(), file(&extending(&b, "3.yaml")), file(&c), file(&a)], 3, normal());
        let [flat, right, left] = [flat, right, left].map(|each| each.map(|loaded| text(&loaded)));
        prop_assert!(flat.is_ok(), "{:?}", flat);
        prop_assert_eq!(&flat, &right, "a, then b with c");
        prop_assert_eq!(&flat, &left, "a with b, then c");
    }
}

/// The generator is worth nothing if most of what it makes is refused.
#[test]
fn every_way_of_every_attribute_loads() {
    for (key, ways) in attributes() {
        for way in ways {
            let files = [ground(), file(&json!({key: way}))];
            if let Err(why) = loaded(&files, 2, LoadOptions::default()) {
                panic!("{key}: {way}: {why}");
            }
        }
    }
}

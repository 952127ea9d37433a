//! Recorded from Docker Engine 20.10: a case is flags, the spec that means the same, and what of `config.json` differs from `plain`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rcompose_runtime::plan::Choices;
use serde_json::{Map, Value, json};

use super::*;

/// Hidden since Docker 25 and 28.
const NEWER_MASKS: [&str; 2] = ["/proc/interrupts", "/sys/devices/virtual/powercap"];

fn cases() -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("bundle/tests/cases");
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_slice(&fs::read(&path).unwrap()).unwrap())
    };
    fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap().path())).collect()
}

fn world(facts: &Value) -> World {
    let mut world = World::default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let number = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
    for (key, value) in facts.as_object().unwrap() {
        match key.as_str() {
            "user" => {
                let groups = value["groups"].as_array().unwrap().iter().map(number).collect();
                world.user = User { uid: number(&value["uid"]), gid: number(&value["gid"]), groups, home: "/".to_owned() };
            }
            "mounts" => {
                let one = |it: &Value| resolved(&text(&it["source"]), &text(&it["target"]), Origin::Mount);
                world.mounts.extend(value.as_array().unwrap().iter().map(one));
            }
            "nodes" => {
                for (asked, list) in value.as_object().unwrap() {
                    let one = |it: &Value| {
                        let (major, minor, mode) = (number(&it["major"]), number(&it["minor"]), number(&it["mode"]));
                        node(it["path"].as_str().unwrap(), it["block"].as_bool().unwrap(), major, minor, mode)
                    };
                    world.nodes.insert(asked.into(), list.as_array().unwrap().iter().map(one).collect());
                }
            }
            "shm" => world.shm = Some(text(value)),
            "hostname" => world.hostname = Some(text(value)),
            "init" => world.init = Some(value.as_str().unwrap().into()),
            other => panic!("no fact {other}"),
        }
    }
    world
}

/// Takes away what says nothing (false, 0, empty, no limit), and puts in order what has none.
fn plain(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(plain);
            // Of a device or rule 0 is a number like any other.
            let is_device = fields.contains_key("major");
            fields.retain(|key, value| {
                let nothing = value.is_null() || *value == json!(false) || *value == json!({}) || *value == json!([]);
                let zero = *value == json!(0) && !is_device && !matches!(key.as_str(), "uid" | "gid" | "index" | "value");
                !(zero || nothing && key != "allow")
            });
        }
        Value::Array(list) => {
            list.iter_mut().for_each(plain);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn sort(document: &mut Value, pointer: &str) {
    if let Some(Value::Array(list)) = document.pointer_mut(pointer) {
        list.sort_by_key(ToString::to_string);
    }
}

/// Brings either document into the same form.
fn alike(mut document: Value) -> Value {
    plain(&mut document);
    for pointer in [
        "/linux/namespaces",
        "/linux/maskedPaths",
        "/linux/readonlyPaths",
        "/process/rlimits",
        "/process/user/additionalGids",
    ] {
        sort(&mut document, pointer);
    }
    for set in ["bounding", "effective", "permitted"] {
        sort(&mut document, &format!("/process/capabilities/{set}"));
    }
    for device in document.pointer_mut("/linux/devices").and_then(Value::as_array_mut).into_iter().flatten() {
        for owner in ["uid", "gid"] {
            device[owner] = device.get(owner).cloned().unwrap_or(json!(0));
        }
    }
    sort(&mut document, "/linux/devices");
    if let Some(Value::Object(mounts)) = document.get_mut("mounts") {
        mounts.values_mut().for_each(|text| *text = Value::String(sorted_options(text.as_str().unwrap())));
    }
    document
}

fn sorted_options(text: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    let options = words.pop().unwrap_or_default();
    let mut options: Vec<String> = options.split(',').map(|it| if it == "rro" { "ro".to_owned() } else { it.to_owned() }).collect();
    // Docker writes bytes with a unit where it can.
    for option in &mut options {
        if option == "size=4k" {
            *option = "size=4096".to_owned();
        }
    }
    options.sort();
    format!("{} {}", words.join(" "), options.join(","))
}

/// Writes our spec as a case has it: less what is ours by intent.
fn ours(lowered: &Lowered, seccomp_in_full: bool) -> Value {
    let mut document = serde_json::to_value(&lowered.spec).unwrap();
    document.as_object_mut().unwrap().remove("ociVersion");
    document["root"].as_object_mut().unwrap().remove("path");
    // Docker sets it as a kernel parameter.
    if let Some(name) = document.as_object_mut().unwrap().remove("domainname") {
        document["linux"]["sysctl"]["kernel.domainname"] = name;
    }
    if let Some(seccomp) = document["linux"].get_mut("seccomp") {
        if seccomp_in_full {
            // Docker 20.10 does not know this field yet.
            assert_eq!(seccomp.as_object_mut().unwrap().remove("defaultErrnoRet"), Some(json!(38)));
        } else {
            *seccomp = json!(true);
        }
    }
    let masked = document["linux"]["maskedPaths"].as_array_mut().unwrap();
    assert!(masked.is_empty() || NEWER_MASKS.iter().all(|it| masked.contains(&json!(it))));
    masked.retain(|it| NEWER_MASKS.iter().all(|newer| it != newer));
    let mut mounts = Map::new();
    for mount in document["mounts"].as_array().unwrap() {
        let word = |key: &str| mount[key].as_str().unwrap();
        let options: Vec<&str> = mount["options"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
        let text = format!("{} {} {}", word("type"), word("source"), options.join(","));
        assert_eq!(
            mounts.insert(word("destination").to_owned(), Value::String(text)),
            None,
            "two mounts at {}",
            word("destination")
        );
    }
    document["mounts"] = Value::Object(mounts);
    document
}

#[test]
fn specs_are_what_dockerd_writes() {
    let cases = cases();
    assert!(cases.len() >= 30, "{} cases", cases.len());
    let plain = cases["plain"]["docker"].clone();
    let mut wrong = Vec::new();
    for (name, case) in &cases {
        let mut expected = plain.clone();
        merge(&mut expected, &case["docker"]);
        let lowered = world(&case["facts"]).with(&case["spec"]);
        let (expected, seen) = (alike(expected), alike(ours(&lowered, name == "seccomp")));
        assert_eq!(lowered.warnings, [] as [&str; 0], "{name}");
        for pointer in ["/process", "/root", "/hostname", "/mounts", "/linux"] {
            let (expected, seen) = (expected.pointer(pointer), seen.pointer(pointer));
            if expected != seen {
                wrong.push(format!("{name} ({}) {pointer}\n docker {expected:?}\n ours   {seen:?}", case["flags"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn mounts_come_by_depth_after_those_of_every_container() {
    for (name, case) in cases() {
        let lowered = world(&case["facts"]).with(&case["spec"]);
        let targets: Vec<&Path> = lowered.spec.mounts().iter().flatten().map(|it| it.destination().as_path()).collect();
        for (at, target) in targets.iter().enumerate() {
            let hidden = targets[..at].iter().find(|earlier| earlier.starts_with(target));
            assert_eq!(hidden, None, "{name}: {} would hide it", target.display());
        }
    }
}

#[test]
fn the_runtime_takes_every_spec() {
    for (name, case) in cases() {
        for unified in [false, true] {
            let mut world = world(&case["facts"]);
            if unified {
                world.host.cgroups = super::unified();
            }
            let lowered = world.with(&case["spec"]);
            let planned = rcompose_runtime::plan::plan(ID, &lowered.spec, Path::new("/bundle"), &world.host, Choices::default());
            let planned = planned.unwrap_or_else(|error| panic!("{name}: {error}"));
            let expected: &[&str] = match name.as_str() {
                "memory" if unified => &["swappiness"],
                "memory_swap" if unified => &["disableOOMKiller"],
                _ => &[],
            };
            assert_eq!(planned.warnings.len(), expected.len(), "{name}: {:?}", planned.warnings);
            assert!(
                planned.warnings.iter().zip(expected).all(|(text, word)| text.contains(word)),
                "{name}: {:?}",
                planned.warnings
            );
        }
    }
}

//! Laws of merging, printing and interpolation, for generated services of many attributes in several forms.
#![allow(clippy::unwrap_used, clippy::allow_attributes, reason = "a test")]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rcompose_spec::render::{self, RenderOptions};
use rcompose_spec::{InMemory, LoadOptions, Loaded, Sources, load};
use serde_json::{Value, json};

/// Attributes, and some of what each may be; all that merge as mappings, by a key, by appending or by replacing.
///
/// Left out is what does not merge so: options of another logging driver, which replace all of it, and what a file completes
/// before it is merged: a build without a context has one as soon as it is printed, and `false` is not printed.
const ATTRIBUTES: &str = r#"{
  "environment": [["A=1", "B=2"], {"A": "2", "C": null}, ["C=3"]],
  "labels": [["x=1"], {"x": "2", "y": "3"}, {"a\nb": "4", "x": "5"}],
  "annotations": [{"a": "1"}, ["b=2", "a=3"]],
  "sysctls": [["s=1"], {"s": "2", "t": 3}],
  "ports": [["80:80"], ["81:81", "53:53/udp"], [{"target": 80, "published": "8080"}], ["80:80", 90]],
  "expose": [["1"], [2, "3/udp"], ["1", "4"]],
  "volumes": [["data:/a"], ["more:/a:ro", "./s:/s"], [{"type": "tmpfs", "target": "/t"}, "/anonymous"]],
  "devices": [["/dev/a:/dev/x"], ["/dev/b:/dev/x:r", "/dev/c"]],
  "secrets": [["s"], [{"source": "s", "target": "/t"}]],
  "command": ["x y", ["z"]],
  "entrypoint": [["e"], "e f"],
  "dns": ["1.1.1.1", ["8.8.8.8", "1.1.1.1"]],
  "cap_add": [["A"], ["B", "A"]],
  "tmpfs": ["/run", ["/tmp", "/run"]],
  "extra_hosts": [["h=1.1.1.1"], {"h": "2.2.2.2", "i": "3.3.3.3"}],
  "depends_on": [["other"], {"other": {"condition": "service_healthy"}}, {"third": {"condition": "service_started", "required": false}}],
  "networks": [["n"], {"n": {"aliases": ["x"]}, "m": null}, {"n": {"aliases": ["y"], "priority": 2}}],
  "healthcheck": [{"test": ["CMD", "x"]}, {"interval": "1s"}, {"test": "y", "retries": 2}],
  "deploy": [{"replicas": 2}, {"resources": {"limits": {"cpus": "1"}}}, {"labels": ["d=1"], "resources": {"reservations": {"memory": "1g"}}}],
  "build": [".", {"context": "x", "args": ["K=1"]}, {"context": "y", "args": {"K": "2", "L": "3"}, "tags": ["t"]}],
  "ulimits": [{"n": 1}, {"n": {"soft": 1, "hard": 2}, "m": 3}],
  "logging": [{"driver": "x", "options": {"a": "1"}}, {"driver": "x", "options": {"b": "2"}}],
  "storage_opt": [{"size": "1G"}, {"size": "2G", "other": "x"}],
  "blkio_config": [{"weight": 1}, {"device_read_bps": [{"path": "/dev/a", "rate": "1k"}]}],
  "stop_grace_period": ["1s", "2m"],
  "shm_size": ["1g", 1024],
  "tty": [true],
  "user": ["1", "root"],
  "x-mine": [{"a": [1]}, {"a\nb": {"c\nd": [{"e\n": 1}]}}]
}"#;

/// A service with some of the attributes.
fn service() -> impl Strategy<Value = Value> {
    let attributes: Value = serde_json::from_str(ATTRIBUTES).unwrap();
    let attributes = attributes.as_object().unwrap().clone();
    // Most attributes are left out, so that what is there meets by chance.
    prop::collection::vec(0_usize..10, attributes.len()).prop_map(move |choices| {
        let chosen = attributes
            .iter()
            .zip(choices)
            .filter_map(|((key, forms), choice)| Some((key.clone(), forms.get(choice)?.clone())));
        let mut service: Value = chosen.collect::<serde_json::Map<_, _>>().into();
        service["image"] = json!("a");
        service
    })
}

/// A file whose `web` is that service, with everything that it may refer to.
fn file(service: &Value) -> String {
    let project = json!({
        "name": "p",
        "services": {"web": service, "other": {"image": "o"}, "third": {"image": "t"}},
        "networks": {"n": null, "m": null},
        "volumes": {"data": null, "more": null},
        "secrets": {"s": {"file": "/secret"}},
    });
    project.to_string()
}

fn load_texts(texts: &[&str], options: LoadOptions) -> Result<Loaded, TestCaseError> {
    let mut files = InMemory::default();
    let mut sources = Sources { working_dir: PathBuf::from("/p"), options, ..Sources::default() };
    for (index, text) in texts.iter().enumerate() {
        let path = Path::new("/p").join(format!("{index}.yaml"));
        files.0.insert(path.clone(), text.as_bytes().to_vec());
        sources.files.push(path);
    }
    load(&sources, &files).map_err(|errors| TestCaseError::fail(format!("{errors}\n{}", texts.join("\n---\n"))))
}

fn config(texts: &[&str], options: LoadOptions) -> Result<String, TestCaseError> {
    Ok(render::yaml(&load_texts(texts, options)?, &RenderOptions::default()))
}

/// What stands between files: nothing that they do not say themselves.
const PARTIAL: LoadOptions = LoadOptions {
    no_interpolate: false,
    no_normalize: true,
    no_path_resolution: false,
    no_env_resolution: false,
    no_consistency: true,
    compatibility: false,
    all_resources: true,
    trace: false,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn merging_is_associative(a in service(), b in service(), c in service()) {
        let (a, b, c) = (file(&a), file(&b), file(&c));
        let flat = config(&[&a, &b, &c], LoadOptions::default())?;
        let left = config(&[&config(&[&a, &b], PARTIAL)?, &c], LoadOptions::default())?;
        let right = config(&[&a, &config(&[&b, &c], PARTIAL)?], LoadOptions::default())?;
        prop_assert_eq!(&flat, &left, "(a b) c");
        prop_assert_eq!(&flat, &right, "a (b c)");
    }

    #[test]
    fn merging_with_nothing_changes_nothing(a in service()) {
        let a = file(&a);
        let alone = config(&[&a], LoadOptions::default())?;
        let nothing = "services: {web: {}}";
        prop_assert_eq!(&config(&[&a, nothing], LoadOptions::default())?, &alone);
        prop_assert_eq!(&config(&[nothing, &a], LoadOptions::default())?, &alone);
    }

    #[test]
    fn config_is_idempotent(a in service(), b in service()) {
        for options in [LoadOptions::default(), PARTIAL] {
            let once = config(&[&file(&a), &file(&b)], options)?;
            prop_assert_eq!(&config(&[&once], options)?, &once);
        }
    }

    #[test]
    fn interpolation_changes_nothing_where_no_dollar_sign_is(a in service(), text in "[ -#%-~é\\n]{0,40}", key in "[a-z:#{}-]{1,8}") {
        let mut a = a;
        a["x-mine"] = json!({key.clone(): [text, {key.clone(): text}]});
        a["environment"] = json!({"A": text});
        a["hostname"] = json!(text);
        let file = file(&a);
        let replaced = load_texts(&[&file], LoadOptions::default())?;
        let web = &replaced.project.services["web"];
        prop_assert_eq!(&web.environment["A"], &Some(text.clone()));
        prop_assert_eq!(&web.hostname, &text);
        let kept = render::json(&load_texts(&[&json!({"services": {}, "x-mine": a["x-mine"]}).to_string()], PARTIAL)?, &RenderOptions::default());
        prop_assert_eq!(&serde_json::from_str::<Value>(&kept).unwrap()["x-mine"], &a["x-mine"]);
    }
}

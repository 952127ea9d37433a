//! Answers of real engines, recorded, and what is read out of them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{container, image, spec};

fn read(recorded: &str) -> (rcompose_engine_adapter::ObservedContainer, rcompose_engine_adapter::ContainerSpec) {
    let all: Value = serde_json::from_str(recorded).expect("JSON");
    let part = |key: &str| all[key].clone();
    let listed = container::listed(serde_json::from_value(part("list")).expect("a list entry")).expect("a name");
    let full = serde_json::from_value(part("inspect")).expect("an inspection");
    let image = image::image(serde_json::from_value(part("image")).expect("an image")).expect("an id");
    let defaults = serde_json::from_value(part("info")).expect("defaults");
    let spec = spec::spec(&listed.name, full, &image.config, &BTreeMap::new(), &defaults);
    (listed, spec)
}

#[test]
fn engine_20_10_is_understood() {
    let (listed, spec) = read(include_str!("recorded/engine-20.10.json"));
    insta::assert_debug_snapshot!("listed_20_10", listed);
    insta::assert_debug_snapshot!("spec_20_10", spec);
}

#[test]
fn engine_28_5_is_understood_as_the_same() {
    let (listed, spec) = read(include_str!("recorded/engine-28.5.json"));
    insta::assert_debug_snapshot!("listed_28_5", listed);
    assert_eq!(spec, read(include_str!("recorded/engine-20.10.json")).1);
}

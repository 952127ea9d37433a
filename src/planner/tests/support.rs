//! The table of what is honoured: it names every attribute, and the documentation says the same.
#![allow(clippy::unwrap_used, clippy::allow_attributes, reason = "a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rcompose_engine_adapter::Feature;
use rcompose_planner::support::{self, Support};

#[test]
fn every_attribute_has_a_row() {
    let known: BTreeSet<String> = rcompose_spec::attributes().into_iter().collect();
    let rows: BTreeSet<String> = support::rows().map(|row| row.attribute.to_owned()).collect();
    let missing: Vec<_> = known.difference(&rows).collect();
    assert!(missing.is_empty(), "without a row: {missing:?}");
    // The schema leaves the inside of `include` to the stage that reads it.
    let extra: Vec<_> = rows.difference(&known).filter(|name| !name.starts_with("include[]")).collect();
    assert!(extra.is_empty(), "no attributes: {extra:?}");
    assert!(known.len() > 300);
}

#[test]
fn every_part_belongs_to_a_whole() {
    let wholes: Vec<&str> = support::rows().filter(|row| row.support != Support::Part).map(|row| row.attribute).collect();
    for row in support::rows().filter(|row| row.support == Support::Part) {
        let whole = wholes
            .iter()
            .any(|whole| row.attribute.strip_prefix(whole).is_some_and(|rest| rest.starts_with(['.', '['])));
        assert!(whole, "{} is a part of nothing", row.attribute);
    }
}

#[test]
fn every_feature_is_in_the_matrix() {
    let page = support::matrix();
    for feature in Feature::ALL {
        assert!(page.contains(feature.needs()), "{feature:?}");
    }
}

#[test]
fn the_documentation_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/support.md");
    let page = support::matrix();
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/support.md is stale: BLESS=1 cargo test -p rcompose-planner --test support");
}

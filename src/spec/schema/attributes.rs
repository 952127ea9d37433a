//! The names of all attributes, as the tables have them.

use super::shape::{Object, Shape};
use super::top::DOCUMENT;

/// Returns every attribute that a compose file may have: `*` stands for a name of the author's, `[]` for items of a list.
#[must_use]
pub fn attributes() -> Vec<String> {
    let mut all = Vec::new();
    object(&DOCUMENT, "", &mut all);
    // Short and long forms of the same attribute name the same keys.
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|name| seen.insert(name.clone()));
    all
}

fn object(object: &Object, at: &str, all: &mut Vec<String>) {
    for (key, shape) in object.keys {
        let path = if at.is_empty() { (*key).to_owned() } else { format!("{at}.{key}") };
        all.push(path.clone());
        inside(shape, &path, all);
    }
}

fn inside(shape: &Shape, at: &str, all: &mut Vec<String>) {
    match shape {
        Shape::Any | Shape::Scalar(_) | Shape::Form(..) | Shape::Range(..) | Shape::Word(_) => {}
        Shape::List(item) | Shape::Set(item) => inside(item, &format!("{at}[]"), all),
        Shape::Map(value) | Shape::Named(value) => inside(value, &format!("{at}.*"), all),
        Shape::Object(keys) => object(keys, at, all),
        Shape::Either(shapes) => shapes.iter().for_each(|shape| inside(shape, at, all)),
    }
}

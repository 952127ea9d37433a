//! `config --format json`.

use super::RenderOptions;
use super::ordered::{Value, document, raw};
use crate::{Loaded, go_json};

/// Writes a project as JSON, its top level sorted by key.
#[must_use]
pub fn json(loaded: &Loaded, options: &RenderOptions) -> String {
    let mut document = if options.no_interpolate { raw(loaded) } else { document(loaded) };
    if !options.no_interpolate {
        // docker compose's JSON has no models.
        document.shift_remove("models");
    }
    for (key, value) in &mut document {
        // It has `null` for empty lists that it does not know the type of.
        if options.no_interpolate || key.starts_with("x-") {
            value.empty_lists_to_null();
        }
    }
    document.sort_keys();
    let mut value = Value::Map(document);
    if !options.no_interpolate {
        value.escape();
    }
    let mut text = go_json::pretty(&value);
    text.push('\n');
    text
}

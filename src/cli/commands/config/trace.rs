//! `config --trace PATH`: which file and line contributed each element of a part of the project.

use rcompose_spec::{Elements, Overridden, Unknown};
use serde_json::{Value, json};

use super::{place, place_json};
use crate::caller::Caller;
use crate::failure::Failure;
use crate::style::{Paint, Tone};
use crate::table;

/// Renders the answer for people: a row for each element, and below it what it replaced.
pub(super) fn text(found: &Elements, caller: &Caller, paint: Paint) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for element in &found.elements {
        let (value, note) = match &element.written {
            // A short form is better known to its author than the mapping it stands for.
            Some(written) if element.value.starts_with('{') => (short(written), String::new()),
            Some(written) => (short(&element.value), format!("from {}", short(written))),
            None if element.implied => (short(&element.value), "implied".to_owned()),
            None => (short(&element.value), String::new()),
        };
        rows.push(vec![element.path.clone(), value, place(&element.span, caller), note]);
        rows.extend(element.overridden.iter().map(|old| replaced(old, caller)));
    }
    rows.extend(found.gone.iter().map(|old| {
        let mut row = replaced(old, caller);
        row[0].clone_from(&old.path);
        row
    }));
    let text = table::table(&rows, 0, 2);
    let lines = text.lines().zip(&rows).map(|(line, row)| {
        let old = row.get(3).is_some_and(|it| it.starts_with("replaced") || it.starts_with("taken"));
        let line = line.trim_end();
        format!("{}\n", if old { paint.paint(Tone::Dim, line) } else { line.to_owned() })
    });
    lines.collect()
}

fn replaced(old: &Overridden, caller: &Caller) -> Vec<String> {
    let how = match &old.by {
        Some(by) => format!("replaced by {}", place(by, caller)),
        None => "taken away by !reset or !override".to_owned(),
    };
    vec![String::new(), short(&old.value), place(&old.span, caller), how]
}

/// A value on one line, and not for ever.
fn short(value: &str) -> String {
    const MOST: usize = 60;
    let value = if value.contains(char::is_control) {
        format!("{value:?}")
    } else {
        value.to_owned()
    };
    if value.chars().count() <= MOST {
        return value;
    }
    value.chars().take(MOST - 1).chain(['…']).collect()
}

/// Renders the answer for programs.
pub(super) fn json(path: &str, found: &Elements, caller: &Caller) -> Value {
    let old = |old: &Overridden| {
        let by = old.by.as_ref().map(|span| place_json(span, caller));
        json!({ "path": old.path, "value": old.value, "at": place_json(&old.span, caller), "by": by })
    };
    let elements: Vec<Value> = found
        .elements
        .iter()
        .map(|element| {
            let overridden: Vec<Value> = element.overridden.iter().map(old).collect();
            json!({
                "path": element.path,
                "value": element.value,
                "written": element.written,
                "implied": element.implied,
                "at": place_json(&element.span, caller),
                "overridden": overridden,
            })
        })
        .collect();
    json!({ "form": 1, "path": path, "elements": elements, "gone": found.gone.iter().map(old).collect::<Vec<_>>() })
}

/// Says which part of a path is there.
pub(super) fn unknown(path: &str, unknown: &Unknown) -> Failure {
    let hint = match (&unknown.similar, unknown.keys.is_empty()) {
        (Some(near), _) => format!("did you mean `{}{}{near}`?", unknown.known, if unknown.known.is_empty() { "" } else { "." }),
        (None, false) => {
            let of = if unknown.known.is_empty() { "the project" } else { &unknown.known };
            format!("{of} has {}", unknown.keys.join(", "))
        }
        (None, true) => format!("`{}` has nothing below it", unknown.known),
    };
    Failure::refused_with(format!("the project has no `{path}`"), hint)
}

//! Checks a tree against a shape.

use super::advice;
use super::shape::{Form, Object, Shape, Type};
use super::top::DOCUMENT;
use crate::error::{Code, Finding};
use crate::findings::Findings;
use crate::path::{Step, show};
use crate::span::Span;
use crate::tree::{Map, Node, Value};
use crate::units;

/// Checks names and types of a whole document.
pub(crate) fn check(node: &Node, findings: &mut Findings) {
    if let Some(span) = kubernetes(node) {
        let error = Finding::new(
            Code::UnknownKey,
            "this is a Kubernetes manifest, not a compose file: `apiVersion` and `kind` are no attributes of one",
        );
        return findings.error(error.at(span).hint("name the compose file with -f; it begins with `services:`"));
    }
    let mut checker = Checker { findings, forms: false, has_services: node.get("services").is_some() };
    checker.object(node, &DOCUMENT, &mut Vec::new());
}

/// Checks the written forms (durations, sizes) of the merged document.
pub(crate) fn formats(node: &Node, findings: &mut Findings) {
    let mut checker = Checker { findings, forms: true, has_services: true };
    checker.object(node, &DOCUMENT, &mut Vec::new());
}

/// Where a document says that it is a manifest of Kubernetes.
fn kubernetes(node: &Node) -> Option<&Span> {
    let map = node.as_map()?;
    let both = map.contains_key("kind") && !map.contains_key("services");
    map.get("apiVersion").filter(|_| both).map(|entry| &entry.key)
}

struct Checker<'f> {
    findings: &'f mut Findings,
    /// Looks at written forms only; names and types are known to be right.
    forms: bool,
    has_services: bool,
}

impl Checker<'_> {
    fn value<'a>(&mut self, node: &'a Node, shape: &'static Shape, path: &mut Vec<Step<'a>>) {
        match shape {
            Shape::Any => {}
            Shape::Scalar(types) => self.scalar(node, types, shape, path),
            Shape::Form(form, types) => {
                self.scalar(node, types, shape, path);
                self.form(node, *form, path);
            }
            Shape::Range(low, high) => {
                self.scalar(node, &[Type::Int, Type::Text], shape, path);
                let is_outside = match node.value {
                    Value::Int(value) => !(*low..=*high).contains(&value),
                    Value::Large(_) => true,
                    _ => false,
                };
                if is_outside {
                    let message = format!("{} is outside {low} to {high}", node.shown());
                    self.error(Code::InvalidValue, message, node, path);
                }
            }
            Shape::Word(words) => self.word(node, words, path),
            Shape::List(item) | Shape::Set(item) => {
                self.list(node, item, matches!(shape, Shape::Set(_)), path);
            }
            Shape::Map(value) => self.map(node, value, false, path),
            Shape::Named(value) => self.map(node, value, true, path),
            Shape::Object(object) => self.object(node, object, path),
            Shape::Either(shapes) => match shapes.iter().find(|shape| fits(node, shape)) {
                Some(shape) => self.value(node, shape, path),
                None => self.wrong(node, shape, path),
            },
        }
    }

    fn scalar(&mut self, node: &Node, types: &'static [Type], shape: &Shape, path: &[Step<'_>]) {
        if !self.forms && !types.iter().any(|ty| is_a(node, *ty)) {
            self.wrong(node, shape, path);
        }
    }

    fn word(&mut self, node: &Node, words: &'static [&'static str], path: &[Step<'_>]) {
        if self.forms {
            return;
        }
        let Some(text) = node.as_str() else {
            return self.wrong(node, &Shape::Word(words), path);
        };
        if words.contains(&text) {
            return;
        }
        let list = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ");
        let mut error = Finding::new(Code::InvalidValue, format!("`{text}` must be one of {list}"))
            .at(&node.span)
            .path(show(path))
            .label("not one of the allowed words");
        let part = || words.iter().copied().find(|word| text.len() > 2 && word.contains(&text.to_ascii_lowercase()));
        if let Some(word) = closest(text, words.iter().copied()).or_else(part) {
            error = error.hint(format!("did you mean `{word}`?"));
        }
        self.findings.error(error);
    }

    fn form(&mut self, node: &Node, form: Form, path: &[Step<'_>]) {
        if let (Form::Room, Value::Int(..0), false) = (form, &node.value, self.forms) {
            return self.error(Code::InvalidValue, "must be greater than or equal to 0".to_owned(), node, path);
        }
        let Some(text) = node.as_str() else { return };
        let (code, message, hint) = match form {
            Form::Duration if self.forms => match units::duration(text) {
                Ok(_) => return,
                Err(message) => (Code::BadDuration, message, duration_hint(text)),
            },
            Form::Size | Form::Room if self.forms => match units::bytes(text) {
                Ok(_) => return,
                Err(message) => (Code::BadSize, message, "write a number and a unit: b, k, m, g or t, such as 64m".to_owned()),
            },
            Form::ContainerName if !self.forms && !is_container_name(text) => (
                Code::InvalidValue,
                format!("`{text}` is not a container name"),
                "use two or more of letters, digits, `_`, `.` and `-`".to_owned(),
            ),
            Form::PullPolicy if !self.forms && !is_pull_policy(text) => (
                Code::InvalidValue,
                format!("`{text}` is not a pull policy"),
                "use always, never, missing, build, daily, weekly or every_<duration>".to_owned(),
            ),
            Form::Duration | Form::Size | Form::Room | Form::ContainerName | Form::PullPolicy => return,
        };
        self.findings.error(Finding::new(code, message).at(&node.span).path(show(path)).hint(hint));
    }

    fn list<'a>(&mut self, node: &'a Node, item: &'static Shape, unique: bool, path: &mut Vec<Step<'a>>) {
        let Some(list) = node.as_list() else {
            return self.wrong(node, &Shape::List(item), path);
        };
        for (index, value) in list.iter().enumerate() {
            path.push(Step::Item(index));
            self.value(value, item, path);
            path.pop();
        }
        if unique && !self.forms {
            self.unique(list, path);
        }
    }

    fn unique(&mut self, list: &[Node], path: &[Step<'_>]) {
        let mut seen: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
        for (index, value) in list.iter().enumerate() {
            let Some(first) = seen.insert(value.to_json().to_string(), index) else {
                continue;
            };
            self.findings.error(
                Finding::new(Code::InvalidValue, format!("items at {first} and {index} are equal"))
                    .at(&value.span)
                    .path(show(path))
                    .label("said again")
                    .note(&list[first].span, "first said here")
                    .hint("remove one of the two"),
            );
        }
    }

    fn map<'a>(&mut self, node: &'a Node, value: &'static Shape, named: bool, path: &mut Vec<Step<'a>>) {
        let Some(map) = node.as_map() else {
            return self.wrong(node, &Shape::Map(value), path);
        };
        for (key, entry) in map {
            if named && !self.forms && !is_name(key) {
                self.findings.error(
                    Finding::new(Code::UnknownKey, format!("additional property '{key}' not allowed"))
                        .at(&entry.key)
                        .path(show(path))
                        .label("not a valid name")
                        .hint("names consist of ASCII letters, digits, `.`, `_` and `-`"),
                );
                continue;
            }
            path.push(Step::Key(key));
            self.value(&entry.node, value, path);
            path.pop();
        }
    }

    fn object<'a>(&mut self, node: &'a Node, object: &'static Object, path: &mut Vec<Step<'a>>) {
        let Some(map) = node.as_map() else {
            return self.wrong(node, &Shape::Object(object), path);
        };
        for (key, entry) in map {
            if key.starts_with("x-") {
                continue;
            }
            match object.keys.iter().find(|(name, _)| *name == key) {
                Some((_, shape)) => {
                    path.push(Step::Key(key));
                    self.value(&entry.node, shape, path);
                    path.pop();
                }
                None if self.forms => {}
                None => self.unknown(key, &entry.key, &entry.node, object, path),
            }
        }
        if !self.forms {
            self.required(node, map, object, path);
        }
    }

    fn unknown(&mut self, key: &str, span: &Span, value: &Node, object: &'static Object, path: &[Step<'_>]) {
        if self.findings.is_full() {
            return;
        }
        let hint = advice::for_name(key, value, object, path, self.has_services);
        self.findings.error(
            Finding::new(Code::UnknownKey, format!("additional property '{key}' not allowed"))
                .at(span)
                .path(show(path))
                .label("unknown attribute")
                .hint(hint),
        );
    }

    fn required(&mut self, node: &Node, map: &Map, object: &'static Object, path: &[Step<'_>]) {
        for name in object.required {
            if !map.contains_key(name) {
                self.findings.error(
                    Finding::new(Code::MissingKey, format!("missing property '{name}'"))
                        .at(&node.span)
                        .path(show(path))
                        .label(format!("needs `{name}`")),
                );
            }
        }
    }

    fn wrong(&mut self, node: &Node, shape: &Shape, path: &[Step<'_>]) {
        if self.forms {
            return;
        }
        let mut error = Finding::new(Code::WrongType, format!("must be {}", describe(shape)))
            .at(&node.span)
            .path(show(path))
            .label(format!("this is {}", node.kind()));
        if let Some(hint) = advice::for_type(node, shape, path) {
            error = error.hint(hint);
        }
        self.findings.error(error);
    }

    fn error(&mut self, code: Code, message: String, node: &Node, path: &[Step<'_>]) {
        self.findings.error(Finding::new(code, message).at(&node.span).path(show(path)));
    }
}

fn is_a(node: &Node, ty: Type) -> bool {
    match (ty, &node.value) {
        (Type::Null, Value::Null)
        | (Type::Bool, Value::Bool(_))
        | (Type::Int | Type::Num, Value::Int(_) | Value::Large(_))
        | (Type::Num, Value::Float(_))
        | (Type::Text, Value::Str(_)) => true,
        (Type::Int, Value::Float(value)) => value.fract() == 0.0,
        _ => false,
    }
}

/// Whether a branch of `Either` is the one meant: by the structure of the value, not its content.
pub(super) fn fits(node: &Node, shape: &Shape) -> bool {
    match (shape, &node.value) {
        (Shape::Any, _)
        | (Shape::List(_) | Shape::Set(_), Value::List(_))
        | (Shape::Map(_) | Shape::Named(_) | Shape::Object(_), Value::Map(_)) => true,
        (Shape::Word(_) | Shape::Form(..), Value::Str(_)) => true,
        (Shape::Range(..), Value::Int(_) | Value::Large(_) | Value::Str(_)) => true,
        (Shape::Scalar(types), _) => types.iter().any(|ty| is_a(node, *ty)),
        (Shape::Either(shapes), _) => shapes.iter().any(|shape| fits(node, shape)),
        _ => false,
    }
}

fn describe(shape: &Shape) -> String {
    match shape {
        Shape::Any => "any value".to_owned(),
        Shape::Scalar(types) | Shape::Form(_, types) => {
            let names: Vec<&str> = types.iter().map(|ty| type_name(*ty)).collect();
            join(&names)
        }
        Shape::Range(..) => "an integer or a string".to_owned(),
        Shape::Word(words) => join(&words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>()),
        Shape::List(_) | Shape::Set(_) => "a list".to_owned(),
        Shape::Map(_) | Shape::Named(_) | Shape::Object(_) => "a mapping".to_owned(),
        Shape::Either(shapes) => join(&shapes.iter().map(describe).collect::<Vec<_>>()),
    }
}

fn type_name(ty: Type) -> &'static str {
    match ty {
        Type::Null => "null",
        Type::Bool => "a boolean",
        Type::Int => "an integer",
        Type::Num => "a number",
        Type::Text => "a string",
    }
}

fn join<S: AsRef<str>>(words: &[S]) -> String {
    let mut text = String::new();
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            text.push_str(if index + 1 == words.len() { " or " } else { ", " });
        }
        text.push_str(word.as_ref());
    }
    text
}

fn duration_hint(text: &str) -> String {
    if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
        format!("a duration needs a unit: {text}s")
    } else {
        "write numbers and units: ns, us, ms, s, m, h, d or w, such as 1m30s".to_owned()
    }
}

/// Longest name, in letters, that is compared with others; the time goes with the square of it.
const LONGEST_COMPARED: usize = 100;

/// The known name that was most likely meant.
pub(crate) fn closest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    let limit = (length / 3).clamp(1, 3);
    names
        .filter(|name| length <= LONGEST_COMPARED && name.chars().count().abs_diff(length) <= limit)
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name)
}

fn is_name(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// The reference looks for a valid name anywhere in the text.
fn is_container_name(text: &str) -> bool {
    text.as_bytes()
        .windows(2)
        .any(|pair| pair[0].is_ascii_alphanumeric() && (pair[1].is_ascii_alphanumeric() || matches!(pair[1], b'_' | b'.' | b'-')))
}

/// The reference looks for a known word anywhere in the text.
fn is_pull_policy(text: &str) -> bool {
    let words = ["always", "never", "build", "if_not_present", "missing", "refresh", "daily", "weekly"];
    let every = text.split("every_").skip(1).any(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        digits > 0 && rest[digits..].starts_with(['w', 'd', 'h', 'm', 's'])
    });
    every || words.iter().any(|word| text.contains(word))
}

//! The document tree between YAML text and typed model; every value knows its place.

mod map;

use crate::span::Span;
pub(crate) use map::{Iter, Map};

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
    pub(crate) tag: Option<Tag>,
}

/// Tags that steer merging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    /// `!reset`: forget what earlier files said.
    Reset,
    /// `!override`: replace instead of merge.
    Override,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer above those.
    Large(u64),
    Float(f64),
    /// A scalar in the form of a YAML timestamp; Compose knows no such type.
    Time(String),
    Str(String),
    List(Vec<Node>),
    Map(Map),
}

/// A value of a mapping, with the place of its key.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: Span,
    pub(crate) node: Node,
}

impl Node {
    pub(crate) fn new(span: &Span, value: Value) -> Self {
        Self { span: span.clone(), value, tag: None }
    }

    pub(crate) fn str(span: &Span, text: impl Into<String>) -> Self {
        Self::new(span, Value::Str(text.into()))
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn as_map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn into_map(self) -> Option<Map> {
        match self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// The value below `key` of a mapping.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.get(key).map(|entry| &entry.node)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.as_map_mut()?.get_mut(key).map(|entry| &mut entry.node)
    }

    /// Sets `key` of a mapping; elsewhere it does nothing.
    pub(crate) fn set(&mut self, key: &str, node: Node) {
        if let Value::Map(map) = &mut self.value {
            let span = node.span.clone();
            map.insert(key.to_owned(), Entry { key: span, node });
        }
    }

    /// The text of a scalar as Go would print it; `None` for null, lists and mappings.
    pub(crate) fn text(&self) -> Option<String> {
        match &self.value {
            Value::Bool(value) => Some(value.to_string()),
            Value::Int(value) => Some(value.to_string()),
            Value::Large(value) => Some(value.to_string()),
            Value::Float(value) => Some(float_text(*value)),
            Value::Str(text) | Value::Time(text) => Some(text.clone()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Equality of content, wherever it stands.
    pub(crate) fn same(&self, other: &Node) -> bool {
        match (&self.value, &other.value) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Large(a), Value::Large(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
            (Value::Str(a), Value::Str(b)) | (Value::Time(a), Value::Time(b)) => a == b,
            (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b)),
            (Value::Map(a), Value::Map(b)) => {
                a.len() == b.len() && a.iter().all(|(key, entry)| b.get(key).is_some_and(|other| entry.node.same(&other.node)))
            }
            _ => false,
        }
    }

    /// How many values it is made of, itself among them.
    pub(crate) fn count(&self) -> usize {
        1 + match &self.value {
            Value::List(list) => list.iter().map(Node::count).sum(),
            Value::Map(map) => map.values().map(|entry| entry.node.count()).sum(),
            _ => 0,
        }
    }

    /// How many levels of lists and mappings it has.
    pub(crate) fn depth(&self) -> usize {
        match &self.value {
            Value::List(list) => 1 + list.iter().map(Node::depth).max().unwrap_or(0),
            Value::Map(map) => 1 + map.values().map(|entry| entry.node.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// What kind of value it is, in the words of the error messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::Large(_) => "an integer",
            Value::Float(_) => "a number",
            Value::Time(_) => "a timestamp",
            Value::Str(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The value for people: scalars as they are, mappings and lists as JSON.
    pub(crate) fn shown(&self) -> String {
        self.text().unwrap_or_else(|| self.to_json().to_string())
    }

    /// The content as JSON; a float that no JSON number can hold becomes its text.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value) => Json::from(*value),
            Value::Large(value) => Json::from(*value),
            Value::Float(value) => serde_json::Number::from_f64(*value).map_or_else(|| Json::String(float_text(*value)), Json::Number),
            Value::Str(text) | Value::Time(text) => Json::String(text.clone()),
            Value::List(list) => Json::Array(list.iter().map(Node::to_json).collect()),
            Value::Map(map) => Json::Object(map.iter().map(|(key, entry)| (key.to_owned(), entry.node.to_json())).collect()),
        }
    }
}

/// Writes a float as Go's `%v`: the shortest digits, with an exponent below 1e-4 and from 1e6 on.
pub(crate) fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value == 0.0 || (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::float_text;

    #[test]
    fn floats_read_as_go_prints_them() {
        for (value, text) in [
            (1.1, "1.1"),
            (1000.0, "1000"),
            (1e10, "1e+10"),
            (0.00001, "1e-05"),
            (100_000.0, "100000"),
            (1e6, "1e+06"),
            (0.0, "0"),
        ] {
            assert_eq!(float_text(value), text);
        }
    }
}

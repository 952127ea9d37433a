//! JSON values that keep the order of their keys.

use std::collections::BTreeMap;
use std::fmt;

use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::Loaded;
use crate::tree::{Node, Value as Tree, float_text};

/// A value of a rendered document.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// A number as it is written.
    Number(String),
    Text(String),
    List(Vec<Value>),
    Map(Map),
}

pub(super) type Map = IndexMap<String, Value>;

impl Value {
    /// The value as its own JSON would be read.
    pub(super) fn of(value: &impl Serialize) -> Self {
        serde_json::to_string(value).and_then(|text| serde_json::from_str(&text)).unwrap_or(Self::Null)
    }

    pub(super) fn of_tree(node: &Node) -> Self {
        match &node.value {
            Tree::Null => Self::Null,
            Tree::Bool(value) => Self::Bool(*value),
            Tree::Int(value) => Self::Number(value.to_string()),
            Tree::Large(value) => Self::Number(value.to_string()),
            Tree::Float(value) => Self::Number(float_text(*value)),
            Tree::Str(text) | Tree::Time(text) => Self::Text(text.clone()),
            Tree::List(list) => Self::List(list.iter().map(Self::of_tree).collect()),
            Tree::Map(map) => {
                let mut map: Map = map.iter().map(|(key, entry)| (key.to_owned(), Self::of_tree(&entry.node))).collect();
                map.sort_keys();
                Self::Map(map)
            }
        }
    }

    pub(super) fn empty_lists_to_null(&mut self) {
        match self {
            Self::List(list) if list.is_empty() => *self = Self::Null,
            Self::List(list) => list.iter_mut().for_each(Self::empty_lists_to_null),
            Self::Map(map) => map.values_mut().for_each(Self::empty_lists_to_null),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => {}
        }
    }

    /// Doubles the dollar signs of values, so that reading the output again changes nothing; keys are read as they are.
    pub(super) fn escape(&mut self) {
        match self {
            Self::Text(text) => {
                if text.contains('$') {
                    *text = text.replace('$', "$$");
                }
            }
            Self::List(list) => list.iter_mut().for_each(Self::escape),
            Self::Map(map) => map.values_mut().for_each(Self::escape),
            Self::Null | Self::Bool(_) | Self::Number(_) => {}
        }
    }
}

/// The parts of a project, in the order of docker compose's model, without empty ones but `services`.
pub(super) fn document(loaded: &Loaded) -> Map {
    let project = &loaded.project;
    let mut document = Map::new();
    if !project.name.is_empty() {
        document.insert("name".to_owned(), Value::Text(project.name.clone()));
    }
    document.insert("services".to_owned(), Value::of(&project.services));
    let parts = [
        ("networks", Value::of(&project.networks)),
        ("volumes", Value::of(&project.volumes)),
        ("secrets", Value::of(&project.secrets)),
        ("configs", Value::of(&project.configs)),
        ("models", Value::of(&project.models)),
    ];
    for (key, value) in parts {
        if !matches!(&value, Value::Map(map) if map.is_empty()) {
            document.insert(key.to_owned(), value);
        }
    }
    let written = loaded.origins.root().and_then(Node::as_map).into_iter().flatten();
    let own: BTreeMap<&str, Value> = written
        .filter(|(key, _)| key.starts_with("x-"))
        .map(|(key, entry)| (key, Value::of(&entry.node.to_json())))
        .collect();
    document.extend(own.into_iter().map(|(key, value)| (key.to_owned(), value)));
    document
}

/// The document as it was before types, with its keys sorted.
pub(super) fn raw(loaded: &Loaded) -> Map {
    let mut document = Map::new();
    document.insert("name".to_owned(), Value::Text(loaded.project.name.clone()));
    if let Some(Value::Map(map)) = loaded.origins.root().map(Value::of_tree) {
        document.extend(map.into_iter().filter(|(key, _)| key != "name"));
    }
    document
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(text) => match text.parse::<i64>() {
                Ok(value) => serializer.serialize_i64(value),
                Err(_) => match text.parse::<f64>() {
                    Ok(value) if value.is_finite() => serializer.serialize_f64(value),
                    _ => serializer.serialize_str(text),
                },
            },
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(list) => serializer.collect_seq(list),
            Self::Map(map) => {
                let mut out = serializer.serialize_map(Some(map.len()))?;
                for (key, value) in map {
                    out.serialize_entry(key, value)?;
                }
                out.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(float_text(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, value)) = access.next_entry()? {
            map.insert(key, value);
        }
        Ok(Value::Map(map))
    }
}

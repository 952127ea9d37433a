//! Tree → typed values: texts become numbers and booleans where the model has them, and every failure has its place.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::error::{Code, Finding};
use crate::span::Span;
use crate::tree::{Iter, Node, Value};

/// Reads a typed value.
pub(crate) fn decode<T: DeserializeOwned>(node: &Node) -> Result<T, Failure> {
    T::deserialize(Tree(node))
}

/// What does not fit, and where.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    span: Option<Span>,
    /// Keys on the way, innermost first.
    keys: Vec<String>,
}

impl Failure {
    pub(crate) fn into_error(self, path: &str) -> Finding {
        let mut path = path.to_owned();
        for key in self.keys.iter().rev() {
            if !key.starts_with('[') {
                path.push('.');
            }
            path.push_str(key);
        }
        let error = Finding::new(Code::WrongType, self.message).path(path);
        match &self.span {
            Some(span) => error.at(span),
            None => error,
        }
    }

    /// The attribute in which it lies.
    pub(crate) fn outermost(&self) -> Option<&str> {
        self.keys.last().map(String::as_str)
    }

    fn inside(self, key: String, span: &Span) -> Self {
        let mut failure = self.at(span);
        failure.keys.push(key);
        failure
    }

    fn at(mut self, span: &Span) -> Self {
        self.span.get_or_insert_with(|| span.clone());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), span: None, keys: Vec::new() }
    }
}

#[derive(Clone, Copy)]
struct Tree<'a>(&'a Node);

impl<'de> IntoDeserializer<'de, Failure> for Tree<'_> {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

impl Tree<'_> {
    fn integer(&self) -> Option<i64> {
        match &self.0.value {
            Value::Int(value) => Some(*value),
            #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
            Value::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => Some(*value as i64),
            Value::Str(text) => text.parse().ok(),
            _ => None,
        }
    }

    fn wants(&self, what: &str) -> Failure {
        let node = self.0;
        let shown = node.text().map_or_else(|| node.kind().to_owned(), |text| format!("`{text}`"));
        Failure { message: format!("must be {what}, not {shown}"), span: Some(node.span.clone()), keys: Vec::new() }
    }
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            let value = self.integer().ok_or_else(|| self.wants("an integer"))?;
            visitor.visit_i64(value).map_err(|failure: Failure| failure.at(&self.0.span))
        }
    )*};
}

impl<'de> Deserializer<'de> for Tree<'_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let result = match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => visitor.visit_i64(*value),
            Value::Large(value) => visitor.visit_u64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Str(text) | Value::Time(text) => visitor.visit_str(text),
            Value::List(list) => visitor.visit_seq(Items(list.iter().enumerate())),
            Value::Map(map) => visitor.visit_map(Entries { rest: map.iter(), open: None }),
        };
        result.map_err(|failure| failure.at(&self.0.span))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let value = match &self.0.value {
            Value::Bool(value) => *value,
            Value::Str(text) => match text.to_ascii_lowercase().as_str() {
                "y" | "yes" | "true" | "on" => true,
                "n" | "no" | "false" | "off" => false,
                _ => return Err(self.wants("a boolean")),
            },
            _ => return Err(self.wants("a boolean")),
        };
        visitor.visit_bool(value)
    }

    integers! { deserialize_i64 deserialize_u64 deserialize_u32 deserialize_u16 }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match (&self.0.value, self.0.text()) {
            (Value::Null, _) => visitor.visit_str(""),
            (_, Some(text)) => visitor.visit_str::<Failure>(&text),
            (_, None) => return Err(self.wants("a string")),
        }
        .map_err(|failure| failure.at(&self.0.span))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.0.is_null() {
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::List(_) => self.deserialize_any(visitor),
            Value::Null => visitor.visit_seq(SeqDeserializer::new(std::iter::empty::<Tree<'_>>())),
            Value::Map(_) => Err(self.wants("a list")),
            _ => visitor.visit_seq(SeqDeserializer::new(std::iter::once(self))),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Map(_) => self.deserialize_any(visitor),
            Value::Null => visitor.visit_map(MapDeserializer::new(std::iter::empty::<(&str, Tree<'_>)>())),
            _ => Err(self.wants("a mapping")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Failure> {
        let text = self.0.as_str().ok_or_else(|| self.wants("a word"))?;
        let word: StrDeserializer<'_, Failure> = text.into_deserializer();
        visitor.visit_enum(word).map_err(|failure| failure.at(&self.0.span))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u128 f32 f64 char str bytes byte_buf unit unit_struct
        tuple tuple_struct identifier ignored_any
    }
}

/// The items of a list; failures learn their index and place.
struct Items<'a>(std::iter::Enumerate<std::slice::Iter<'a, Node>>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        let Some((index, node)) = self.0.next() else {
            return Ok(None);
        };
        seed.deserialize(Tree(node))
            .map(Some)
            .map_err(|failure| failure.inside(format!("[{index}]"), &node.span))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// The entries of a mapping; failures learn their key and place.
struct Entries<'a> {
    rest: Iter<'a>,
    open: Option<(&'a str, &'a Node)>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        let Some((key, entry)) = self.rest.next() else {
            return Ok(None);
        };
        self.open = Some((key, &entry.node));
        let key: StrDeserializer<'_, Failure> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        let Some((key, node)) = self.open.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(Tree(node)).map_err(|failure| failure.inside(key.to_owned(), &node.span))
    }
}

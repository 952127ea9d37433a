//! Parser events → nodes: aliases, merge keys, duplicate keys.

use std::collections::HashMap;

use saphyr_parser::{Event, ScalarStyle, Tag as YamlTag};

use super::scalar;
use crate::error::{Code, Finding};
use crate::span::Span;
use crate::tree::{Entry, Map, Node, Tag, Value};

/// Deepest nesting; deeper ones could exhaust the stack of the stages that follow.
const MAX_DEPTH: usize = 128;
/// Nodes that aliases may add besides one for every byte of the file.
const ALIAS_ALLOWANCE: usize = 10_000;

pub(super) struct Builder {
    stack: Vec<Frame>,
    /// Values by their anchor; `None` for one that was too much to keep.
    anchors: HashMap<usize, Option<Node>>,
    /// How many more nodes anchors may keep.
    kept: usize,
    /// How many more nodes aliases may copy.
    allowance: usize,
}

struct Frame {
    span: Span,
    anchor: usize,
    tag: Option<Tag>,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        map: Map,
        key: Option<(Key, Span)>,
        merged: Vec<Node>,
    },
}

enum Key {
    Name(Box<str>),
    /// `<<`: the entries of other mappings.
    Merge,
    /// Not usable; its value is dropped.
    Bad,
}

impl Builder {
    pub(super) fn new(size: usize) -> Self {
        Self {
            stack: Vec::new(),
            anchors: HashMap::new(),
            // A node takes more than two bytes of text, but one inside of several anchors is kept several times.
            kept: size / 2 + ALIAS_ALLOWANCE,
            allowance: size + ALIAS_ALLOWANCE,
        }
    }

    /// Takes one event; returns the document that it completes.
    ///
    /// Mistakes that leave the rest readable go to `errors`; the others are returned.
    pub(super) fn take(&mut self, event: Event<'_>, span: &Span, errors: &mut Vec<Finding>) -> Result<Option<Node>, Box<Finding>> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(None),
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(None)
            }
            Event::Alias(id) => {
                let node = self.alias(id, span)?;
                Ok(self.add(node, 0, errors))
            }
            Event::Scalar(text, style, anchor, tag) => {
                if style == ScalarStyle::Plain && text == "<<" && tag.is_none() && self.merge_follows(span) {
                    return Ok(None);
                }
                let text = without_added_break(&text, style, span);
                let node = scalar_node(text, style, tag.as_deref(), span, errors);
                Ok(self.add(node, anchor, errors))
            }
            Event::SequenceStart(anchor, tag) => self.open(span, anchor, tag.as_deref(), Content::List(Vec::new())),
            Event::MappingStart(anchor, tag) => {
                let map = Content::Map { map: Map::new(), key: None, merged: Vec::new() };
                self.open(span, anchor, tag.as_deref(), map)
            }
            Event::SequenceEnd | Event::MappingEnd => Ok(self.close(span, errors)),
        }
    }

    /// Notes that the value which follows is to be merged, where a key is expected. In quotes, `<<` is a key like any other.
    fn merge_follows(&mut self, span: &Span) -> bool {
        match self.stack.last_mut().map(|frame| &mut frame.content) {
            Some(Content::Map { key: key @ None, .. }) => {
                *key = Some((Key::Merge, span.clone()));
                true
            }
            _ => false,
        }
    }

    fn alias(&mut self, id: usize, span: &Span) -> Result<Node, Box<Finding>> {
        let Some(kept) = self.anchors.get(&id) else {
            return Err(Box::new(
                Finding::new(Code::Limit, self.circle(id))
                    .at(span)
                    .label("refers to the value around it")
                    .hint("an alias can only repeat a value that ends before it"),
            ));
        };
        let size = kept.as_ref().map_or(usize::MAX, Node::count);
        let Some(node) = kept.as_ref().filter(|_| size <= self.allowance) else {
            return Err(Box::new(
                Finding::new(Code::Limit, "aliases repeat too much of this file")
                    .at(span)
                    .hint("aliases of aliases multiply; write the values out where they are needed"),
            ));
        };
        if self.stack.len() + node.depth() > MAX_DEPTH {
            return Err(too_deep(span));
        }
        self.allowance -= size;
        Ok(node.clone())
    }

    /// Says how the value at the present place leads back into itself.
    fn circle(&self, anchor: usize) -> String {
        let step = |frame: &Frame| match &frame.content {
            Content::List(list) => format!("[{}]", list.len()),
            Content::Map { key: Some((Key::Name(name), _)), .. } => format!(".{name}"),
            Content::Map { .. } => String::new(),
        };
        let path: Vec<String> = self.stack.iter().map(step).collect();
        let start = self.stack.iter().position(|frame| frame.anchor == anchor);
        let here = path.concat();
        let here = here.trim_start_matches('.');
        let again = path.get(start.unwrap_or(0)..).unwrap_or_default().concat();
        format!("an anchor contains an alias of itself, cycle detected: {here}{again} leads back to {here}")
    }

    fn open(&mut self, span: &Span, anchor: usize, tag: Option<&YamlTag>, content: Content) -> Result<Option<Node>, Box<Finding>> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(too_deep(span));
        }
        self.stack.push(Frame { span: span.clone(), anchor, tag: compose_tag(tag), content });
        Ok(None)
    }

    fn close(&mut self, end: &Span, errors: &mut Vec<Finding>) -> Option<Node> {
        let frame = self.stack.pop()?;
        let mut span = frame.span;
        let value = match frame.content {
            Content::List(mut list) => {
                list.shrink_to_fit();
                Value::List(list)
            }
            Content::Map { mut map, merged, .. } => {
                merge_keys(&mut map, merged, errors);
                map.shrink_to_fit();
                Value::Map(map)
            }
        };
        span.end = match &value {
            // With a bracket of its own.
            _ if end.start < end.end => None,
            // A block ends where its last value does, not at the next token.
            Value::List(list) => list.last().map(|node| node.span.end),
            Value::Map(map) => map.last().map(|entry| entry.node.span.end),
            _ => None,
        }
        .unwrap_or(end.end)
        .max(span.start);
        let node = Node { span, value, tag: frame.tag };
        self.add(node, frame.anchor, errors)
    }

    /// Puts a finished node where it belongs.
    fn add(&mut self, node: Node, anchor: usize, errors: &mut Vec<Finding>) -> Option<Node> {
        if anchor > 0 {
            let left = self.kept.checked_sub(node.count());
            self.kept = left.unwrap_or(self.kept);
            self.anchors.insert(anchor, left.map(|_| node.clone()));
        }
        let Some(frame) = self.stack.last_mut() else {
            return Some(node).filter(|node| !node.is_null());
        };
        match &mut frame.content {
            Content::List(list) => list.push(node),
            Content::Map { map, key, merged } => match key.take() {
                None => *key = Some(read_key(node, errors)),
                Some((Key::Merge, _)) => merged.push(node),
                Some((Key::Bad, _)) => {}
                Some((Key::Name(name), span)) => insert(map, name, span, node, errors),
            },
        }
        None
    }
}

fn too_deep(span: &Span) -> Box<Finding> {
    let error = Finding::new(Code::Limit, "values are nested too deeply");
    Box::new(error.at(span).hint(format!("at most {MAX_DEPTH} levels are read")))
}

fn insert(map: &mut Map, name: Box<str>, key: Span, node: Node, errors: &mut Vec<Finding>) {
    if let Some(first) = map.get(&name) {
        errors.push(
            Finding::new(Code::DuplicateKey, format!("mapping key \"{name}\" is already defined at line {}", first.key.line()))
                .at(&key)
                .label("defined again")
                .note(&first.key, "first defined here")
                .hint("keep one of the two; a later file may override a value, the same mapping may not"),
        );
        return;
    }
    map.push(name, Entry { key, node });
}

fn read_key(node: Node, errors: &mut Vec<Finding>) -> (Key, Span) {
    let node = match node {
        Node { value: Value::Str(name), span, .. } => return (Key::Name(name.into_boxed_str()), span),
        node => node,
    };
    let text = node.text().unwrap_or_else(|| node.kind().to_owned());
    let hint = match &node.value {
        Value::Map(_) if node.span.line_text().contains("{{") => "if a template is meant, put it in quotes: \"{{ … }}\"".to_owned(),
        Value::List(_) | Value::Map(_) => "a key must be a string".to_owned(),
        Value::Int(_) => match port_with_blank(&node.span) {
            Some(port) => format!("for a port write \"{port}\", without the blank"),
            None => format!("write \"{text}\" in quotes"),
        },
        _ => format!("write \"{text}\" in quotes"),
    };
    let error = Finding::new(Code::WrongType, format!("non-string key {text}"));
    errors.push(error.at(&node.span).label(format!("this is {}", node.kind())).hint(hint));
    (Key::Bad, node.span)
}

/// What `- 8080: 80` was meant to be: a port with a blank too many.
fn port_with_blank(key: &Span) -> Option<String> {
    let (host, container) = key.line_text().trim_start().strip_prefix("- ")?.split_once(": ")?;
    let ports = [host.trim(), container.trim()];
    let digits = |port: &&str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    ports.iter().all(digits).then(|| ports.join(":"))
}

/// Adds what `<<` brings: the mapping's own keys win, then those of earlier mappings.
fn merge_keys(map: &mut Map, merged: Vec<Node>, errors: &mut Vec<Finding>) {
    for node in merged {
        let span = node.span.clone();
        let sources = match node.value {
            Value::List(list) => list,
            value => vec![Node::new(&span, value)],
        };
        for source in sources {
            let Value::Map(entries) = source.value else {
                errors.push(
                    Finding::new(Code::Syntax, "`<<` merges mappings only")
                        .at(&source.span)
                        .label(format!("this is {}", source.kind())),
                );
                continue;
            };
            for (name, entry) in entries {
                if !map.contains_key(&name) {
                    map.push(name, entry);
                }
            }
        }
    }
}

fn scalar_node(text: &str, style: ScalarStyle, tag: Option<&YamlTag>, span: &Span, errors: &mut Vec<Finding>) -> Node {
    let core = tag.filter(|tag| tag.is_yaml_core_schema());
    let value = match core {
        Some(tag) => scalar::resolve_as(&tag.suffix, text).unwrap_or_else(|| {
            errors.push(Finding::new(Code::WrongType, format!("`{text}` is not of the type !!{}", tag.suffix)).at(span));
            Value::Null
        }),
        None if style == ScalarStyle::Plain => scalar::resolve(text),
        None => Value::Str(text.to_owned()),
    };
    Node { span: span.clone(), value, tag: compose_tag(tag) }
}

/// The parser ends the last line of a block with a line break, also where the file ends without one.
fn without_added_break<'t>(text: &'t str, style: ScalarStyle, span: &Span) -> &'t str {
    let source = &span.source.text;
    let at_end =
        matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) && span.end as usize >= source.len() && !source.ends_with('\n');
    if at_end { text.strip_suffix('\n').unwrap_or(text) } else { text }
}

fn compose_tag(tag: Option<&YamlTag>) -> Option<Tag> {
    match tag.filter(|tag| tag.handle == "!")?.suffix.as_str() {
        "reset" => Some(Tag::Reset),
        "override" => Some(Tag::Override),
        _ => None,
    }
}

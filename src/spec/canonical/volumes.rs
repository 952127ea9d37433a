//! The short form of volumes: `[SOURCE:]TARGET[:OPTIONS]`.

use super::Fault;
use crate::error::Code;
use crate::tree::{Map, Node, Value};

const FORM: &str = "write [SOURCE:]TARGET[:OPTIONS], such as data:/var/lib/data or ./src:/app:ro";

/// The long form of one entry, or `None` if it has it already.
pub(super) fn volume(node: &Node) -> Result<Option<Node>, Fault> {
    if node.as_map().is_some() {
        return long(node);
    }
    let Some(text) = node.as_str() else {
        return Ok(None);
    };
    Ok(Some(parse(text)?.node(node)))
}

/// The long form with its target cleaned as the short form's is.
fn long(node: &Node) -> Result<Option<Node>, Fault> {
    let Some(target) = node.get("target") else {
        return Err(Fault::new(
            Code::MissingKey,
            "a service volume is missing its mount target",
            "`target` is the path inside the container",
        ));
    };
    let Some(cleaned) = target.as_str().map(clean).filter(|cleaned| target.as_str() != Some(cleaned)) else {
        return Ok(None);
    };
    let mut node = node.clone();
    if let Some(target) = node.get_mut("target") {
        target.value = Value::Str(cleaned);
    }
    Ok(Some(node))
}

/// The target of an entry in its short form.
pub(crate) fn volume_target(text: &str) -> Option<String> {
    parse(text).ok().map(|mount| mount.target)
}

/// The options of an entry in its short form.
pub(super) fn options(text: &str) -> Vec<&str> {
    parse(text).map_or_else(|_| Vec::new(), |mount| mount.options)
}

#[derive(Default)]
struct Mount<'a> {
    source: &'a str,
    target: String,
    read_only: bool,
    nocopy: bool,
    selinux: Option<&'a str>,
    propagation: Option<&'a str>,
    options: Vec<&'a str>,
    /// Too short to be anything but the target of an anonymous volume.
    bare: bool,
}

impl Mount<'_> {
    fn node(self, at: &Node) -> Node {
        let bind = is_path(self.source);
        let span = &at.span;
        let mut node = Node::new(span, Value::Map(Map::new()));
        node.set("type", Node::str(span, if bind { "bind" } else { "volume" }));
        if !self.source.is_empty() {
            node.set("source", Node::str(span, self.source));
        }
        node.set("target", Node::str(span, clean(&self.target)));
        if self.read_only {
            node.set("read_only", Node::new(span, Value::Bool(true)));
        }
        let mut options = Node::new(span, Value::Map(Map::new()));
        for (key, word) in [("selinux", self.selinux), ("propagation", self.propagation)] {
            if let Some(word) = word {
                options.set(key, Node::str(span, word));
            }
        }
        let has_options = options.as_map().is_some_and(|map| !map.is_empty());
        if bind {
            options.set("create_host_path", Node::new(span, Value::Bool(true)));
        }
        if bind || has_options {
            node.set("bind", options);
        }
        if self.nocopy || !bind && !self.bare {
            let mut options = Node::new(span, Value::Map(Map::new()));
            if self.nocopy {
                options.set("nocopy", Node::new(span, Value::Bool(true)));
            }
            node.set("volume", options);
        }
        node
    }
}

fn parse(text: &str) -> Result<Mount<'_>, Fault> {
    let refuse = |reason: &str| Err(Fault::new(Code::InvalidValue, format!("invalid volume `{text}`: {reason}"), FORM));
    if text.is_empty() {
        return refuse("it is empty");
    }
    let mut mount = Mount::default();
    if text.len() <= 2 {
        mount.target = text.to_owned();
        mount.bare = true;
        return Ok(mount);
    }
    let fields = fields(text);
    if fields.iter().any(|field| field.is_empty()) {
        return refuse("empty section between colons");
    }
    match fields.as_slice() {
        [target] => mount.target = (*target).to_owned(),
        [source, target] => {
            mount.source = source;
            mount.target = (*target).to_owned();
        }
        [source, target, options] => {
            mount.source = source;
            mount.target = (*target).to_owned();
            mount.options = options.split(',').collect();
            for option in mount.options.clone() {
                match option {
                    "ro" => mount.read_only = true,
                    "rw" => mount.read_only = false,
                    "nocopy" => mount.nocopy = true,
                    "z" | "Z" => mount.selinux = Some(option),
                    "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" => {
                        mount.propagation = Some(option);
                    }
                    // The reference drops words that it does not know, `cached` and `delegated` among them.
                    _ => {}
                }
            }
        }
        _ => return refuse("too many colons"),
    }
    Ok(mount)
}

/// Cuts at colons, but not behind a drive letter and not inside `${…}`.
fn fields(text: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    for (at, char) in text.char_indices() {
        match char {
            '$' if text[at + 1..].starts_with('{') => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ':' if depth == 0 && !is_drive(&text[start..at]) => {
                fields.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    fields.push(&text[start..]);
    fields
}

fn is_drive(field: &str) -> bool {
    let mut chars = field.chars();
    chars.next().is_some_and(char::is_alphabetic) && chars.next().is_none()
}

/// Whether a source names a path of the host; otherwise it is a volume.
fn is_path(source: &str) -> bool {
    source.starts_with(['.', '/', '~']) || source.starts_with("\\\\") || source.split_once(':').is_some_and(|(drive, _)| is_drive(drive))
}

/// Cleans a path of the container by text alone: `.`, `..` and double slashes.
fn clean(target: &str) -> String {
    crate::paths::clean(target)
}

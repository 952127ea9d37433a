//! Where a value stands: file, byte range, line and column.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::routes::Routes;
use crate::tree::{Entry, Node, Value};

/// One file that was read: its path and its text.
#[derive(Debug)]
pub struct Source {
    /// Path as it was opened; `-` for standard input.
    pub path: PathBuf,
    /// The whole text.
    pub text: Box<str>,
    /// Where lines begin, in bytes; found when a line is asked for first.
    lines: OnceLock<Vec<u32>>,
}

impl Source {
    pub(crate) fn new(path: PathBuf, text: impl Into<Box<str>>) -> Self {
        Self { path, text: text.into(), lines: OnceLock::new() }
    }

    /// Where lines begin, in bytes.
    pub(crate) fn lines(&self) -> &[u32] {
        self.lines
            .get_or_init(|| std::iter::once(0).chain(self.text.match_indices('\n').map(|(at, _)| short(at + 1))).collect())
    }
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.text == other.text
    }
}

impl Eq for Source {}

/// A stretch of a file. It is kept small, as every value of every file has one and every key another.
#[derive(Clone, PartialEq, Eq)]
pub struct Span {
    /// The file.
    pub source: Arc<Source>,
    /// First byte.
    pub start: u32,
    /// Byte behind the last one; never before `start`.
    pub end: u32,
}

/// A position as it is kept; no file is longer.
fn short(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl Span {
    /// A stretch of `source`.
    pub(crate) fn new(source: &Arc<Source>, range: Range<usize>) -> Self {
        Self { source: Arc::clone(source), start: short(range.start), end: short(range.end) }
    }

    /// Line of the first byte, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.source.lines().partition_point(|&line| line <= self.start)
    }

    /// Column of the first byte in characters, counted from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        let line = self.source.lines()[self.line() - 1] as usize;
        let before = self.source.text.get(line..self.start as usize);
        1 + before.map_or(0, |before| before.chars().count())
    }

    /// The bytes of the stretch.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The text of the stretch.
    #[must_use]
    pub fn text(&self) -> &str {
        self.source.text.get(self.range()).unwrap_or("")
    }

    /// Path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.source.path
    }

    /// The line that the stretch begins on, without its line break.
    #[must_use]
    pub fn line_text(&self) -> &str {
        let start = self.source.lines()[self.line() - 1] as usize;
        self.source.text[start..].lines().next().unwrap_or("")
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path().display(), self.line(), self.column())
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where each value of the project was written, by its path in the model.
#[derive(Clone, Default)]
pub struct Origins {
    root: Option<Arc<Node>>,
    /// How the files and services were reached.
    pub(crate) routes: Arc<Routes>,
}

impl Origins {
    pub(crate) fn new(root: Node) -> Self {
        Self { root: Some(Arc::new(root)), routes: Arc::default() }
    }

    /// The resolved document that the project was made from.
    pub(crate) fn root(&self) -> Option<&Node> {
        self.root.as_deref()
    }

    /// The place of `path`, such as `services.web.ports[0]`; the nearest value around it if it has none itself.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Span> {
        let mut node = self.root.as_deref()?;
        let mut span = None;
        let mut rest = path;
        while !rest.is_empty() {
            let Some((place, next, tail)) = step(node, rest) else {
                break;
            };
            span = Some(place);
            node = next;
            rest = tail;
        }
        span
    }

    /// The value at `path` and its place, if it is there.
    pub(crate) fn find(&self, path: &str) -> Option<(&Node, &Span)> {
        let mut node = self.root.as_deref()?;
        let (mut span, mut rest) = (&node.span, path);
        while !rest.is_empty() {
            (span, node, rest) = step(node, rest)?;
        }
        Some((node, span))
    }

    /// The place of `path` and of every value inside it, in the order of the model.
    #[must_use]
    pub fn below(&self, path: &str) -> Vec<(String, Span)> {
        let mut found = Vec::new();
        if let Some((node, span)) = self.find(path) {
            collect(node, span, path.to_owned(), &mut found);
        }
        found
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origins").finish_non_exhaustive()
    }
}

/// Goes one step down a path: its place, the value there and the rest of the path.
///
/// Keys may hold dots themselves, so the longest key that fits wins.
fn step<'a, 'p>(node: &'a Node, path: &'p str) -> Option<(&'a Span, &'a Node, &'p str)> {
    match &node.value {
        Value::List(list) => {
            let (index, tail) = path.strip_prefix('[')?.split_once(']')?;
            let item = list.get(index.parse::<usize>().ok()?)?;
            Some((&item.span, item, tail))
        }
        Value::Map(map) => {
            let path = path.strip_prefix('.').unwrap_or(path);
            let mut end = path.len();
            loop {
                if let Some(entry) = map.get(&path[..end]) {
                    return Some((place(entry), &entry.node, &path[end..]));
                }
                end = path[..end].rfind(['.', '['])?;
            }
        }
        _ => None,
    }
}

/// The key of a mapping or list stands for it; a scalar stands for itself.
pub(crate) fn place(entry: &Entry) -> &Span {
    match entry.node.value {
        Value::Map(_) | Value::List(_) | Value::Null => &entry.key,
        _ => &entry.node.span,
    }
}

fn collect(node: &Node, span: &Span, path: String, found: &mut Vec<(String, Span)>) {
    found.push((path.clone(), span.clone()));
    match &node.value {
        Value::List(list) => {
            for (index, item) in list.iter().enumerate() {
                collect(item, &item.span, format!("{path}[{index}]"), found);
            }
        }
        Value::Map(map) => {
            for (key, entry) in map {
                let dot = if path.is_empty() { "" } else { "." };
                collect(&entry.node, place(entry), format!("{path}{dot}{key}"), found);
            }
        }
        _ => {}
    }
}

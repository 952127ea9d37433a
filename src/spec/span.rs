//! Where a value stands: file, byte range, line and column.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One file that was read: its path and its text.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Path as it was opened; `-` for standard input.
    pub path: PathBuf,
    /// The whole text.
    pub text: Arc<str>,
}

/// A stretch of a file.
#[derive(Clone, PartialEq, Eq)]
pub struct Span {
    /// The file.
    pub source: Arc<Source>,
    /// First byte.
    pub start: usize,
    /// Byte behind the last one; never before `start`.
    pub end: usize,
    /// Line of the first byte, counted from 1.
    pub line: usize,
    /// Column of the first byte in characters, counted from 1.
    pub column: usize,
}

impl Span {
    /// Path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.source.path
    }

    /// The line that the stretch begins on, without its line break.
    #[must_use]
    pub fn line_text(&self) -> &str {
        self.source.text.lines().nth(self.line.saturating_sub(1)).unwrap_or("")
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path().display(), self.line, self.column)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where each value of the project was written, by its path in the model.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    spans: BTreeMap<String, Span>,
}

impl Origins {
    /// The place of `path`, such as `services.web.ports[0]`; the nearest value around it if it has none itself.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Span> {
        let mut path = path;
        loop {
            if let Some(span) = self.spans.get(path) {
                return Some(span);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }

    /// Every path below `prefix` with its place, in path order.
    pub fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Span)> {
        self.spans
            .range(prefix.to_owned()..)
            .take_while(move |(path, _)| path.starts_with(prefix))
            .filter(move |(path, _)| {
                let rest = &path[prefix.len()..];
                rest.is_empty() || rest.starts_with(['.', '['])
            })
            .map(|(path, span)| (path.as_str(), span))
    }

    pub(crate) fn insert(&mut self, path: String, span: Span) {
        self.spans.insert(path, span);
    }
}

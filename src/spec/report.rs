//! Mistakes as data for whoever prints them.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Finding, Note, SpecErrors};
use crate::span::{Source, Span};

/// One mistake, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Kind of the mistake, for programs.
    pub code: &'static str,
    /// What is wrong, with the path of the value.
    pub title: String,
    /// Where; `None` if it concerns no file.
    pub place: Option<Place>,
    /// Further places: first definitions, steps of a cycle.
    pub notes: Vec<Place>,
    /// How loading came here, outermost first.
    pub chain: Vec<Place>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A marked stretch of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// The whole file.
    pub source: Arc<Source>,
    /// The marked bytes of the file: of the first line only.
    pub range: Range<usize>,
    /// What stands under the mark.
    pub label: String,
}

impl Place {
    /// The line, without its break.
    #[must_use]
    pub fn text(&self) -> &str {
        let text = &self.source.text;
        let start = text.get(..self.range.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        text[start..].lines().next().unwrap_or("")
    }
}

impl SpecErrors {
    /// The mistakes as data, in their order.
    #[must_use]
    pub fn reports(&self) -> Vec<Report> {
        self.0.iter().map(report).collect()
    }
}

fn report(error: &Finding) -> Report {
    let title = if error.path.is_empty() {
        error.message.clone()
    } else {
        format!("{}: {}", error.path, error.message)
    };
    let notes = |notes: &[Note]| notes.iter().map(|note| place(&note.span, &note.label)).collect();
    Report {
        code: error.code.name(),
        title,
        place: error.span.as_ref().map(|span| place(span, &error.label)),
        notes: notes(&error.notes),
        chain: notes(&error.chain),
        hint: error.hint.clone(),
    }
}

fn place(span: &Span, label: &str) -> Place {
    let text = &span.source.text;
    let start = span.range().start.min(text.len());
    let line_end = text.get(start..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| start + at);
    Place {
        path: span.path().to_owned(),
        line: span.line(),
        column: span.column(),
        source: Arc::clone(&span.source),
        range: start..span.range().end.clamp(start, line_end),
        label: label.to_owned(),
    }
}

//! YAML text → tree. The only file that knows the YAML parser.
//!
//! Scalars are read as docker compose reads them: the booleans of YAML 1.2, the numbers of YAML 1.1.

mod advice;
mod builder;
mod scalar;

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScanError, Span as Range};

use crate::error::{Code, Finding};
use crate::span::{Source, Span};
use crate::tree::Node;
use builder::Builder;
pub(crate) use scalar::resolve;

/// Most tabs between a colon and its value that are read as blanks; each makes the parser begin again.
const MAX_TABS: usize = 100;

/// Parses every document of a file; empty documents are left out.
///
/// Documents with a mistake in their syntax are left out too; the mistakes are added to `errors`.
pub(crate) fn parse(source: &Arc<Source>, errors: &mut Vec<Finding>) -> Vec<Node> {
    let places = Places::new(source);
    let mut text = Cow::Borrowed(&*source.text);
    let before = errors.len();
    for _ in 0..MAX_TABS {
        let (documents, tab) = attempt(&text, &places, errors);
        let Some(tab) = tab else { return documents };
        // YAML allows a tab there, the parser does not; a blank takes the same room.
        errors.truncate(before);
        text.to_mut().replace_range(tab..=tab, " ");
    }
    attempt(&text, &places, errors).0
}

/// Parses a text once; also returns where a tab behind a colon ended it.
fn attempt(text: &str, places: &Places<'_>, errors: &mut Vec<Finding>) -> (Vec<Node>, Option<usize>) {
    let mut builder = Builder::new(text.len());
    let mut parser = Parser::new_from_str(text);
    let mut documents = Vec::new();
    while let Some(event) = parser.next_event() {
        let (event, range) = match event {
            Ok(event) => event,
            Err(error) => {
                errors.push(syntax(&error, places));
                return (documents, tab_behind_colon(&error, text, places));
            }
        };
        if matches!(event, Event::StreamEnd) {
            break;
        }
        match builder.take(event, &places.span(&range), errors) {
            Ok(Some(document)) => documents.push(document),
            Ok(None) => {}
            Err(error) => {
                errors.push(*error);
                return (documents, None);
            }
        }
    }
    (documents, None)
}

fn tab_behind_colon(error: &ScanError, text: &str, places: &Places<'_>) -> Option<usize> {
    // The marker stands behind the tab.
    let at = places.offset(error.marker()).checked_sub(1)?;
    let tab = error.info().contains("valid YAML whitespace") && text.as_bytes().get(at) == Some(&b'\t');
    tab.then_some(at)
}

/// A mistake in the syntax, with what most often causes it.
fn syntax(error: &ScanError, places: &Places<'_>) -> Finding {
    let span = places.span(&Range::empty(*error.marker()));
    let line = span.line_text().to_owned();
    let hint = advice::advice(error.info(), &span);
    let mut message = format!("invalid YAML: {}", advice::plainly(error.info()));
    if let Some(name) = alias_at(&line, span.column()).filter(|_| error.info().contains("anchor")) {
        message = format!("invalid YAML: unknown anchor `{name}`");
    }
    Finding::new(Code::Syntax, message).at(&span).hint(hint)
}

/// The name of the alias that stands at or before `column`.
fn alias_at(line: &str, column: usize) -> Option<&str> {
    let end = line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
    let start = line[..end].rfind('*').or_else(|| line.find('*'))? + 1;
    let name = &line[start..];
    let end = name.find(|c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}' | '[')).unwrap_or(name.len());
    Some(&name[..end]).filter(|name| !name.is_empty())
}

/// Turns the parser's line and column into byte positions.
struct Places<'a> {
    source: &'a Arc<Source>,
    /// Bytes are characters all over the text, so that none have to be counted.
    ascii: bool,
    /// Line, column and byte of the last start that was counted: the next one mostly stands behind it.
    counted: Cell<(usize, usize, usize)>,
}

impl<'a> Places<'a> {
    fn new(source: &'a Arc<Source>) -> Self {
        Self { source, ascii: source.text.is_ascii(), counted: Cell::default() }
    }

    fn offset(&self, marker: &Marker) -> usize {
        let text = &self.source.text;
        let line = marker.line().saturating_sub(1);
        let Some(start) = self.source.lines().get(line).map(|&start| start as usize) else {
            return text.len();
        };
        if self.ascii {
            return (start + marker.col()).min(text.len());
        }
        let (column, start) = match self.counted.get() {
            (known, column, at) if known == line && column <= marker.col() => (column, at),
            _ => (0, start),
        };
        text[start..].char_indices().nth(marker.col() - column).map_or(text.len(), |(at, _)| start + at)
    }

    fn span(&self, range: &Range) -> Span {
        let start = self.offset(&range.start);
        self.counted.set((range.start.line().saturating_sub(1), range.start.col(), start));
        Span::new(self.source, start..self.offset(&range.end).max(start))
    }
}

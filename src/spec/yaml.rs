//! YAML text → tree. The only file that knows the YAML parser.
//!
//! Scalars are read as docker compose reads them: the booleans of YAML 1.2, the numbers of YAML 1.1.

mod advice;
mod builder;
mod draft;
mod scalar;

use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScanError, Span as Range};

use crate::error::{Code, Finding};
use crate::span::Source;
use crate::tree::Node;
use builder::Builder;
use draft::Draft;
pub(crate) use scalar::resolve;

/// Parses every document of a file; empty documents are left out.
///
/// Documents with a mistake in their syntax are left out too; the mistakes are added to `errors`.
pub(crate) fn parse(source: &Arc<Source>, errors: &mut Vec<Finding>) -> Vec<Node> {
    let mut draft = Draft::new(source);
    let before = errors.len();
    loop {
        let (documents, failure) = attempt(&draft, errors);
        let Some(failure) = failure else { return documents };
        let found = syntax(&failure, &draft);
        if draft.repair(&failure, &found) {
            errors.truncate(before);
            continue;
        }
        errors.push(draft.doubted(&failure).unwrap_or(found));
        return documents;
    }
}

/// What ended an attempt.
struct Failure {
    error: ScanError,
    /// Line of the outermost bracket that is open there.
    open: Option<usize>,
}

/// Parses a text once.
fn attempt(draft: &Draft<'_>, errors: &mut Vec<Finding>) -> (Vec<Node>, Option<Failure>) {
    let mut builder = Builder::new(draft.text.len());
    let mut parser = Parser::new_from_str(&draft.text);
    let mut documents = Vec::new();
    let mut brackets: Vec<Option<usize>> = Vec::new();
    while let Some(event) = parser.next_event() {
        let (event, range) = match event {
            Ok(event) => event,
            Err(error) => {
                let open = brackets.into_iter().flatten().next();
                return (documents, Some(Failure { error, open }));
            }
        };
        let span = draft.span(&range);
        match event {
            Event::StreamEnd => break,
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let is_flow = span.start < span.end && span.text().starts_with(['[', '{']);
                brackets.push(is_flow.then_some(range.start.line().saturating_sub(1)));
            }
            Event::SequenceEnd | Event::MappingEnd => drop(brackets.pop()),
            _ => {}
        }
        match builder.take(event, &span, errors) {
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

/// A mistake in the syntax, with what most often causes it.
fn syntax(failure: &Failure, draft: &Draft<'_>) -> Finding {
    let error = &failure.error;
    let span = draft.span(&Range::empty(*error.marker()));
    let line = span.line_text().to_owned();
    let hint = advice::advice(error.info(), &span, failure.open);
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

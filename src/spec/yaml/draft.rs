//! The text as the parser takes it: some forms that YAML 1.1 and docker compose allow are put in the parser's way of writing, in the same
//! lines, and what it says of them is told as of the text itself.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use saphyr_parser::{Marker, Span as Range};

use super::Failure;
use crate::error::Finding;
use crate::span::{Source, Span};

/// Bytes that may be parsed again, all in all: each repair makes the parser begin anew.
const BUDGET: usize = 16 << 20;

pub(super) struct Draft<'a> {
    source: &'a Arc<Source>,
    pub(super) text: Cow<'a, str>,
    /// Bytes are characters all over the text, so that none have to be counted.
    ascii: bool,
    /// Line, column and byte of the last start that was counted: the next one mostly stands behind it.
    counted: Cell<(usize, usize, usize)>,
    /// Blanks that were put before a line.
    indented: BTreeMap<usize, usize>,
    /// Blanks that were put into a line, before it or within.
    added: BTreeMap<usize, usize>,
    doubts: Vec<Doubt>,
    budget: usize,
    /// Line and column where the parser failed last: a repair must bring it on.
    failed: (usize, usize),
}

/// A repair that may have been none: what was wrong without it, for as long as it is not known to have helped.
struct Doubt {
    found: Finding,
    line: usize,
    /// The last line of a text in quotes; nothing for something in brackets.
    quoted_until: Option<usize>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(source: &'a Arc<Source>) -> Self {
        Self {
            source,
            text: Cow::Borrowed(&source.text),
            ascii: source.text.is_ascii(),
            counted: Cell::default(),
            indented: BTreeMap::new(),
            added: BTreeMap::new(),
            doubts: Vec::new(),
            budget: BUDGET,
            failed: (0, 0),
        }
    }

    /// Changes the text so that the parser gets past where it failed; tells whether it did.
    pub(super) fn repair(&mut self, failure: &Failure, found: &Finding) -> bool {
        let marker = failure.error.marker();
        if (marker.line(), marker.col()) <= self.failed {
            return false;
        }
        self.failed = (marker.line(), marker.col());
        let line = marker.line().saturating_sub(1);
        let Some(at) = self.start(line).map(|start| self.behind(start, marker.col())) else {
            return false;
        };
        let Some(left) = self.budget.checked_sub(at) else {
            return false;
        };
        self.budget = left;
        let info = failure.error.info();
        if info.contains("valid YAML whitespace") {
            self.blank_for_tab(at)
        } else if info.contains("comments must be separated") {
            self.apart_from_comment(line, at)
        } else if info.contains("invalid indentation in quoted scalar") {
            let Some(last) = self.indent_quoted(line, at) else { return false };
            self.doubts.push(Doubt { found: found.clone(), line, quoted_until: Some(last) });
            true
        } else if info == "invalid indentation" || info.contains("invalid indentation in flow") {
            self.doubts.push(Doubt { found: found.clone(), line, quoted_until: None });
            self.indent(line)
        } else {
            false
        }
    }

    /// What was wrong in the first place, if repairs have not made it right.
    pub(super) fn doubted(&mut self, failure: &Failure) -> Option<Finding> {
        let line = failure.error.marker().line().saturating_sub(1);
        let is_wrong = |it: &Doubt| match it.quoted_until {
            Some(last) => line <= last,
            None => failure.open.is_some_and(|open| open <= it.line),
        };
        let first = self.doubts.iter().position(is_wrong)?;
        Some(self.doubts.swap_remove(first).found)
    }

    /// YAML allows a tab behind a colon, the parser does not; a blank takes the same room.
    fn blank_for_tab(&mut self, behind: usize) -> bool {
        let Some(tab) = behind.checked_sub(1).filter(|at| self.text.as_bytes().get(*at) == Some(&b'\t')) else {
            return false;
        };
        self.text.to_mut().replace_range(tab..=tab, " ");
        true
    }

    /// `"text"#comment`: the parser wants a blank there.
    fn apart_from_comment(&mut self, line: usize, at: usize) -> bool {
        let Some(comment) = self.text.get(at..).and_then(|rest| rest.lines().next()).and_then(|rest| rest.find('#')) else {
            return false;
        };
        self.text.to_mut().insert(at + comment, ' ');
        *self.added.entry(line).or_default() += 1;
        true
    }

    /// Within brackets and quotes the indentation means nothing; the parser wants it deeper than that of the key all the same.
    fn indent(&mut self, line: usize) -> bool {
        if self.indented.contains_key(&line) {
            return false;
        }
        let Some(start) = self.start(line) else { return false };
        let blanks = 1 + self.source.text.lines().map(|it| it.len() - it.trim_start_matches(' ').len()).max().unwrap_or(0);
        self.text.to_mut().insert_str(start, &" ".repeat(blanks));
        self.indented.insert(line, blanks);
        *self.added.entry(line).or_default() += blanks;
        true
    }

    /// Indents the further lines of the text in quotes that begins at a byte; returns its last line.
    fn indent_quoted(&mut self, line: usize, at: usize) -> Option<usize> {
        let quote = *self.text.as_bytes().get(at).filter(|it| matches!(it, b'"' | b'\''))?;
        let mut rest = self.text.as_bytes().get(at + 1..)?.iter().peekable();
        let mut breaks = 0;
        loop {
            match *rest.next()? {
                b'\n' => breaks += 1,
                b'\\' if quote == b'"' => breaks += usize::from(rest.next() == Some(&b'\n')),
                it if it == quote && quote == b'\'' && rest.peek() == Some(&&quote) => drop(rest.next()),
                it if it == quote => break,
                _ => {}
            }
        }
        let mut done = false;
        for line in line + 1..=line + breaks {
            let text = &self.text[self.start(line)?..];
            let text = text.lines().next().unwrap_or_default();
            // A line of blanks stands for a line break; that of a new document ends the text.
            if !text.trim().is_empty() && !text.starts_with("---") && !text.starts_with("...") {
                done |= self.indent(line);
            }
        }
        done.then_some(line + breaks)
    }

    /// The byte of the draft where a line begins.
    fn start(&self, line: usize) -> Option<usize> {
        let start = *self.source.lines().get(line)? as usize;
        Some(start + self.added.range(..line).map(|(_, it)| it).sum::<usize>())
    }

    fn behind(&self, start: usize, column: usize) -> usize {
        let rest = self.text.get(start..).unwrap_or_default();
        rest.char_indices().nth(column).map_or(self.text.len(), |(at, _)| start + at)
    }

    /// Turns the parser's line and column into a byte of the source.
    fn offset(&self, marker: &Marker) -> usize {
        let text = &self.source.text;
        let line = marker.line().saturating_sub(1);
        let Some(start) = self.source.lines().get(line).map(|&start| start as usize) else {
            return text.len();
        };
        let column = marker.col().saturating_sub(self.indented.get(&line).copied().unwrap_or(0));
        if self.ascii {
            return (start + column).min(text.len());
        }
        let (known, start) = match self.counted.get() {
            (known, before, at) if known == line && before <= column => (before, at),
            _ => (0, start),
        };
        text[start..].char_indices().nth(column - known).map_or(text.len(), |(at, _)| start + at)
    }

    pub(super) fn span(&self, range: &Range) -> Span {
        let start = self.offset(&range.start);
        let line = range.start.line().saturating_sub(1);
        let column = range.start.col().saturating_sub(self.indented.get(&line).copied().unwrap_or(0));
        self.counted.set((line, column, start));
        Span::new(self.source, start..self.offset(&range.end).max(start))
    }
}

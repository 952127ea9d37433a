//! One message: its title, the place in the file with a caret, and what to do.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level as SnippetLevel, Renderer, Snippet};
use rcompose_spec::Span;

use crate::caller::Caller;
use crate::style::{Paint, Tone};

/// Longest line that is shown, in bytes.
const LONGEST_LINE: usize = 4096;
/// Most bytes between two places that are shown as one excerpt.
const LARGEST_WINDOW: usize = 64 * 1024;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// It stops the verb.
    Error,
    /// It stops nothing.
    Warning,
}

/// A stretch of a file with a few words below it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The stretch.
    pub(crate) span: Span,
    /// The words.
    pub(crate) label: String,
}

/// One message.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// How bad it is.
    pub(crate) level: Level,
    /// Lower-case fragment.
    pub(crate) title: String,
    /// Where it is.
    pub(crate) place: Option<Place>,
    /// Further places.
    pub(crate) others: Vec<Place>,
    /// Further facts.
    pub(crate) notes: Vec<String>,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// The file's lines may hold secrets: only the position is shown.
    pub(crate) hide_source: bool,
}

impl Entry {
    /// Makes an error.
    pub(crate) fn error(title: impl Into<String>) -> Self {
        Self::new(Level::Error, title.into())
    }

    /// Makes a warning.
    pub(crate) fn warning(title: impl Into<String>) -> Self {
        Self::new(Level::Warning, title.into())
    }

    /// Makes one of either kind.
    pub(crate) fn new(level: Level, title: String) -> Self {
        Self { level, title, place: None, others: Vec::new(), notes: Vec::new(), hint: None, hide_source: false }
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        self.place.iter().chain(&self.others)
    }

    /// Adds a fact.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Sets what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Renders a message as complete lines.
pub(crate) fn render(entry: &Entry, caller: &Caller, paint: Paint) -> String {
    match &entry.place {
        Some(place) if !entry.hide_source && entry.places().all(is_shown) => with_source(entry, place, caller, paint),
        place => without_source(entry, place.as_ref(), caller, paint),
    }
}

/// Whether the line of a place can be shown; a line that nobody can read would only hide the message.
fn is_shown(place: &Place) -> bool {
    let line = line(&place.span);
    !place.span.source.text.is_empty() && line.len() <= LONGEST_LINE
}

fn with_source(entry: &Entry, place: &Place, caller: &Caller, paint: Paint) -> String {
    let level = match entry.level {
        Level::Error => SnippetLevel::ERROR,
        Level::Warning => SnippetLevel::WARNING,
    };
    let mut window = Window::of(place);
    let (same, elsewhere): (Vec<&Place>, Vec<&Place>) = entry.others.iter().partition(|other| window.take_in(other));
    let mut main = window.snippet(caller).annotation(window.mark(AnnotationKind::Primary, place));
    for other in same {
        main = main.annotation(window.mark(AnnotationKind::Context, other));
    }
    let mut group: Group<'_> = level.primary_title(entry.title.as_str()).element(main);
    for other in elsewhere {
        let window = Window::of(other);
        group = group.element(window.snippet(caller).annotation(window.mark(AnnotationKind::Context, other)));
    }
    for note in &entry.notes {
        group = group.element(SnippetLevel::NOTE.message(note.as_str()));
    }
    if let Some(hint) = &entry.hint {
        group = group.element(SnippetLevel::HELP.message(hint.as_str()));
    }
    let renderer = if paint.color { Renderer::styled() } else { Renderer::plain() };
    format!("{}\n", renderer.render(&[group]))
}

/// The lines of a file that a message is about. The renderer goes through all the text that it is given, for each message anew.
struct Window<'a> {
    span: &'a Span,
    lines: Range<usize>,
}

impl<'a> Window<'a> {
    fn of(place: &'a Place) -> Self {
        let mut lines = line(&place.span);
        if lines.is_empty() {
            // The end of the file, or a blank line: the renderer wants some text.
            lines.start = line_at(&place.span.source.text, lines.start.saturating_sub(1)).start;
        }
        Self { span: &place.span, lines }
    }

    /// Widens it by the line of another place, unless that is in another file or far away.
    fn take_in(&mut self, place: &Place) -> bool {
        let line = line(&place.span);
        let lines = self.lines.start.min(line.start)..self.lines.end.max(line.end);
        let fits = place.span.source == self.span.source && lines.len() <= LARGEST_WINDOW;
        if fits {
            self.lines = lines;
        }
        fits
    }

    fn text(&self) -> &'a str {
        &self.span.source.text[self.lines.clone()]
    }

    fn snippet(&self, caller: &Caller) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let start = Span { start: u32::try_from(self.lines.start).unwrap_or(u32::MAX), ..self.span.clone() };
        Snippet::source(self.text()).line_start(start.line()).path(caller.shown(self.span.path()))
    }

    fn mark<'p>(&self, kind: AnnotationKind, place: &'p Place) -> annotate_snippets::Annotation<'p> {
        let marked = marked(&place.span);
        let annotation = kind.span(marked.start - self.lines.start..marked.end - self.lines.start);
        if place.label.is_empty() {
            annotation
        } else {
            annotation.label(place.label.as_str())
        }
    }
}

/// Returns the bytes of the line that a stretch begins on, without its break.
fn line(span: &Span) -> Range<usize> {
    line_at(&span.source.text, span.range().start)
}

fn line_at(text: &str, at: usize) -> Range<usize> {
    let at = floor(text, at);
    let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    start..end
}

/// Returns the bytes to mark: only those of the first line, as a caret below many lines says nothing.
fn marked(span: &Span) -> Range<usize> {
    let text = &*span.source.text;
    let start = floor(text, span.range().start);
    let line_end = text[start..].find(['\n', '\r']).map_or(text.len(), |at| start + at);
    let end = floor(text, span.range().end).clamp(start, line_end.max(start));
    let trimmed = start + text[start..end].trim_end().len();
    start..trimmed.max(start)
}

/// Returns the nearest character boundary at or before a byte.
fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn without_source(entry: &Entry, place: Option<&Place>, caller: &Caller, paint: Paint) -> String {
    let word = match entry.level {
        Level::Error => paint.paint(Tone::Bad, "error"),
        Level::Warning => paint.paint(Tone::Warn, "warning"),
    };
    let mut text = format!("{word}: {}\n", paint.paint(Tone::Strong, &entry.title));
    for place in place.into_iter().chain(&entry.others) {
        let arrow = paint.paint(Tone::Dim, "-->");
        let at = format!("{}:{}:{}", caller.shown(place.span.path()), place.span.line(), place.span.column());
        let label = if place.label.is_empty() {
            String::new()
        } else {
            format!(": {}", place.label)
        };
        text.push_str(&format!("  {arrow} {at}{label}\n"));
    }
    for note in &entry.notes {
        text.push_str(&format!("  {} {}\n", paint.paint(Tone::Dim, "note:"), note.replace('\n', "\n        ")));
    }
    if let Some(hint) = &entry.hint {
        text.push_str(&format!("  {} {hint}\n", paint.paint(Tone::Hint, "help:")));
    }
    text
}

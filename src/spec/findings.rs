//! What the stages find: mistakes and things worth saying.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::error::{Code, Finding, Note, SpecErrors};
use crate::path::Step;
use crate::routes::Routes;
use crate::schema;
use crate::span::Span;
use crate::trace::Trace;
use crate::tree::Node;

/// Most mistakes reported; nobody reads more, and each is compared with those before.
const MAX_ERRORS: usize = 500;
/// Most warnings kept, for the same reason.
const MAX_WARNINGS: usize = 500;
/// Most values remembered to lack a variable; beyond it, their other mistakes are said too.
const MAX_BLANKED: usize = 10_000;
/// Most pairs of letters that are looked at for names that may be meant, some 10 ns each: many unknown names among many known ones
/// would take minutes.
const MAX_COMPARED: usize = 20_000_000;

/// Collects mistakes and warnings; knows by which includes and extensions loading came here.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) errors: Vec<Finding>,
    pub(crate) warnings: Vec<Finding>,
    /// How files and services were reached.
    pub(crate) routes: Routes,
    /// Where values come from, if that is asked for.
    pub(crate) trace: Option<Box<Trace>>,
    chain: Vec<Note>,
    /// Values in which a variable that is not set became blank.
    blanked: HashSet<Place>,
    /// How many mistakes the stages before this one found.
    earlier: usize,
    /// How many pairs of letters were looked at for names that may be meant.
    compared: usize,
}

impl Findings {
    pub(crate) fn error(&mut self, mut error: Finding) {
        if self.is_full() {
            return;
        }
        if self.errors[..self.earlier].iter().any(|cause| follows(&error, cause)) || self.errors.iter().any(|cause| lost_key(&error, cause))
        {
            return;
        }
        if self.errors.len() >= MAX_ERRORS {
            self.overflow();
            return;
        }
        error.chain = self.chain.clone();
        let known = self
            .errors
            .iter()
            .any(|known| known.span == error.span && known.message == error.message && known.path == error.path);
        if !known {
            self.errors.push(error);
        }
    }

    /// Whether more mistakes would not be reported.
    pub(crate) fn is_full(&self) -> bool {
        self.errors.len() > MAX_ERRORS
    }

    /// The known name that was most likely meant; none where nobody would read it, or once too much was compared.
    pub(crate) fn closest<'n>(&mut self, word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
        if self.is_full() {
            return None;
        }
        let compared = &mut self.compared;
        let affordable = names.take_while(|name| {
            *compared = compared.saturating_add(word.len().saturating_mul(name.len()));
            *compared <= MAX_COMPARED
        });
        schema::closest(word, affordable).filter(|_| self.compared <= MAX_COMPARED)
    }

    /// Says once that there is more.
    fn overflow(&mut self) {
        if self.errors.len() == MAX_ERRORS {
            self.errors.push(Finding::new(Code::Limit, format!("more than {MAX_ERRORS} mistakes were found")));
        }
    }

    /// Begins a stage: what only follows from a mistake found before is not reported any more.
    pub(crate) fn begin_stage(&mut self) {
        self.earlier = self.errors.len();
    }

    /// Whether a file, or a part of one, could not be read at all; whatever is missing then may be in there.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.errors.iter().any(|error| match error.code {
            Code::Syntax | Code::File | Code::Reference | Code::Limit | Code::NoComposeFile => true,
            _ => error.path.is_empty() && error.code != Code::DuplicateKey || error.path.starts_with("include"),
        })
    }

    /// Adds the service that led to each mistake found since `from` in another file than `file`.
    pub(crate) fn explain(&mut self, from: usize, file: &Path, service: impl Fn(&str) -> Option<Span>) {
        for error in self.errors.iter_mut().skip(from) {
            let elsewhere = error.span.as_ref().is_some_and(|span| span.path() != file);
            let Some(name) = service_of(&error.path).filter(|_| elsewhere) else {
                continue;
            };
            if let Some(span) = service(name) {
                error.chain.push(Note { span, label: format!("{name} extends it") });
            }
        }
    }

    pub(crate) fn warn(&mut self, code: Code, message: impl Into<String>, span: Option<&Span>) {
        self.add(Finding::new(code, message).at(span));
    }

    /// Adds a warning, unless the same was said before of the same value.
    pub(crate) fn add(&mut self, mut warning: Finding) {
        let known = |known: &Finding| known.message == warning.message && known.path == warning.path;
        if self.warnings.len() < MAX_WARNINGS && !self.warnings.iter().any(known) {
            warning.chain.clone_from(&self.chain);
            self.warnings.push(warning);
        }
    }

    /// Collects, and records where values come from where `trace` says so.
    pub(crate) fn tracing(trace: bool) -> Self {
        Self { trace: trace.then(Box::default), ..Self::default() }
    }

    /// Records that a value counts no more.
    pub(crate) fn overridden(&mut self, path: &[Step<'_>], node: &Node, by: Option<&Span>) {
        if let Some(trace) = &mut self.trace {
            trace.overridden(path, node, by);
        }
    }

    /// Says that a variable is not set, and remembers whose text is short of it.
    pub(crate) fn unset(&mut self, name: &str, span: Option<&Span>) {
        if let Some(span) = span
            && self.blanked.len() < MAX_BLANKED
        {
            self.blanked.insert(place(span));
        }
        self.warn(Code::UnsetVariable, format!("The \"{name}\" variable is not set. Defaulting to a blank string."), span);
    }

    /// Whether a value lacks a variable, so that what is wrong with it has been said.
    pub(crate) fn is_blanked(&self, span: &Span) -> bool {
        self.blanked.contains(&place(span))
    }

    /// Goes one level down an include or an extension.
    pub(crate) fn enter(&mut self, span: &Span, label: impl Into<String>) {
        self.chain.push(Note { span: span.clone(), label: label.into() });
    }

    /// Comes back up.
    pub(crate) fn leave(&mut self) {
        self.chain.pop();
    }

    /// How deep the includes and extensions are.
    pub(crate) fn depth(&self) -> usize {
        self.chain.len()
    }

    /// Remembers how the file was reached that is read now.
    pub(crate) fn reached(&mut self, file: &Path) {
        self.routes.file(file, &self.chain);
    }

    /// Gives the way to whatever was found when no stage knew it any more.
    pub(crate) fn explain_rest(&mut self, routes: &Routes) {
        self.errors.iter_mut().chain(&mut self.warnings).for_each(|finding| routes.explain(finding));
    }

    /// The mistakes in a stable order: files as they were read, then lines; those without a place last.
    pub(crate) fn into_errors(self) -> SpecErrors {
        let mut errors = self.errors;
        sort(&mut errors);
        SpecErrors(errors)
    }
}

/// Orders mistakes by files as they were read, then by lines; those without a place come last.
pub(crate) fn sort(errors: &mut [Finding]) {
    let mut files: Vec<PathBuf> = Vec::new();
    for span in errors.iter().filter_map(|error| error.span.as_ref()) {
        if !files.iter().any(|file| file == span.path()) {
            files.push(span.path().to_owned());
        }
    }
    errors.sort_by_key(|error| {
        error.span.as_ref().map_or((usize::MAX, 0), |span| {
            let file = files.iter().position(|file| file == span.path());
            (file.unwrap_or(usize::MAX), span.start)
        })
    });
}

/// A file and a byte in it.
type Place = (PathBuf, u32);

fn place(span: &Span) -> Place {
    (span.path().to_owned(), span.start)
}

/// Whether a mistake is only what another one leads to.
fn follows(error: &Finding, cause: &Finding) -> bool {
    let same_place = match (&error.span, &cause.span) {
        (Some(a), Some(b)) => a.source == b.source && a.start < b.end.max(b.start + 1) && b.start < a.end.max(a.start + 1),
        _ => false,
    };
    let derived = matches!(error.code, Code::MissingKey | Code::WrongType);
    let service = service_of(&error.path);
    same_place && derived || derived && service.is_some() && service == service_of(&cause.path)
}

/// Whether a mapping lacks something because one of its keys could not be read, which was said.
fn lost_key(error: &Finding, cause: &Finding) -> bool {
    let (Some(at), Some(key)) = (&error.span, &cause.span) else {
        return false;
    };
    // The key begins with its mapping, or one bracket later.
    let inside = at.path() == key.path() && key.start.wrapping_sub(at.start) <= 1;
    inside && cause.path.is_empty() && cause.message.starts_with("non-string key")
}

/// The name of the service that a path belongs to.
pub(crate) fn service_of(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("services.")?;
    Some(&rest[..rest.find(['.', '[']).unwrap_or(rest.len())])
}

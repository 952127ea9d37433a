//! What the stages find: mistakes and things worth saying.

use crate::error::{Note, SpecError, SpecErrors, Warning};
use crate::span::Span;

/// Collects mistakes and warnings; knows by which includes and extensions loading came here.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) errors: Vec<SpecError>,
    pub(crate) warnings: Vec<Warning>,
    chain: Vec<Note>,
}

impl Findings {
    pub(crate) fn error(&mut self, mut error: SpecError) {
        error.chain = self.chain.clone();
        let known = self
            .errors
            .iter()
            .any(|known| known.span == error.span && known.message == error.message && known.path == error.path);
        if !known {
            self.errors.push(error);
        }
    }

    pub(crate) fn warn(&mut self, message: impl Into<String>, span: Option<&Span>) {
        let warning = Warning { message: message.into(), span: span.cloned() };
        let known = |known: &Warning| known.message == warning.message;
        if !self.warnings.iter().any(known) {
            self.warnings.push(warning);
        }
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

    /// The mistakes in a stable order: files as they were read, then lines; those without a place last.
    pub(crate) fn into_errors(self) -> SpecErrors {
        let mut files: Vec<std::path::PathBuf> = Vec::new();
        for span in self.errors.iter().filter_map(|error| error.span.as_ref()) {
            if !files.iter().any(|file| file == span.path()) {
                files.push(span.path().to_owned());
            }
        }
        let mut errors = self.errors;
        errors.sort_by_key(|error| {
            error.span.as_ref().map_or((usize::MAX, 0), |span| {
                let file = files.iter().position(|file| file == span.path());
                (file.unwrap_or(usize::MAX), span.start)
            })
        });
        SpecErrors(errors)
    }
}

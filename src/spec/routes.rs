//! How loading came to a value: by which includes to its file, and by which `extends` to its service.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::error::{Finding, Note};
use crate::findings::service_of;
use crate::span::Span;

/// The ways to files and services; for a file that is included twice, the first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Routes {
    includes: HashMap<PathBuf, Vec<Note>>,
    extensions: HashMap<String, Span>,
}

impl Routes {
    /// Remembers by which includes a file was reached, outermost first; a file of the command line by none.
    pub(crate) fn file(&mut self, path: &Path, chain: &[Note]) {
        if !self.includes.contains_key(path) {
            self.includes.insert(path.to_owned(), chain.to_vec());
        }
    }

    /// Remembers where services say what they extend.
    pub(crate) fn extensions<'n>(&mut self, extending: impl Iterator<Item = (&'n str, Span)>) {
        self.extensions.extend(extending.map(|(name, span)| (name.to_owned(), span)));
    }

    /// The way to what was found after loading, when no stage knows it any more.
    pub(crate) fn explain(&self, finding: &mut Finding) {
        let Some(span) = finding.span.as_ref().filter(|_| finding.chain.is_empty()) else {
            return;
        };
        if let Some(includes) = self.includes.get(span.path()) {
            finding.chain.clone_from(includes);
            return;
        }
        // A file that is only extended from; what it gives to several services is told by the service that the path names.
        let Some((name, from)) = service_of(&finding.path).and_then(|name| Some((name, self.extensions.get(name)?))) else {
            return;
        };
        let includes = self.includes.get(from.path()).into_iter().flatten().cloned();
        finding.chain = includes.collect();
        finding.chain.push(Note { span: from.clone(), label: format!("{name} extends it") });
    }
}

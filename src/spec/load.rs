//! Files → one merged, canonical document.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Code, Finding};
use crate::findings::Findings;
use crate::interpolate::{Variables, interpolate};
use crate::paths::Base;
use crate::reset::Keys;
use crate::sources::{Files, LoadOptions};
use crate::span::{Source, Span};
use crate::tree::{Map, Node, Value};
use crate::{canonical, defaults, environment, extends, include, lint, merge, reset, schema, unique, yaml};

/// Most times that files are loaded: files that include each other twice multiply.
const MAX_LOADS: usize = 10_000;
/// Most values that are gone through again, since a file is loaded again or merged over by another document; each takes
/// about 0.5 µs.
const MAX_REPEATED: usize = 1_500_000;
/// Most values that `extends` copies; each takes about 150 bytes.
const MAX_EXTENDED: usize = 500_000;
/// Most services of a project; each takes about 6 KB, and one alias of a mapping is enough to write one.
const MAX_SERVICES: usize = 20_000;
/// Deepest chain of includes and extensions.
pub(crate) const MAX_CHAIN: usize = 100;

pub(crate) struct Loader<'a> {
    pub(crate) files: &'a dyn Files,
    pub(crate) options: LoadOptions,
    pub(crate) home: Option<&'a str>,
    pub(crate) stdin: Option<&'a [u8]>,
    pub(crate) findings: &'a mut Findings,
    /// How many more times files may be loaded.
    loads: usize,
    /// How many more values may be gone through again.
    repeated: usize,
    /// How many more values may be copied by `extends`.
    extended: usize,
    /// Files that were read already, by their path.
    sources: HashMap<PathBuf, Arc<Source>>,
    /// Files that were parsed for their name, until they are loaded.
    parsed: HashMap<PathBuf, Parsed>,
}

/// The documents of a file, and the mistakes in its syntax.
#[derive(Default)]
struct Parsed {
    documents: Vec<Node>,
    errors: Vec<Finding>,
}

impl Parsed {
    fn new(source: &Arc<Source>) -> Self {
        let mut errors = Vec::new();
        Self { documents: yaml::parse(source, &mut errors), errors }
    }
}

/// What holds for all files that are loaded together.
pub(crate) struct Scope<'s> {
    /// Where relative paths start.
    pub(crate) folder: PathBuf,
    /// Where `include` and `extends` look for files.
    pub(crate) lookup: PathBuf,
    pub(crate) variables: &'s Variables,
    /// The files that include this one, outermost first.
    pub(crate) including: Vec<PathBuf>,
}

/// A document before it is merged, and what it takes away from earlier ones.
pub(crate) struct Document {
    pub(crate) node: Node,
    pub(crate) resets: Vec<Keys>,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(files: &'a dyn Files, options: LoadOptions, findings: &'a mut Findings) -> Self {
        Self {
            files,
            options,
            home: None,
            stdin: None,
            findings,
            loads: MAX_LOADS,
            repeated: MAX_REPEATED,
            extended: MAX_EXTENDED,
            sources: HashMap::new(),
            parsed: HashMap::new(),
        }
    }

    /// Loads files over each other, with their paths resolved; of included ones it is known where they are named.
    pub(crate) fn model(&mut self, files: &[(PathBuf, Option<Span>)], scope: &Scope<'_>) -> Option<Node> {
        let mut merged: Option<Node> = None;
        for (file, from) in files {
            self.named(file, from.as_ref(), scope, &mut merged);
        }
        let mut model = merged?;
        defaults::set(&mut model);
        defaults::check(&model, self.findings);
        if !self.options.no_path_resolution || !scope.including.is_empty() {
            self.base(&scope.folder).resolve(&mut model);
        }
        if !self.options.no_interpolate {
            environment::inherit(&mut model, scope.variables);
        }
        Some(model)
    }

    pub(crate) fn base<'b>(&'b self, folder: &'b Path) -> Base<'b> {
        Base { folder, home: self.home }
    }

    /// Merges one file over what was loaded before, if it can be read.
    fn named(&mut self, path: &Path, from: Option<&Span>, scope: &Scope<'_>, merged: &mut Option<Node>) {
        let again = self.sources.contains_key(path);
        let Some(source) = self.read(path, from) else {
            return;
        };
        if let Some(from) = from {
            self.findings.enter(from, "included here");
        }
        self.file(&source, again, scope, merged);
        if from.is_some() {
            self.findings.leave();
        }
    }

    /// Merges one file over what was loaded before; `again` says whether it was read already.
    fn file(&mut self, source: &Arc<Source>, again: bool, scope: &Scope<'_>, merged: &mut Option<Node>) {
        let path = &*source.path;
        let Some(loads) = self.loads.checked_sub(1) else {
            let error = Finding::new(Code::Limit, "too many files are included");
            return self.findings.error(error.at(&start_of(source)));
        };
        self.loads = loads;
        self.findings.reached(path);
        let documents = self.documents(source);
        if documents.is_empty() && self.findings.errors.is_empty() {
            self.findings.error(
                Finding::new(Code::Syntax, "empty compose file")
                    .at(&start_of(source))
                    .hint("a compose file begins with `services:`"),
            );
        }
        for node in documents {
            if again && !self.repeat(node.count(), &node.span) {
                return;
            }
            if !self.document(node, path, scope, merged) {
                return;
            }
        }
    }

    /// Whether so many values may be gone through once more; if not, `at` is to blame.
    pub(crate) fn repeat(&mut self, values: usize, at: &Span) -> bool {
        let left = self.repeated.checked_sub(values);
        self.repeated = left.unwrap_or(0);
        if left.is_none() {
            let error = Finding::new(Code::Limit, "too many documents or includes for a project of this size");
            self.findings.error(error.at(at).hint("write what belongs together in one document"));
        }
        left.is_some()
    }

    /// Whether `extends` may copy a value; if not, it says so.
    pub(crate) fn extend(&mut self, node: &Node, at: &Span) -> bool {
        let left = self.extended.checked_sub(node.count());
        self.extended = left.unwrap_or(0);
        left.is_some() || self.refuse_to_extend(at)
    }

    /// Whether `extends` may copy anything more; if not, it says so. Asked first, so that nothing is copied only to be refused.
    pub(crate) fn may_extend(&mut self, at: &Span) -> bool {
        self.extended > 0 || self.refuse_to_extend(at)
    }

    fn refuse_to_extend(&mut self, at: &Span) -> bool {
        let error = Finding::new(Code::Limit, "too many services extend ones that are this large");
        self.findings
            .error(error.at(at).hint(format!("`extends` copies at most {MAX_EXTENDED} values in all")));
        false
    }

    /// Merges one document over what was loaded before; false if nothing more is to be loaded.
    fn document(&mut self, node: Node, path: &Path, scope: &Scope<'_>, merged: &mut Option<Node>) -> bool {
        if let Some(merged) = merged
            && !self.repeat(merged.count(), &node.span)
        {
            return false;
        }
        let Some(mut document) = self.prepare(node, scope.variables) else {
            return true;
        };
        include::apply(self, &mut document.node, path, scope);
        let extending = extending(&document.node);
        self.findings.routes.extensions(extending.iter().map(|(name, span)| (name.as_str(), span.clone())));
        extends::apply(self, &mut document, path, scope);
        let before = self.findings.errors.len();
        let Node { span, tag, .. } = &document.node;
        let base = merged.get_or_insert_with(|| Node { span: span.clone(), value: Value::Map(Map::new()), tag: *tag });
        reset::apply(base, &document.resets, &[], self.findings);
        merge::merge(base, document.node, self.findings);
        if is_too_large(base, self.findings) {
            return false;
        }
        unique::enforce(base, self.findings);
        schema::check(base, self.findings);
        if let Some(version) = base.as_map_mut().and_then(|map| map.shift_remove("version")) {
            let message = format!(
                "{}: the attribute `version` is obsolete, it will be ignored, please remove it to avoid potential confusion",
                path.display()
            );
            self.findings.warn(Code::Obsolete, message, Some(&version.key));
        }
        canonical::canonical(base, self.options.no_interpolate, self.findings);
        self.findings.explain(before, path, |name| extending.get(name).cloned());
        defaults::omit_empty(base);
        unique::enforce(base, self.findings);
        true
    }

    /// Resolves tags and variables of one document.
    pub(crate) fn prepare(&mut self, node: Node, variables: &Variables) -> Option<Document> {
        let mut node = node;
        if node.as_map().is_none() {
            self.findings.error(
                Finding::new(Code::WrongType, "the top level must be a mapping")
                    .at(&node.span)
                    .label(format!("this is {}", node.kind()))
                    .hint("a compose file begins with `services:`"),
            );
            return None;
        }
        let resets = reset::take(&mut node);
        if !self.options.no_interpolate {
            interpolate(&mut node, variables, self.findings);
        }
        Some(Document { node, resets })
    }

    /// The documents of a file before it is loaded, which then does not parse it again.
    pub(crate) fn peek(&mut self, source: &Arc<Source>) -> &[Node] {
        &self.parsed.entry(source.path.clone()).or_insert_with(|| Parsed::new(source)).documents
    }

    /// The documents of a file, without those that hold mistakes in their syntax.
    pub(crate) fn documents(&mut self, source: &Arc<Source>) -> Vec<Node> {
        let Parsed { documents, errors } = self.parsed.remove(&source.path).unwrap_or_else(|| Parsed::new(source));
        for error in errors {
            self.findings.error(error);
        }
        for document in &documents {
            lint::folded(document, self.findings);
        }
        documents
    }

    /// Reads a file; a failure is reported where `from` names it.
    pub(crate) fn read(&mut self, path: &Path, from: Option<&Span>) -> Option<Arc<Source>> {
        if let Some(known) = self.sources.get(path) {
            return Some(Arc::clone(known));
        }
        let bytes = match self.stdin.filter(|_| path == Path::new("-")) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => self.files.read(path),
        };
        let text = match bytes.map(String::from_utf8) {
            Ok(Ok(text)) if u32::try_from(text.len()).is_err() => {
                self.report(Finding::new(Code::Limit, format!("{} is larger than 4 GiB", path.display())), from);
                return None;
            }
            Ok(Ok(text)) => text,
            Ok(Err(_)) => {
                let error = Finding::new(Code::Syntax, format!("{} is not valid UTF-8", path.display()));
                self.report(error, from);
                return None;
            }
            Err(error) => {
                let error = unreadable(path, &error);
                self.report(error, from);
                return None;
            }
        };
        let text = match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        };
        let source = Arc::new(Source::new(path.to_owned(), text));
        self.sources.insert(path.to_owned(), Arc::clone(&source));
        Some(source)
    }

    pub(crate) fn report(&mut self, error: Finding, at: Option<&Span>) {
        let error = match at {
            Some(span) => error.at(span),
            None => error,
        };
        self.findings.error(error);
    }
}

/// Whether a project has more services than can be; if so, it says so.
fn is_too_large(model: &Node, findings: &mut Findings) -> bool {
    let services = model.get("services").and_then(Node::as_map);
    let Some((_, extra)) = services.and_then(|services| services.get_index(MAX_SERVICES)) else {
        return false;
    };
    let error = Finding::new(Code::Limit, "too many services");
    findings.error(error.at(&extra.key).hint(format!("a project has at most {MAX_SERVICES} of them")));
    true
}

/// Where each service says what it extends.
fn extending(document: &Node) -> HashMap<String, Span> {
    let services = document.get("services").and_then(Node::as_map);
    let spans = services.into_iter().flatten().filter_map(|(name, entry)| {
        let extends = entry.node.get("extends")?;
        Some((name.to_owned(), extends.span.clone()))
    });
    spans.collect()
}

pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Finding {
    let path = path.display();
    let (reason, hint) = match error.kind() {
        io::ErrorKind::NotFound => ("no such file or directory", "check the path; it is case-sensitive"),
        io::ErrorKind::IsADirectory => ("is a directory", "name a file in it"),
        io::ErrorKind::PermissionDenied => ("permission denied", "make it readable"),
        _ => return Finding::new(Code::File, format!("cannot read {path}: {error}")),
    };
    Finding::new(Code::File, format!("cannot read {path}: {reason}")).hint(hint)
}

pub(crate) fn start_of(source: &Arc<Source>) -> Span {
    Span::new(source, 0..0)
}

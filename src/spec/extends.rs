//! `extends`: a service that builds on another one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::error::{Code, Finding};
use crate::findings::Findings;
use crate::load::{Document, Loader, MAX_CHAIN, Scope};
use crate::path::Step;
use crate::paths;
use crate::reset::{self, Keys};
use crate::span::Span;
use crate::tree::{Map, Node};
use crate::{canonical, defaults, merge, unique};

/// Resolves `extends` in every service of a document.
pub(crate) fn apply(loader: &mut Loader<'_>, document: &mut Document, path: &Path, scope: &Scope<'_>) {
    let Some(services) = document.node.get_mut("services").and_then(Node::as_map_mut) else {
        return;
    };
    let names: Vec<String> = services.keys().map(str::to_owned).collect();
    let mut extender = Extender { loader, scope, loaded: HashMap::new(), trail: Vec::new() };
    let place = Place { file: path.to_owned(), lookup: scope.lookup.clone(), resets: &document.resets };
    for name in names {
        extender.service(services, &name, &place);
    }
}

struct Extender<'l, 'a, 's> {
    loader: &'l mut Loader<'a>,
    scope: &'l Scope<'s>,
    /// Files named by `extends.file`, ready to be extended.
    loaded: HashMap<PathBuf, Option<Rc<Extended>>>,
    /// The services being resolved.
    trail: Vec<(PathBuf, String, Span)>,
}

/// The services of a file, and what it resets.
struct Extended {
    services: Map,
    /// How many values that is.
    size: usize,
    resets: Vec<Keys>,
}

struct Place<'p> {
    file: PathBuf,
    /// Where relative files start.
    lookup: PathBuf,
    resets: &'p [Keys],
}

/// What `extends` asks for.
struct Wanted {
    service: String,
    file: Option<String>,
    span: Span,
}

impl Extender<'_, '_, '_> {
    /// Replaces a service by itself merged over the one that it extends.
    fn service(&mut self, services: &mut Map, name: &str, place: &Place<'_>) {
        let Some(service) = services.get(name).map(|entry| &entry.node) else {
            return;
        };
        let Some(extends) = service.get("extends") else {
            return;
        };
        let Some(wanted) = self.wanted(extends, name, place) else {
            return;
        };
        let here = (place.file.clone(), name.to_owned(), wanted.span.clone());
        let again = |(file, service, _): &(PathBuf, String, Span)| *file == place.file && service == name;
        if self.trail.iter().any(again) {
            return self.cycle(&wanted.span, name, place);
        }
        if self.trail.len() + self.loader.findings.depth() > MAX_CHAIN {
            let error = Finding::new(Code::Limit, "too many services extend one another");
            return self.loader.report(error, Some(&wanted.span));
        }
        if !self.loader.may_extend(&wanted.span) {
            return;
        }
        self.trail.push(here);
        let base = self.base(services, &wanted, name, place);
        self.trail.pop();
        let (Some(mut base), Some(entry)) = (base, services.get_mut(name)) else {
            return;
        };
        if !self.loader.extend(&base, &wanted.span) {
            return;
        }
        reset::apply(
            &mut base,
            &reset::of_service(place.resets, name),
            &[Step::Key("services"), Step::Key(name)],
            self.loader.findings,
        );
        let service = entry.node.clone();
        merge::extend(&mut base, service, name, self.loader.findings);
        base.span = entry.node.span.clone();
        if let Some(map) = base.as_map_mut() {
            map.shift_remove("extends");
        }
        entry.node = base;
    }

    fn wanted(&mut self, extends: &Node, name: &str, place: &Place<'_>) -> Option<Wanted> {
        let text = |key: &str| extends.get(key).and_then(Node::as_str).map(str::to_owned);
        let service = match extends.as_str() {
            Some(service) => Some(service.to_owned()),
            None if extends.is_null() => Some(String::new()),
            None => text("service"),
        };
        let Some(service) = service else {
            // The tables of attributes know nothing of what `extends` replaces, so it is said here.
            self.loader.findings.error(
                Finding::new(Code::MissingKey, format!("extends.{name}.service is required"))
                    .at(&extends.span)
                    .path(format!("services.{name}.extends"))
                    .hint("name the service to extend: `extends: {service: NAME}`"),
            );
            return None;
        };
        if service.is_empty() {
            self.missing(&extends.span, name, &service, place, std::iter::empty());
            return None;
        }
        Some(Wanted { service, file: text("file"), span: extends.span.clone() })
    }

    /// The service to build on, with its own extensions resolved.
    fn base(&mut self, services: &mut Map, wanted: &Wanted, name: &str, place: &Place<'_>) -> Option<Node> {
        let Some(file) = &wanted.file else {
            if !services.contains_key(&wanted.service) {
                self.missing(&wanted.span, name, &wanted.service, place, services.keys());
                return None;
            }
            self.service(services, &wanted.service, place);
            return services.get(&wanted.service).map(|entry| entry.node.clone());
        };
        let path = paths::join(&place.lookup, Path::new(file));
        if path == place.file && services.contains_key(&wanted.service) {
            self.service(services, &wanted.service, place);
            return services.get(&wanted.service).map(|entry| entry.node.clone());
        }
        let extended = self.load(&path, wanted)?;
        let there = Place { lookup: path.parent().unwrap_or(Path::new("/")).to_owned(), file: path, resets: &extended.resets };
        let Some(entry) = extended.services.get(&wanted.service) else {
            self.missing(&wanted.span, name, &wanted.service, &there, extended.services.keys());
            return None;
        };
        if entry.node.get("extends").is_none() {
            return Some(entry.node.clone());
        }
        if !self.loader.repeat(extended.size, &wanted.span) {
            return None;
        }
        let mut services = extended.services.clone();
        self.service(&mut services, &wanted.service, &there);
        services.shift_remove(&wanted.service).map(|entry| entry.node)
    }

    /// The services of another file: canonical, with their paths resolved, not yet checked.
    fn load(&mut self, path: &Path, wanted: &Wanted) -> Option<Rc<Extended>> {
        if let Some(known) = self.loaded.get(path) {
            return known.clone();
        }
        let loaded = self.load_new(path, wanted).map(Rc::new);
        self.loaded.insert(path.to_owned(), loaded.clone());
        loaded
    }

    fn load_new(&mut self, path: &Path, wanted: &Wanted) -> Option<Extended> {
        let source = self.loader.read(path, Some(&wanted.span))?;
        let mut merged: Option<Document> = None;
        for node in self.loader.documents(&source) {
            let mut document = self.loader.prepare(node, self.scope.variables)?;
            match &mut merged {
                None => merged = Some(document),
                Some(base) => {
                    reset::apply(&mut base.node, &document.resets, &[], self.loader.findings);
                    merge::merge(&mut base.node, document.node, self.loader.findings);
                    base.resets.append(&mut document.resets);
                }
            }
        }
        let mut document = merged?;
        if let Some(map) = document.node.as_map_mut() {
            map.retain(|key, _| key == "services");
        }
        unique::enforce(&mut document.node, self.loader.findings);
        // What cannot be read stays as it is: if it is extended, it is reported there.
        canonical::canonical(&mut document.node, true, &mut Findings::default());
        defaults::omit_empty(&mut document.node);
        unique::enforce(&mut document.node, self.loader.findings);
        let folder = path.parent().unwrap_or(Path::new("/"));
        self.loader.base(folder).resolve(&mut document.node);
        let size = document.node.count();
        let services = document.node.as_map_mut().and_then(|map| map.shift_remove("services"));
        let services = services.and_then(|entry| entry.node.into_map());
        Some(Extended { services: services.unwrap_or_default(), size, resets: document.resets })
    }

    fn missing<'n>(&mut self, span: &Span, name: &str, wanted: &str, place: &Place<'_>, names: impl Iterator<Item = &'n str>) {
        let file = place.file.display();
        let mut error =
            Finding::new(Code::Undefined, format!("cannot extend service \"{name}\": service \"{wanted}\" not found in {file}"))
                .at(span)
                .path(format!("services.{name}.extends"));
        if let Some(near) = self.loader.findings.closest(wanted, names) {
            error = error.hint(format!("did you mean `{near}`?"));
        }
        self.loader.findings.error(error);
    }

    fn cycle(&mut self, span: &Span, name: &str, place: &Place<'_>) {
        let mut text = String::from("circular reference: ");
        for (file, service, _) in &self.trail {
            text.push_str(&format!("{service} in {} extends ", file.display()));
        }
        text.push_str(&format!("{name} in {}", place.file.display()));
        let mut error = Finding::new(Code::Reference, text)
            .at(span)
            .path(format!("services.{name}.extends"))
            .hint("remove one `extends` of the circle");
        for (_, service, at) in &self.trail {
            error = error.note(at, format!("{service} extends here"));
        }
        self.loader.findings.error(error);
    }
}

//! Checks that docker compose leaves to the engine, or to nobody: each finds what is surely a mistake, and stops nothing.
//!
//! A rule belongs here only if no reasonable author would call it wrong: what an engine refuses, what is dropped in
//! silence, what can never happen. Taste has no place here.

mod address;
mod cidr;
mod disabled;
mod fold;
mod health;
mod image;
mod key;
mod mount;
mod option;
mod platform;
mod port;
mod subnet;
mod word;

use crate::error::{Code, Finding};
use crate::findings::Findings;
use crate::model::{Project, Service};
use crate::schema;
use crate::span::Origins;

pub(crate) use fold::check as folded;
pub(crate) use option::dropped as dropped_options;

/// Most warnings kept; nobody reads more.
const MAX_FOUND: usize = 500;
/// Most things of one kind that are compared with each other, or said of one list: a file of a megabyte must end soon, and no
/// author has that many by hand.
const MAX_COMPARED: usize = 200;

/// Checks a project whose references hold; resources that no service uses must still be there.
pub(crate) fn check(project: &Project, origins: &Origins, findings: &mut Findings) {
    let mut lint = Lint { project, origins, found: Vec::new() };
    for service in project.services.values().chain(project.disabled.values()) {
        lint.image(service);
        lint.platform(service);
        lint.words(service);
        lint.keys(service);
        lint.mounts(service);
        lint.service_ports(service);
        lint.addresses(service);
        lint.health(service);
    }
    lint.subnets();
    lint.clashes();
    let mut found = lint.found;
    found.extend(disabled::check(project, origins));
    for warning in sorted(found, project) {
        if !warning.span.as_ref().is_some_and(|span| findings.is_blanked(span)) {
            findings.add(warning);
        }
    }
}

/// Leaves out what concerns services that were not selected: whoever names services does not run the others.
pub(crate) fn narrow(warnings: &mut Vec<Finding>, project: &Project, origins: &Origins) {
    let selected = |warning: &Finding| match service_of(&warning.path) {
        Some(rest) => project.services.keys().any(|name| is_of(rest, name)),
        None => true,
    };
    let clash = |code: Code| matches!(code, Code::PortClash | Code::AddressClash);
    warnings.retain(|warning| !warning.is_check() || selected(warning) && !clash(warning.code));
    let mut lint = Lint { project, origins, found: Vec::new() };
    lint.clashes();
    warnings.extend(sorted(lint.found, project));
}

/// The part of a path behind `services.`.
fn service_of(path: &str) -> Option<&str> {
    path.strip_prefix("services.")
}

/// Whether a path below `services` belongs to the service of this name.
fn is_of(rest: &str, name: &str) -> bool {
    rest.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Orders by files as they were read, then by lines.
fn sorted(mut found: Vec<Finding>, project: &Project) -> Vec<Finding> {
    found.sort_by_key(|warning| {
        let span = warning.span.as_ref()?;
        let file = project.files.iter().position(|file| file == span.path()).unwrap_or(usize::MAX);
        Some((file, span.path().to_owned(), span.start))
    });
    found
}

struct Lint<'a> {
    project: &'a Project,
    origins: &'a Origins,
    found: Vec<Finding>,
}

impl Lint<'_> {
    /// Adds a warning about the value at `path`.
    fn warn(&mut self, path: impl Into<String>, warning: Finding) {
        if self.found.len() >= MAX_FOUND {
            return;
        }
        let path = path.into();
        let span = self.origins.get(&path);
        self.found.push(warning.at(span).path(path));
    }

    /// What several services want and only one can have.
    fn clashes(&mut self) {
        self.subnet_clashes();
        self.address_clashes();
        self.port_clashes();
    }

    /// Services that run, and do so at least once.
    fn running(&self) -> impl Iterator<Item = &Service> {
        self.project.services.values().map(AsRef::as_ref).filter(|service| service.replicas() > 0)
    }
}

/// Suggests the word that was most likely meant.
fn meant<'w>(word: &str, known: impl IntoIterator<Item = &'w str> + Clone) -> Option<String> {
    let same = known.clone().into_iter().find(|it| it.eq_ignore_ascii_case(word.trim()));
    let near = same.or_else(|| schema::closest(word, known.into_iter()));
    near.map(|near| format!("did you mean `{near}`?"))
}

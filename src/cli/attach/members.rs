//! Which containers an `up` in the foreground waits for, and whose output it shows.

use std::collections::{BTreeMap, BTreeSet};

use rcompose_engine_adapter::{ContainerName, EngineEvent, ObservedContainer, labels};
use rcompose_spec::model::Project;

use crate::args::UpArgs;

/// The containers that run, of the services that are watched.
#[derive(Debug)]
pub(crate) struct Members {
    watched: BTreeSet<String>,
    shown: BTreeSet<String>,
    running: BTreeMap<ContainerName, String>,
}

impl Members {
    /// Watches the services named, else all; shows them but for those that are not to be attached.
    pub(crate) fn new(project: &Project, args: &UpArgs) -> Self {
        let all = || project.services.keys().cloned().collect::<BTreeSet<String>>();
        let watched = if args.services.is_empty() || args.attach_dependencies {
            all()
        } else {
            args.services.iter().cloned().collect()
        };
        let mut shown: BTreeSet<String> = if args.attach.is_empty() {
            watched
                .iter()
                .filter(|name| project.services.get(*name).is_none_or(|it| it.attach != Some(false)))
                .cloned()
                .collect()
        } else {
            args.attach.iter().cloned().collect()
        };
        shown.retain(|name| !args.no_attach.contains(name));
        // Output that is shown keeps `up` in the foreground.
        let watched = watched.union(&shown).cloned().collect();
        Self { watched, shown, running: BTreeMap::new() }
    }

    pub(crate) fn watches(&self, container: &ObservedContainer) -> bool {
        container.is_listed() && !container.is_oneoff() && container.service().is_some_and(|service| self.watched.contains(service))
    }

    pub(crate) fn shows(&self, service: Option<&str>) -> bool {
        service.is_some_and(|service| self.shown.contains(service))
    }

    /// Returns the service that an event is about, where it is watched.
    pub(crate) fn service_of(&self, event: &EngineEvent) -> Option<String> {
        let oneoff = event.labels.get(labels::ONEOFF).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let service = event.labels.get(labels::SERVICE)?;
        (!oneoff && event.labels.contains_key(labels::CONFIG_HASH) && self.watched.contains(service)).then(|| service.clone())
    }

    pub(crate) fn add(&mut self, name: ContainerName, service: String) {
        self.running.insert(name, service);
    }

    /// Takes a container out and returns its service, where it was there.
    pub(crate) fn remove(&mut self, name: &ContainerName) -> Option<String> {
        self.running.remove(name)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcompose_spec::model::Service;

    fn members(args: &UpArgs) -> (Vec<String>, Vec<String>) {
        let mut project = Project::default();
        for name in ["db", "mail", "web"] {
            project.services.insert(name.into(), Box::new(Service { name: name.into(), ..Service::default() }));
        }
        if let Some(mail) = project.services.get_mut("mail") {
            mail.attach = Some(false);
        }
        let members = Members::new(&project, args);
        (members.watched.into_iter().collect(), members.shown.into_iter().collect())
    }

    #[test]
    fn services_named_are_watched_and_shown() {
        let names = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        assert_eq!(members(&UpArgs::default()), (names(&["db", "mail", "web"]), names(&["db", "web"])));
        let web = UpArgs { services: names(&["web"]), ..UpArgs::default() };
        assert_eq!(members(&web), (names(&["web"]), names(&["web"])));
        assert_eq!(members(&UpArgs { attach_dependencies: true, ..web.clone() }).1, names(&["db", "web"]));
        assert_eq!(members(&UpArgs { attach: names(&["mail"]), ..UpArgs::default() }).1, names(&["mail"]));
        assert_eq!(members(&UpArgs { no_attach: names(&["db"]), ..UpArgs::default() }).1, names(&["web"]));
    }
}

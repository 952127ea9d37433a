//! `down`: containers in reverse order of the graph, then networks, volumes and images.

use std::collections::{BTreeMap, BTreeSet};

use rcompose_engine_adapter::{ContainerName, ImageReference, Observed, ObservedContainer, labels};
use rcompose_spec::model::Project;

use super::stop::stop_steps;
use crate::draft::{Draft, Handle};
use crate::fleet::Fleet;
use crate::verbs::foreign;
use crate::{Action, Down, Notice, OnFailure, Plan, PlanError, Reason, RemoveImages};

/// Plans `down`. Without a project everything is read off labels.
///
/// # Errors
/// A service that nobody knows, or another folder's project of the same name.
pub fn down(name: &str, project: Option<&Project>, observed: &Observed, options: &Down) -> Result<Plan, PlanError> {
    let fleet = Fleet::new(name, project, observed);
    let targets = fleet.targets(&options.services)?;
    let mut verb = Verb { name, observed, options, fleet, draft: Draft::default(), gone: BTreeMap::new() };
    let mut notices = Vec::new();
    verb.containers(&targets);
    verb.orphans(&mut notices);
    verb.networks(&mut notices);
    verb.volumes();
    verb.images(&targets);
    let plan = verb.draft.finish(name, &observed.engine, OnFailure::Continue, notices);
    if let Some(project) = project.filter(|_| !options.adopt)
        && let Some(problem) = foreign::check(project, observed, &plan)
    {
        return Err(PlanError::one(problem));
    }
    Ok(plan)
}

struct Verb<'a> {
    name: &'a str,
    observed: &'a Observed,
    options: &'a Down,
    fleet: Fleet<'a>,
    draft: Draft,
    /// Steps that remove containers.
    gone: BTreeMap<ContainerName, Handle>,
}

impl<'a> Verb<'a> {
    /// Dependents first.
    fn containers(&mut self, targets: &BTreeSet<String>) {
        let order: Vec<String> = self.fleet.order().rev().filter(|name| targets.contains(*name)).map(str::to_owned).collect();
        for service in order {
            let before: Vec<Handle> = self.dependents_gone(&service);
            for container in self.fleet.services.get(&service).cloned().unwrap_or_default() {
                self.remove(&service, container, &Reason::Requested, &before);
            }
        }
    }

    fn dependents_gone(&self, service: &str) -> Vec<Handle> {
        let dependents = self.fleet.dependents(service).filter(|(name, _)| *name != service);
        let containers = dependents.filter_map(|(name, _)| self.fleet.services.get(name)).flatten();
        containers.filter_map(|container| self.gone.get(&container.name).copied()).collect()
    }

    fn remove(&mut self, service: &str, container: &'a ObservedContainer, because: &Reason, before: &[Handle]) {
        let remove = Action::RemoveContainer { name: container.name.clone(), volumes: self.options.volumes };
        let stopping = stop_steps(&mut self.draft, self.fleet.service(service), container, self.options.timeout, because);
        let removal = self.draft.add(remove, because.clone(), []);
        if let Some(stopping) = stopping {
            self.draft.after_end(removal, stopping.last);
        }
        for &handle in before {
            self.draft.after_end(stopping.map_or(removal, |it| it.first), handle);
        }
        self.gone.insert(container.name.clone(), removal);
    }

    /// Containers whose service is in no file.
    fn orphans(&mut self, notices: &mut Vec<Notice>) {
        if !self.options.services.is_empty() {
            return;
        }
        let orphans: Vec<&ObservedContainer> = self
            .fleet
            .services
            .iter()
            .filter(|(name, _)| !self.fleet.is_of_file(name))
            .flat_map(|(_, list)| list.iter().copied())
            .collect();
        if self.options.remove_orphans {
            for container in orphans {
                self.remove(container.service().unwrap_or_default(), container, &Reason::Orphan, &[]);
            }
        } else if !orphans.is_empty() && !self.options.ignore_orphans {
            let names: Vec<&str> = orphans.iter().map(|it| it.name.as_str()).collect();
            let message = format!("found orphan containers ({}) for this project", names.join(", "));
            let hint = Some("if their service was renamed or removed, `--remove-orphans` takes them away".to_owned());
            notices.push(Notice { path: String::new(), message, hint });
        }
    }

    /// Networks go with the last container that uses them; one that somebody else uses stays, and that is said.
    fn networks(&mut self, notices: &mut Vec<Notice>) {
        for (name, network) in &self.observed.networks {
            let own = network.labels.get(labels::PROJECT).is_some_and(|it| it == self.name);
            let attached = network.containers.iter().filter(|it| !self.gone.contains_key(*it));
            // Containers that do not run are attached to nothing, but need it when they start.
            let staying = self.fleet.services.values().flatten().filter(|it| !self.gone.contains_key(&it.name));
            let needing = staying.filter(|container| container.networks.contains_key(name)).map(|it| &it.name);
            let users: BTreeSet<&ContainerName> = attached.chain(needing).collect();
            if own && users.is_empty() {
                let step = self.draft.add(Action::RemoveNetwork { name: name.clone() }, Reason::Requested, []);
                self.gone.values().for_each(|&handle| self.draft.after_end(step, handle));
            } else if own && self.options.services.is_empty() {
                let users: Vec<&str> = users.into_iter().map(ContainerName::as_str).collect();
                let message = format!("network `{name}` stays: {} still use it", users.join(", "));
                notices.push(Notice { path: String::new(), message, hint: None });
            }
        }
    }

    fn volumes(&mut self) {
        if !self.options.volumes {
            return;
        }
        let external: BTreeSet<&str> = self
            .fleet
            .project
            .map(|project| project.volumes.values().filter(|it| it.external).map(|it| it.name.as_str()).collect())
            .unwrap_or_default();
        for (name, volume) in &self.observed.volumes {
            let users = self.users(|it| it.mounts.iter().any(|mount| mount.volume.as_ref() == Some(name)));
            let going = users.iter().filter(|it| self.gone.contains_key(&it.name)).count();
            // Where services were named, theirs go that nobody else uses.
            let meant = self.options.services.is_empty() || (going > 0 && going == users.len());
            // Anonymous volumes carry the project's label too and go with their containers.
            let own = volume.labels.get(labels::PROJECT).is_some_and(|it| it == self.name) && volume.labels.contains_key(labels::VOLUME);
            if own && meant && !external.contains(name.as_str()) {
                let step = self.draft.add(Action::RemoveVolume { name: name.clone() }, Reason::Requested, []);
                self.after_users(step, &users);
            }
        }
    }

    fn users(&self, uses: impl Fn(&ObservedContainer) -> bool) -> Vec<&'a ObservedContainer> {
        self.fleet.services.values().flatten().copied().filter(|it| uses(it)).collect()
    }

    fn after_users(&mut self, step: Handle, users: &[&ObservedContainer]) {
        for handle in users.iter().filter_map(|it| self.gone.get(&it.name)) {
            self.draft.after_end(step, *handle);
        }
    }

    fn images(&mut self, targets: &BTreeSet<String>) {
        let Some(which) = self.options.images else { return };
        let mut images: BTreeSet<ImageReference> = BTreeSet::new();
        for (service, containers) in self.fleet.services.iter().filter(|(name, _)| targets.contains(*name)) {
            let of_containers = containers.iter().map(|container| container.image.clone());
            images.extend(of_containers.filter(|image| which == RemoveImages::All || self.is_built_name(image, service)));
        }
        let meant = self.fleet.project.into_iter().flat_map(|project| project.services.values());
        let named = |name: &String| self.options.services.is_empty() || targets.contains(name);
        for service in meant.filter(|service| named(&service.name)) {
            match (which, service.image.as_str()) {
                (RemoveImages::All, image) if !image.is_empty() => drop(images.insert(image.into())),
                (RemoveImages::All | RemoveImages::Local, "") if service.build.is_some() => {
                    images.insert(format!("{}-{}", self.name, service.name).into());
                }
                (RemoveImages::All | RemoveImages::Local, _) => {}
            }
        }
        for image in images {
            let step = self.draft.add(Action::RemoveImage { image: image.clone() }, Reason::Requested, []);
            // Another project may run it.
            self.draft.optional(step, true);
            let users = self.users(|it| it.image == image);
            self.after_users(step, &users);
        }
    }

    /// Tells whether an image has the name that is given to what a service builds.
    fn is_built_name(&self, image: &ImageReference, service: &str) -> bool {
        ['-', '_']
            .into_iter()
            .any(|separator| image.as_str() == format!("{}{separator}{service}", self.name))
    }
}

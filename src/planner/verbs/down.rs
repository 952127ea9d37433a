//! `down`: containers in reverse order of the graph, then networks, volumes and images.

use std::collections::{BTreeMap, BTreeSet};

use rcompose_engine_adapter::{ContainerName, ImageReference, NetworkName, Observed, ObservedContainer, VolumeName, labels};
use rcompose_spec::model::Project;

use super::stop::{pre_stop_steps, stop_action};
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
    verb.networks();
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
        let mut first = None;
        let mut last = None;
        if container.state.is_up() {
            let hooks = pre_stop_steps(&mut self.draft, self.fleet.service(service), container, because, None);
            let stop = self.draft.add(stop_action(&container.name, self.options.timeout), because.clone(), []);
            if let Some(hook) = hooks {
                self.draft.after_end(stop, hook);
            }
            first = Some(hooks.unwrap_or(stop));
            last = Some(stop);
        }
        let removal = self.draft.add(remove, because.clone(), []);
        if let Some(stop) = last {
            self.draft.after_end(removal, stop);
        }
        for &handle in before {
            self.draft.after_end(first.unwrap_or(removal), handle);
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

    fn networks(&mut self) {
        let own = |labels: &BTreeMap<String, String>| labels.get(labels::PROJECT).is_some_and(|it| it == self.name);
        let names: Vec<NetworkName> = self
            .observed
            .networks
            .iter()
            .filter(|(_, network)| own(&network.labels))
            // Those that other services of the project still use stay, where services were named.
            .filter(|(_, network)| self.options.services.is_empty() || network.containers.iter().all(|it| self.gone.contains_key(it)))
            .filter(|(name, _)| self.options.services.is_empty() || self.only_targets_use(name))
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            let step = self.draft.add(Action::RemoveNetwork { name }, Reason::Requested, []);
            self.after_containers(step);
        }
    }

    /// Containers that do not run are attached to no network, but need it when they start.
    fn only_targets_use(&self, network: &NetworkName) -> bool {
        let staying = self.fleet.services.values().flatten().filter(|it| !self.gone.contains_key(&it.name));
        staying.into_iter().all(|container| !container.networks.contains_key(network))
    }

    fn volumes(&mut self) {
        if !self.options.volumes || !self.options.services.is_empty() {
            return;
        }
        let external: BTreeSet<&str> = self
            .fleet
            .project
            .map(|project| project.volumes.values().filter(|it| it.external).map(|it| it.name.as_str()).collect())
            .unwrap_or_default();
        let own = self.observed.volumes.iter().filter(|(name, volume)| {
            // Anonymous volumes carry the project's label too and go with their containers.
            volume.labels.get(labels::PROJECT).is_some_and(|it| it == self.name)
                && volume.labels.contains_key(labels::VOLUME)
                && !external.contains(name.as_str())
        });
        let names: Vec<VolumeName> = own.map(|(name, _)| name.clone()).collect();
        for name in names {
            let step = self.draft.add(Action::RemoveVolume { name }, Reason::Requested, []);
            self.after_containers(step);
        }
    }

    fn images(&mut self, targets: &BTreeSet<String>) {
        let Some(which) = self.options.images else { return };
        let mut images: BTreeSet<ImageReference> = BTreeSet::new();
        for (service, containers) in self.fleet.services.iter().filter(|(name, _)| targets.contains(*name)) {
            let built = format!("{}-{service}", self.name);
            let of_containers = containers.iter().map(|container| container.image.clone());
            images.extend(of_containers.filter(|image| which == RemoveImages::All || image.as_str() == built));
        }
        for service in self.fleet.project.into_iter().flat_map(|project| project.services.values()) {
            match (which, service.image.as_str()) {
                (RemoveImages::All, image) if !image.is_empty() => drop(images.insert(image.into())),
                (RemoveImages::All | RemoveImages::Local, "") if service.build.is_some() => {
                    images.insert(format!("{}-{}", self.name, service.name).into());
                }
                (RemoveImages::All | RemoveImages::Local, _) => {}
            }
        }
        for image in images {
            let step = self.draft.add(Action::RemoveImage { image }, Reason::Requested, []);
            // Another project may run it.
            self.draft.optional(step, true);
            self.after_containers(step);
        }
    }

    fn after_containers(&mut self, step: Handle) {
        for &handle in self.gone.values() {
            self.draft.after_end(step, handle);
        }
    }
}

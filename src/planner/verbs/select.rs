//! Verbs on containers that are there: `start`, `stop`, `restart`, `kill`, `rm`, `pause`, `unpause`.

use std::collections::{BTreeMap, BTreeSet};

use rcompose_engine_adapter::{ContainerName, ContainerState, HealthStatus, Observed, ObservedContainer};
use rcompose_spec::model::{Condition as Wanted, Dependency, Project, Service};

use super::foreign;
use super::stop::stop_steps;
use crate::draft::{Draft, Handle};
use crate::fleet::Fleet;
use crate::gate::Gate;
use crate::{Action, Condition, Kill, OnFailure, Plan, PlanError, Problem, ProblemKind, Reason, Remove, Select};

/// Plans `start`: what does not run is started, dependencies first and each after its conditions.
///
/// # Errors
/// A service that nobody knows, one that has no container to start (without names that is any service of the file), or one whose
/// `pre_start` has not run yet: containers for that come with `up`.
pub fn start(name: &str, project: Option<&Project>, observed: &Observed, options: &Select) -> Result<Plan, PlanError> {
    let fleet = Fleet::new(name, project, observed);
    let mut targets = fleet.targets(&options.services)?;
    if options.services.is_empty() {
        has_containers(&fleet, &expected(project))?;
    } else {
        has_containers(&fleet, &options.services)?;
    }
    let named = targets.clone();
    for service in fleet.order().rev().map(str::to_owned).collect::<Vec<_>>() {
        if targets.contains(&service) {
            targets.extend(fleet.dependencies(&service).map(|(dependency, _)| dependency.to_owned()));
        }
    }
    steps_have_run(&fleet, &targets)?;
    let mut run = Starts::new(&fleet);
    run.start(
        &targets,
        |container| !matches!(container.state, ContainerState::Running | ContainerState::Restarting),
        &Reason::Stopped,
    );
    if let Some(wait) = options.wait {
        run.wait(&named, wait.limit);
    }
    Ok(run.draft.finish(name, &observed.engine, OnFailure::Stop, Vec::new()))
}

/// Plans what follows a start of the machine: these containers are started in the order of the graph. What a dependency lacks holds nobody
/// up for good: who waits for one that fails is started after that, since nobody may be there to try again.
#[must_use]
pub fn resume(name: &str, project: Option<&Project>, observed: &Observed, containers: &BTreeSet<ContainerName>) -> Plan {
    let fleet = Fleet::new(name, project, observed);
    let meant = |service: &&str| fleet.replicas(service).any(|it| containers.contains(&it.name));
    let targets: BTreeSet<String> = fleet.order().filter(meant).map(str::to_owned).collect();
    let mut run = Starts { patient: false, ..Starts::new(&fleet) };
    let rests = |state| !matches!(state, ContainerState::Running | ContainerState::Restarting);
    run.start(&targets, |it| containers.contains(&it.name) && rests(it.state), &Reason::Resumed);
    run.draft.finish(name, &observed.engine, OnFailure::Continue, Vec::new())
}

/// Plans `stop`: dependents first; containers of `run` are left alone.
///
/// # Errors
/// A service that nobody knows.
pub fn stop(name: &str, project: Option<&Project>, observed: &Observed, options: &Select) -> Result<Plan, PlanError> {
    let fleet = Fleet::new(name, project, observed);
    let targets = fleet.targets(&options.services)?;
    let mut draft = Draft::default();
    stop_in_order(&fleet, &mut draft, &targets, options, &Reason::Requested);
    Ok(draft.finish(name, &observed.engine, OnFailure::Continue, Vec::new()))
}

/// Plans `restart`: stopped dependents first, started dependencies first; dependents follow only with `restart: true`.
///
/// # Errors
/// A service that nobody knows, or one that has no container.
pub fn restart(name: &str, project: Option<&Project>, observed: &Observed, options: &Select) -> Result<Plan, PlanError> {
    let fleet = Fleet::new(name, project, observed);
    let mut targets = fleet.targets(&options.services)?;
    has_containers(&fleet, &options.services)?;
    if !options.no_deps {
        for service in fleet.order().map(str::to_owned).collect::<Vec<_>>() {
            if targets.contains(&service) {
                let followers = fleet.dependents(&service).filter(|(_, it)| it.restart).map(|(dependent, _)| dependent.to_owned());
                targets.extend(followers.collect::<Vec<_>>());
            }
        }
    }
    let mut run = Starts::new(&fleet);
    run.stopped = stop_in_order(&fleet, &mut run.draft, &targets, options, &Reason::Requested);
    run.start(&targets, |_| true, &Reason::Requested);
    Ok(run.draft.finish(name, &observed.engine, OnFailure::Stop, Vec::new()))
}

/// Plans `kill`: one signal to all at once.
///
/// # Errors
/// A service that nobody knows.
pub fn kill(name: &str, project: Option<&Project>, observed: &Observed, options: &Kill) -> Result<Plan, PlanError> {
    let fleet = Fleet::new(name, project, observed);
    let mut targets = fleet.targets(&options.services)?;
    if options.remove_orphans {
        targets.extend(fleet.services.keys().filter(|it| !fleet.is_of_file(it)).cloned());
    }
    let signal = |container: &ObservedContainer| Action::KillContainer { name: container.name.clone(), signal: options.signal.clone() };
    let mut draft = Draft::default();
    // Those of `run` too: nobody else ends them.
    let containers = targets.iter().filter_map(|service| fleet.services.get(service)).flatten();
    for container in containers.filter(|it| it.is_listed() && it.state.is_up()) {
        draft.add(signal(container), Reason::Requested, []);
    }
    Ok(draft.finish(name, &observed.engine, OnFailure::Continue, Vec::new()))
}

/// Plans `pause`.
///
/// # Errors
/// A service that nobody knows.
pub fn pause(name: &str, project: Option<&Project>, observed: &Observed, options: &Select) -> Result<Plan, PlanError> {
    let fleet = Fleet::new(name, project, observed);
    let targets = fleet.targets(&options.services)?;
    let runs = |container: &ObservedContainer| container.state == ContainerState::Running;
    Ok(each(&fleet, observed, name, &targets, runs, |it| Action::PauseContainer { name: it.name.clone() }))
}

/// Plans `unpause`.
///
/// # Errors
/// A service that nobody knows.
pub fn unpause(name: &str, project: Option<&Project>, observed: &Observed, options: &Select) -> Result<Plan, PlanError> {
    let fleet = Fleet::new(name, project, observed);
    let targets = fleet.targets(&options.services)?;
    let frozen = |container: &ObservedContainer| container.state == ContainerState::Paused;
    Ok(each(&fleet, observed, name, &targets, frozen, |it| Action::UnpauseContainer { name: it.name.clone() }))
}

/// Plans `rm`: what does not run, or with `stop` all.
///
/// # Errors
/// A service that nobody knows.
pub fn rm(name: &str, project: Option<&Project>, observed: &Observed, options: &Remove) -> Result<Plan, PlanError> {
    let fleet = Fleet::new(name, project, observed);
    let targets = fleet.targets(&options.services)?;
    let mut draft = Draft::default();
    let select = Select::default();
    let stops = if options.stop {
        stop_in_order(&fleet, &mut draft, &targets, &select, &Reason::Requested)
    } else {
        BTreeMap::new()
    };
    for container in targets
        .iter()
        .flat_map(|service| fleet.replicas(service))
        .filter(|it| options.stop || !it.state.is_up())
    {
        let action = Action::RemoveContainer { name: container.name.clone(), volumes: options.volumes };
        let step = draft.add(action, Reason::Requested, []);
        if let Some(&stopped) = stops.get(&container.name) {
            draft.after_end(step, stopped);
        }
    }
    let plan = draft.finish(name, &observed.engine, OnFailure::Continue, Vec::new());
    match project.and_then(|project| foreign::check(project, observed, &plan)) {
        Some(problem) => Err(PlanError::one(problem)),
        None => Ok(plan),
    }
}

fn each(
    fleet: &Fleet<'_>,
    observed: &Observed,
    name: &str,
    targets: &BTreeSet<String>,
    applies: impl Fn(&ObservedContainer) -> bool,
    action: impl Fn(&ObservedContainer) -> Action,
) -> Plan {
    let mut draft = Draft::default();
    for container in targets.iter().flat_map(|service| fleet.replicas(service)).filter(|it| applies(it)) {
        draft.add(action(container), Reason::Requested, []);
    }
    draft.finish(name, &observed.engine, OnFailure::Continue, Vec::new())
}

/// Services of the file that should have a container.
fn expected(project: Option<&Project>) -> Vec<String> {
    let services = project.into_iter().flat_map(|project| project.services.values());
    let runs = |service: &&Service| service.provider.is_none() && service.replicas() > 0;
    services.map(AsRef::as_ref).filter(runs).map(|service| service.name.clone()).collect()
}

fn steps_have_run(fleet: &Fleet<'_>, targets: &BTreeSet<String>) -> Result<(), PlanError> {
    let wait = |service: &&String| {
        let steps = fleet.service(service).is_some_and(|it| !it.pre_start.is_empty());
        steps && fleet.replicas(service).any(|it| it.state == ContainerState::Created)
    };
    let problems: Vec<Problem> = targets
        .iter()
        .filter(wait)
        .map(|service| {
            let message = format!("`{service}` was never started, and its `pre_start` comes before that");
            let problem = Problem::new(ProblemKind::Invalid, format!("services.{service}.pre_start"), message);
            problem.hint(format!("`rcompose up {service}` runs it and then starts the service"))
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(PlanError { problems }) }
}

fn has_containers(fleet: &Fleet<'_>, named: &[String]) -> Result<(), PlanError> {
    let empty = named.iter().filter(|service| fleet.replicas(service).next().is_none());
    let problem = |service: &String| {
        let message = format!("service `{service}` has no container");
        Problem::new(ProblemKind::NoContainer, "", message).hint("`rcompose up` makes it")
    };
    let problems: Vec<Problem> = empty.map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(PlanError { problems }) }
}

/// Dependents first; returns the step that stops each container.
fn stop_in_order(
    fleet: &Fleet<'_>,
    draft: &mut Draft,
    targets: &BTreeSet<String>,
    options: &Select,
    because: &Reason,
) -> BTreeMap<ContainerName, Handle> {
    let mut stops: BTreeMap<ContainerName, Handle> = BTreeMap::new();
    for service in fleet.order().rev().filter(|name| targets.contains(*name)) {
        let dependents = fleet.dependents(service).filter(|(name, _)| *name != service);
        let before: Vec<Handle> = dependents
            .flat_map(|(name, _)| fleet.replicas(name))
            .filter_map(|it| stops.get(&it.name).copied())
            .collect();
        for container in fleet.replicas(service) {
            let Some(stopping) = stop_steps(draft, fleet.service(service), container, options.timeout, because) else {
                continue;
            };
            before.iter().for_each(|&handle| draft.after_end(stopping.first, handle));
            stops.insert(container.name.clone(), stopping.last);
        }
    }
    stops
}

/// Containers started in the order of the graph.
struct Starts<'f, 'a> {
    fleet: &'f Fleet<'a>,
    draft: Draft,
    stopped: BTreeMap<ContainerName, Handle>,
    started: BTreeMap<ContainerName, Handle>,
    awaits: BTreeMap<(ContainerName, bool), Handle>,
    /// A condition that does not come true holds up who waits for it.
    patient: bool,
}

impl<'f, 'a> Starts<'f, 'a> {
    fn new(fleet: &'f Fleet<'a>) -> Self {
        let (stopped, started, awaits) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { fleet, draft: Draft::default(), stopped, started, awaits, patient: true }
    }

    fn start(&mut self, targets: &BTreeSet<String>, applies: impl Fn(&ObservedContainer) -> bool, because: &Reason) {
        let order: Vec<String> = self.fleet.order().filter(|name| targets.contains(*name)).map(str::to_owned).collect();
        for service in order {
            let containers: Vec<&ObservedContainer> = self.fleet.replicas(&service).filter(|it| applies(it)).collect();
            if containers.is_empty() {
                continue;
            }
            let gates = self.gates(&service);
            for container in containers {
                self.start_one(&service, container, &gates, because);
            }
        }
    }

    fn start_one(&mut self, service: &str, container: &ObservedContainer, gates: &[Gate], because: &Reason) {
        let name = container.name.clone();
        let stopped = self.stopped.get(&name).copied();
        let action = if container.state == ContainerState::Paused && stopped.is_none() {
            Action::UnpauseContainer { name: name.clone() }
        } else {
            Action::StartContainer { name: name.clone() }
        };
        let mut last = self.draft.add(action, because.clone(), stopped);
        gates.iter().for_each(|gate| gate.hold(&mut self.draft, last));
        for hook in self.fleet.service(service).map(|it| it.post_start.as_slice()).unwrap_or_default() {
            let action = Action::RunHook { name: name.clone(), exec: Box::new(super::stop::exec(hook)) };
            last = self.draft.add(action, because.clone(), [last]);
        }
        self.started.insert(name, last);
    }

    /// Steps that must have succeeded, or ended, before a service starts.
    fn gates(&mut self, service: &str) -> Vec<Gate> {
        let dependencies: Vec<(String, Dependency)> =
            self.fleet.dependencies(service).map(|(name, it)| (name.to_owned(), it.clone())).collect();
        let mut gates = Vec::new();
        for (dependency, options) in dependencies {
            for container in self.fleet.replicas(&dependency) {
                let started = self.started.get(&container.name).copied();
                if started.is_none() && !self.patient {
                    continue;
                }
                let handle = match options.condition {
                    Wanted::Started => started,
                    Wanted::Healthy if started.is_none() && container.health == Some(HealthStatus::Healthy) => None,
                    Wanted::Completed if started.is_none() && container.state == (ContainerState::Exited { code: 0 }) => None,
                    Wanted::Healthy => Some(self.wait_for(container, Condition::Healthy, started, service)),
                    Wanted::Completed => Some(self.wait_for(container, Condition::CompletedSuccessfully, started, service)),
                };
                let required = options.required && self.patient;
                gates.extend(handle.map(|handle| Gate::new(&mut self.draft, handle, required, options.condition)));
            }
        }
        gates
    }

    fn wait_for(&mut self, container: &ObservedContainer, until: Condition, started: Option<Handle>, service: &str) -> Handle {
        let key = (container.name.clone(), until == Condition::Healthy);
        if let Some(&handle) = self.awaits.get(&key) {
            return handle;
        }
        let action = Action::Await { name: container.name.clone(), until, limit: None };
        let handle = self.draft.add(action, Reason::NeededBy(service.to_owned()), started);
        self.draft.optional(handle, true);
        self.awaits.insert(key, handle);
        handle
    }

    fn wait(&mut self, named: &BTreeSet<String>, limit: Option<std::time::Duration>) {
        for container in named.iter().flat_map(|service| self.fleet.replicas(service)) {
            let action = Action::Await { name: container.name.clone(), until: Condition::Ready, limit };
            let started = self.started.get(&container.name).copied();
            self.draft.add(action, Reason::Requested, started);
        }
    }
}

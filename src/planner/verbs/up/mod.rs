//! `up` and `create`: from what is there to what is wanted.

mod claims;
mod containers;
mod decide;
mod divergence;
mod gates;
mod networks;
mod oneoff;
mod orphans;
mod ports;
mod prestart;
mod starts;
mod stops;
mod unit;
mod volumes;

use std::collections::{BTreeMap, BTreeSet};

use rcompose_engine_adapter::{ContainerName, NetworkName, Observed, ObservedContainer, VolumeName};
use rcompose_spec::model::Project;

use crate::draft::{Draft, Handle};
use crate::graph::{DependencyGraph, graph};
use crate::lower::Lowering;
use crate::verbs::foreign;
use crate::{Condition, OnFailure, Plan, PlanError, Up, World, support};
use unit::Replicas;

/// Plans `up`: networks, volumes and containers made or replaced where they differ, and started in the order of the graph.
///
/// # Errors
/// Everything that stands against it, all at once.
pub fn up(project: &Project, observed: &Observed, world: &World, options: &Up) -> Result<Plan, PlanError> {
    Builder::new(project, observed, world, options)?.plan()
}

/// `up` under construction.
#[derive(Debug)]
pub(crate) struct Builder<'a> {
    project: &'a Project,
    observed: &'a Observed,
    /// Containers of the project's services, by service: no one-offs and no hooks.
    own: BTreeMap<&'a str, Vec<&'a ObservedContainer>>,
    options: &'a Up,
    graph: DependencyGraph,
    lowering: Lowering<'a>,
    draft: Draft,
    /// The service whose own containers stay as they are (`run`).
    left_out: Option<String>,
    /// Services named, or all.
    targets: BTreeSet<String>,
    /// What was decided, by service.
    services: BTreeMap<String, Replicas<'a>>,
    /// Steps after which a network is ready.
    networks: BTreeMap<NetworkName, Handle>,
    /// Networks that are made anew.
    replaced_networks: BTreeSet<NetworkName>,
    /// Steps after which a volume is ready.
    volumes: BTreeMap<VolumeName, Handle>,
    /// Steps that remove volumes to be made anew.
    volume_removals: BTreeMap<VolumeName, Handle>,
    /// Containers that go: the step after which they hold no port, and the one after which their name is free.
    going: BTreeMap<ContainerName, (Handle, Handle)>,
    /// Waiting steps, shared by all that wait for the same.
    awaits: BTreeMap<(ContainerName, &'static str), Handle>,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(project: &'a Project, observed: &'a Observed, world: &'a World, options: &'a Up) -> Result<Self, PlanError> {
        let graph = graph(project)?;
        let targets: BTreeSet<String> = if options.services.is_empty() {
            project.services.keys().cloned().collect()
        } else {
            options.services.iter().cloned().collect()
        };
        Ok(Self {
            project,
            observed,
            own: own(&project.name, observed),
            options,
            graph,
            lowering: Lowering::new(project, observed, world),
            draft: Draft::default(),
            left_out: None,
            targets,
            services: BTreeMap::new(),
            networks: BTreeMap::new(),
            replaced_networks: BTreeSet::new(),
            volumes: BTreeMap::new(),
            volume_removals: BTreeMap::new(),
            going: BTreeMap::new(),
            awaits: BTreeMap::new(),
        })
    }

    fn plan(mut self) -> Result<Plan, PlanError> {
        self.prepare();
        self.finish()
    }

    /// All steps; the caller may add its own before [`Self::finish`].
    pub(crate) fn prepare(&mut self) {
        support::check_project(&mut self.lowering);
        self.decide_volumes();
        self.decide_networks();
        self.observed_peers();
        self.decide_services();
        self.check_names();
        self.check_ports();
        self.check_volume_users();
        self.container_steps();
        self.mark_attached();
        self.stop_steps();
        self.excess_steps();
        self.orphans();
        self.network_steps();
        if self.options.start {
            self.start_steps();
            self.wait_steps();
        }
        self.claim();
    }

    pub(crate) fn finish(mut self) -> Result<Plan, PlanError> {
        let unchanged = self.services.values().flat_map(|it| &it.units).filter(|unit| unit.is_untouched());
        let unchanged: Vec<ContainerName> = unchanged.map(|unit| unit.name.clone()).collect();
        let notices = std::mem::take(&mut self.lowering.notices);
        let mut plan = self.draft.finish(&self.project.name, &self.observed.engine, OnFailure::Stop, notices);
        plan.unchanged = unchanged;
        if !self.options.adopt {
            self.lowering.problems.extend(foreign::check(self.project, self.observed, &plan));
        }
        if self.lowering.problems.is_empty() {
            Ok(plan)
        } else {
            Err(PlanError { problems: self.lowering.problems })
        }
    }

    /// Returns the services to plan, dependencies first.
    fn order(&self) -> Vec<String> {
        let wanted = |name: &&String| !self.options.no_deps || self.targets.contains(*name);
        let planned = |name: &&String| self.left_out.as_ref() != Some(*name);
        self.graph.order().iter().filter(wanted).filter(planned).cloned().collect()
    }

    /// Returns the step that waits for a container, the same one for all who wait for the same.
    fn wait_for(&mut self, name: &ContainerName, until: Condition, limit: Option<std::time::Duration>, because: crate::Reason) -> Handle {
        let key = (name.clone(), word(until));
        if let Some(&handle) = self.awaits.get(&key) {
            return handle;
        }
        let handle = self.draft.add(crate::Action::Await { name: name.clone(), until, limit }, because, []);
        self.draft.optional(handle, true);
        self.awaits.insert(key, handle);
        handle
    }
}

fn own<'a>(project: &str, observed: &'a Observed) -> BTreeMap<&'a str, Vec<&'a ObservedContainer>> {
    let mut own: BTreeMap<&str, Vec<&ObservedContainer>> = BTreeMap::new();
    for container in observed.containers.values() {
        let counts = container.project() == Some(project) && container.is_listed() && !container.is_oneoff();
        if let Some(service) = container.service().filter(|_| counts) {
            own.entry(service).or_default().push(container);
        }
    }
    own
}

fn word(condition: Condition) -> &'static str {
    match condition {
        Condition::Started => "started",
        Condition::Healthy => "healthy",
        Condition::CompletedSuccessfully => "completed",
        Condition::Ready => "ready",
        Condition::Ended => "ended",
    }
}

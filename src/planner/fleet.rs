//! What is there of a project, in the order of its graph: from the files where they are known, else from labels.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::toposort;
use petgraph::graph::DiGraph;
use rcompose_engine_adapter::{Observed, ObservedContainer, labels};
use rcompose_spec::model::{Condition, Dependency, Project, Service};

use crate::{PlanError, Problem, ProblemKind};

/// Containers by service, and what services depend on.
#[derive(Debug)]
pub(crate) struct Fleet<'a> {
    pub(crate) project: Option<&'a Project>,
    /// Every container of the project, by service; those without a service under an empty name.
    pub(crate) services: BTreeMap<String, Vec<&'a ObservedContainer>>,
    edges: BTreeMap<String, BTreeMap<String, Dependency>>,
    /// By service, what depends on it.
    reverse: BTreeMap<String, Vec<String>>,
    order: Vec<String>,
}

impl<'a> Fleet<'a> {
    pub(crate) fn new(name: &str, project: Option<&'a Project>, observed: &'a Observed) -> Self {
        let mut services: BTreeMap<String, Vec<&ObservedContainer>> = BTreeMap::new();
        for container in observed.containers.values().filter(|it| it.project() == Some(name)) {
            services.entry(container.service().unwrap_or_default().to_owned()).or_default().push(container);
        }
        for list in services.values_mut() {
            list.sort_by_key(|container| (container.number(), container.name.clone()));
        }
        let edges: BTreeMap<String, BTreeMap<String, Dependency>> = services
            .iter()
            .map(|(service, list)| (service.clone(), dependencies(project, service, list)))
            .collect();
        let order = order(&services, &edges);
        let mut reverse: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, dependencies) in &edges {
            for dependency in dependencies.keys() {
                reverse.entry(dependency.clone()).or_default().push(name.clone());
            }
        }
        Self { project, services, edges, reverse, order }
    }

    /// Returns the services, each after all it depends on.
    pub(crate) fn order(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.order.iter().map(String::as_str)
    }

    /// Returns what a service depends on, of what is there.
    pub(crate) fn dependencies(&self, service: &str) -> impl Iterator<Item = (&str, &Dependency)> {
        let edges = self.edges.get(service).into_iter().flatten();
        edges.filter(|(name, _)| self.services.contains_key(*name)).map(|(name, it)| (name.as_str(), it))
    }

    /// Returns what depends on a service, of what is there.
    pub(crate) fn dependents(&self, service: &str) -> impl Iterator<Item = (&str, &Dependency)> {
        let names = self.reverse.get(service).map(Vec::as_slice).unwrap_or_default();
        names.iter().filter_map(move |name| Some((name.as_str(), self.edges.get(name)?.get(service)?)))
    }

    /// Returns the service of the file, where there is one.
    pub(crate) fn service(&self, name: &str) -> Option<&'a Service> {
        self.project
            .and_then(|project| project.services.get(name).or_else(|| project.disabled.get(name)).map(AsRef::as_ref))
    }

    /// Returns a service's own containers: those of `run` left out, and those that no listing shows.
    pub(crate) fn replicas(&self, service: &str) -> impl Iterator<Item = &'a ObservedContainer> {
        let list = self.services.get(service).map(Vec::as_slice).unwrap_or_default();
        list.iter().copied().filter(|container| container.is_listed() && !container.is_oneoff())
    }

    /// Returns the services named, or all that are there and enabled; a name that nobody knows is an error.
    pub(crate) fn targets(&self, named: &[String]) -> Result<BTreeSet<String>, PlanError> {
        if named.is_empty() {
            let meant = |name: &&String| self.project.is_none_or(|project| project.services.contains_key(*name));
            return Ok(self.services.keys().filter(meant).cloned().collect());
        }
        let unknown = named.iter().filter(|name| self.service(name).is_none() && !self.services.contains_key(*name));
        let problems: Vec<Problem> = unknown
            .map(|name| Problem::new(ProblemKind::UnknownService, "", format!("no such service: {name}")))
            .collect();
        if problems.is_empty() {
            Ok(named.iter().cloned().collect())
        } else {
            Err(PlanError { problems })
        }
    }

    /// Tells whether a service is in the files, where there are any.
    pub(crate) fn is_of_file(&self, name: &str) -> bool {
        self.project.is_none() || self.service(name).is_some()
    }
}

fn dependencies(project: Option<&Project>, service: &str, containers: &[&ObservedContainer]) -> BTreeMap<String, Dependency> {
    let of_file = project.and_then(|project| project.services.get(service).or_else(|| project.disabled.get(service)));
    if let Some(service) = of_file {
        return service.depends_on.clone();
    }
    let label = containers.iter().find_map(|container| container.label(labels::DEPENDS_ON)).unwrap_or_default();
    label.split(',').filter(|entry| !entry.is_empty()).map(parse).collect()
}

/// `service:condition:restart`, of which early releases wrote the first alone.
fn parse(entry: &str) -> (String, Dependency) {
    let mut parts = entry.split(':');
    let name = parts.next().unwrap_or_default().to_owned();
    let condition = match parts.next() {
        Some("service_healthy") => Condition::Healthy,
        Some("service_completed_successfully") => Condition::Completed,
        Some(_) | None => Condition::Started,
    };
    let restart = parts.next() == Some("true");
    (name, Dependency { condition, restart, required: true })
}

/// Dependencies first; labels that lie in a circle are no order, so then it is by name.
fn order(services: &BTreeMap<String, Vec<&ObservedContainer>>, edges: &BTreeMap<String, BTreeMap<String, Dependency>>) -> Vec<String> {
    let mut graph: DiGraph<&String, ()> = DiGraph::new();
    let index: BTreeMap<&String, _> = services.keys().map(|name| (name, graph.add_node(name))).collect();
    for (name, dependencies) in edges {
        for dependency in dependencies.keys() {
            if let (Some(&from), Some(&to)) = (index.get(dependency), index.get(name)) {
                graph.add_edge(from, to, ());
            }
        }
    }
    match toposort(&graph, None) {
        Ok(order) => order.into_iter().map(|node| graph[node].clone()).collect(),
        Err(_) => services.keys().cloned().collect(),
    }
}

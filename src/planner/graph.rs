//! The dependency graph of services.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::Direction;
use petgraph::algo::{tarjan_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Dfs, EdgeRef, Reversed};
use rcompose_spec::model::{Dependency, Project};

use crate::{PlanError, Problem, ProblemKind};

/// Services and what they depend on; without circles.
#[derive(Debug, Clone)]
pub struct DependencyGraph {
    graph: DiGraph<String, Dependency>,
    index: BTreeMap<String, NodeIndex>,
    order: Vec<String>,
}

/// Makes the graph of the enabled services; a circle is an error that shows its path.
///
/// # Errors
/// [`ProblemKind::Cycle`], one for each circle.
pub fn graph(project: &Project) -> Result<DependencyGraph, PlanError> {
    let mut graph = DiGraph::new();
    let index: BTreeMap<String, NodeIndex> = project.services.keys().map(|name| (name.clone(), graph.add_node(name.clone()))).collect();
    for (name, service) in &project.services {
        for (dependency, options) in &service.depends_on {
            if let (Some(&from), Some(&to)) = (index.get(name), index.get(dependency)) {
                graph.add_edge(from, to, options.clone());
            }
        }
    }
    if toposort(&graph, None).is_err() {
        return Err(PlanError { problems: cycles(&graph) });
    }
    let order = order(&graph);
    Ok(DependencyGraph { graph, index, order })
}

impl DependencyGraph {
    /// Returns the services, each after all it depends on; where that leaves a choice, by name.
    pub fn order(&self) -> &[String] {
        &self.order
    }

    /// Returns what a service depends on, by name.
    pub fn dependencies(&self, service: &str) -> Vec<(&str, &Dependency)> {
        self.neighbours(service, Direction::Outgoing)
    }

    /// Returns what depends on a service, by name.
    pub fn dependents(&self, service: &str) -> Vec<(&str, &Dependency)> {
        self.neighbours(service, Direction::Incoming)
    }

    /// Returns the services and all they depend on, at any distance.
    pub fn with_dependencies(&self, services: &[String]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for &start in services.iter().filter_map(|name| self.index.get(name)) {
            let mut search = Dfs::new(&self.graph, start);
            while let Some(node) = search.next(&self.graph) {
                found.insert(self.graph[node].clone());
            }
        }
        found
    }

    /// Returns the services and all that depend on them, at any distance.
    pub fn with_dependents(&self, services: &[String]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let reversed = Reversed(&self.graph);
        for &start in services.iter().filter_map(|name| self.index.get(name)) {
            let mut search = Dfs::new(reversed, start);
            while let Some(node) = search.next(reversed) {
                found.insert(self.graph[node].clone());
            }
        }
        found
    }

    fn neighbours(&self, service: &str, direction: Direction) -> Vec<(&str, &Dependency)> {
        let Some(&node) = self.index.get(service) else { return Vec::new() };
        let other = |edge: &petgraph::graph::EdgeReference<'_, Dependency>| match direction {
            Direction::Outgoing => edge.target(),
            Direction::Incoming => edge.source(),
        };
        let edges = self.graph.edges_directed(node, direction);
        let mut all: Vec<(&str, &Dependency)> = edges.map(|edge| (self.graph[other(&edge)].as_str(), edge.weight())).collect();
        all.sort_by_key(|(name, _)| *name);
        all
    }
}

/// Takes, again and again, the first service by name whose dependencies are all taken.
fn order(graph: &DiGraph<String, Dependency>) -> Vec<String> {
    let mut open: BTreeMap<NodeIndex, usize> = graph
        .node_indices()
        .map(|node| (node, graph.edges_directed(node, Direction::Outgoing).count()))
        .collect();
    let mut ready: BTreeSet<(&str, NodeIndex)> = open
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(&node, _)| (graph[node].as_str(), node))
        .collect();
    let mut all = Vec::with_capacity(graph.node_count());
    while let Some((name, node)) = ready.pop_first() {
        all.push(name.to_owned());
        for dependent in graph.neighbors_directed(node, Direction::Incoming) {
            if let Some(count) = open.get_mut(&dependent) {
                *count -= 1;
                if *count == 0 {
                    ready.insert((graph[dependent].as_str(), dependent));
                }
            }
        }
    }
    all
}

fn cycles(graph: &DiGraph<String, Dependency>) -> Vec<Problem> {
    let mut all: Vec<Vec<String>> = tarjan_scc(graph).into_iter().filter_map(|members| circle(graph, &members)).collect();
    all.sort();
    all.into_iter().map(|path| problem(&path)).collect()
}

/// Walks one circle within a strongly connected component, starting at its first service by name.
fn circle(graph: &DiGraph<String, Dependency>, members: &[NodeIndex]) -> Option<Vec<String>> {
    let inside: BTreeSet<NodeIndex> = members.iter().copied().collect();
    let start = *members.iter().min_by_key(|node| &graph[**node])?;
    if members.len() == 1 && !graph.contains_edge(start, start) {
        return None;
    }
    // Shortest way back to the start, breadth first, so that the path shown has no detour.
    let mut before: BTreeMap<NodeIndex, NodeIndex> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        let mut next: Vec<NodeIndex> = graph.neighbors(node).filter(|it| inside.contains(it)).collect();
        next.sort_by_key(|it| &graph[*it]);
        for neighbour in next {
            if neighbour == start {
                let mut path = vec![graph[start].clone()];
                let mut at = node;
                while at != start {
                    path.push(graph[at].clone());
                    at = *before.get(&at)?;
                }
                path.push(graph[start].clone());
                path.reverse();
                return Some(path);
            }
            if let std::collections::btree_map::Entry::Vacant(place) = before.entry(neighbour) {
                place.insert(node);
                queue.push_back(neighbour);
            }
        }
    }
    None
}

fn problem(path: &[String]) -> Problem {
    let from = path.first().map_or("", String::as_str);
    let to = path.get(1).map_or("", String::as_str);
    let message = format!("services depend on each other in a circle: {}", path.join(" → "));
    Problem::new(ProblemKind::Cycle, format!("services.{from}.depends_on.{to}"), message).hint("take one of these dependencies out")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcompose_spec::model::Service;

    fn project(edges: &[(&str, &[&str])]) -> Project {
        let service = |name: &str, dependencies: &[&str]| Service {
            name: name.into(),
            depends_on: dependencies.iter().map(|&it| (it.to_owned(), Dependency::default())).collect(),
            ..Service::default()
        };
        Project {
            services: edges.iter().map(|(name, to)| ((*name).into(), Box::new(service(name, to)))).collect(),
            ..Project::default()
        }
    }

    #[test]
    fn order_is_dependencies_first_then_by_name() {
        let graph = graph(&project(&[("web", &["db", "cache"]), ("db", &[]), ("cache", &[]), ("admin", &["db"])])).unwrap();
        assert_eq!(graph.order(), ["cache", "db", "admin", "web"]);
        assert_eq!(graph.with_dependencies(&["admin".into()]).into_iter().collect::<Vec<_>>(), ["admin", "db"]);
        assert_eq!(graph.with_dependents(&["db".into()]).into_iter().collect::<Vec<_>>(), ["admin", "db", "web"]);
    }

    #[test]
    fn a_circle_is_shown_as_a_path() {
        let error = graph(&project(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("d", &["a"])])).unwrap_err();
        assert_eq!(error.problems[0].path, "services.a.depends_on.b");
        assert_eq!(error.to_string(), "services depend on each other in a circle: a → b → c → a");
        let own = graph(&project(&[("a", &["a"])])).unwrap_err();
        assert_eq!(own.to_string(), "services depend on each other in a circle: a → a");
    }
}

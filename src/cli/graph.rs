//! Pictures of the dependency graph.

mod layout;
mod svg;
mod text;

use rcompose_planner::DependencyGraph;
use rcompose_spec::model::{Condition, Project};

pub(crate) use svg::svg;
pub(crate) use text::{dot, json, mermaid, tree};

/// What is drawn: services, each after all it depends on, and who waits for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    /// The project.
    pub(crate) project: String,
    /// The services.
    pub(crate) nodes: Vec<Node>,
    /// Who waits for whom.
    pub(crate) edges: Vec<Edge>,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its name.
    pub(crate) name: String,
    /// Its image, or that it is built.
    pub(crate) image: String,
    /// How many containers.
    pub(crate) replicas: i64,
    /// Ports of the host.
    pub(crate) ports: Vec<String>,
}

/// A service waits for another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edge {
    /// Place of the one that waits.
    pub(crate) from: usize,
    /// Place of the one waited for.
    pub(crate) to: usize,
    /// For what.
    pub(crate) condition: Condition,
    /// It is restarted with it.
    pub(crate) restart: bool,
    /// Its absence is an error.
    pub(crate) required: bool,
}

impl Picture {
    /// Draws the services of a project.
    pub(crate) fn of(project: &Project, graph: &DependencyGraph) -> Self {
        let order = graph.order();
        let place = |name: &str| order.iter().position(|it| it == name);
        let nodes = order.iter().filter_map(|name| project.services.get(name)).map(|service| node(service)).collect();
        let edges = order.iter().enumerate().flat_map(|(from, name)| {
            graph.dependencies(name).into_iter().filter_map(move |(to, dependency)| {
                Some(Edge {
                    from,
                    to: place(to)?,
                    condition: dependency.condition,
                    restart: dependency.restart,
                    required: dependency.required,
                })
            })
        });
        Self { project: project.name.clone(), edges: edges.collect(), nodes }
    }

    /// Returns what a service waits for.
    pub(crate) fn dependencies(&self, from: usize) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.from == from)
    }

    /// Tells whether nothing waits for a service.
    pub(crate) fn is_top(&self, place: usize) -> bool {
        self.edges.iter().all(|edge| edge.to != place)
    }
}

impl Edge {
    /// Returns the words beside the edge.
    pub(crate) fn label(&self) -> String {
        let mut words = vec![match self.condition {
            Condition::Started => "started",
            Condition::Healthy => "healthy",
            Condition::Completed => "completed",
        }];
        if self.restart {
            words.push("restart");
        }
        if !self.required {
            words.push("optional");
        }
        words.join(", ")
    }
}

fn node(service: &rcompose_spec::model::Service) -> Node {
    let image = if service.image.is_empty() && service.build.is_some() {
        "built".to_owned()
    } else {
        service.image.clone()
    };
    let ports = service
        .ports
        .iter()
        .filter(|port| !port.published.is_empty())
        .map(|port| format!("{}:{}", port.published, port.target));
    Node { name: service.name.clone(), image, replicas: service.replicas(), ports: ports.collect() }
}

#[cfg(test)]
pub(crate) mod tests {
    use rcompose_spec::model::Port;

    use super::*;
    use crate::style::Paint;

    /// A shop: web waits for db, cache and a migration; db is shared; a mail service stands alone.
    pub(crate) fn picture() -> Picture {
        use rcompose_spec::model::{Dependency, Service};
        let mut project = Project { name: "shop".into(), ..Project::default() };
        let mut add = |name: &str, depends: &[(&str, Condition, bool)]| {
            let depends_on = depends
                .iter()
                .map(|(on, condition, required)| {
                    ((*on).into(), Dependency { condition: *condition, restart: *on == "db", required: *required })
                })
                .collect();
            let service = Service { name: name.into(), image: format!("{name}:1"), depends_on, ..Service::default() };
            project.services.insert(name.into(), Box::new(service));
        };
        add("db", &[]);
        add("cache", &[]);
        add("migrate", &[("db", Condition::Healthy, true)]);
        add(
            "web",
            &[
                ("cache", Condition::Started, false),
                ("db", Condition::Healthy, true),
                ("migrate", Condition::Completed, true),
            ],
        );
        add("mail", &[]);
        add("proxy", &[("web", Condition::Started, true)]);
        if let Some(web) = project.services.get_mut("proxy") {
            web.ports.push(Port { target: 80, published: "8080".into(), ..Port::default() });
            web.scale = Some(2);
        }
        let graph = rcompose_planner::graph(&project).unwrap();
        Picture::of(&project, &graph)
    }

    #[test]
    fn every_form_shows_the_same_graph() {
        insta::assert_snapshot!("tree", tree(&picture(), Paint::default()));
        insta::assert_snapshot!("mermaid", mermaid(&picture()));
        insta::assert_snapshot!("dot", dot(&picture()));
        insta::assert_snapshot!("json", json(&picture()));
        insta::assert_snapshot!("svg", svg(&picture()));
    }

    #[test]
    fn no_service_is_no_error() {
        let empty = Picture { project: "empty".into(), nodes: Vec::new(), edges: Vec::new() };
        for text in [tree(&empty, Paint::default()), mermaid(&empty), dot(&empty), json(&empty), svg(&empty)] {
            assert!(!text.is_empty());
        }
    }
}

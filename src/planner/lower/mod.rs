//! From one service to the spec of one container: pure, field by field.

mod build;
mod container;
mod devices;
mod files;
mod hash;
mod hook;
mod mounts;
mod namespaces;
mod network;
mod objects;
mod ports;
mod process;
mod resources;
mod restart;
mod strangers;

use std::collections::{BTreeMap, BTreeSet};

use rcompose_engine_adapter::{ContainerName, Observed};
use rcompose_spec::model::Project;

use crate::{Notice, Problem, ProblemKind, World};

pub(crate) use build::{build_spec, is_remote};
pub(crate) use container::{Instance, container};
pub(crate) use hash::inputs_differ;
pub(crate) use hook::{hook_images, job};
pub(crate) use mounts::anonymous;
pub(crate) use namespaces::{borrowed_services, made_first, outside};
pub(crate) use objects::{network, volume};
pub(crate) use ports::host_ports;

/// What lowering reads, and where it collects what stands against it.
#[derive(Debug)]
pub(crate) struct Lowering<'a> {
    pub(crate) project: &'a Project,
    pub(crate) observed: &'a Observed,
    pub(crate) world: &'a World,
    /// The containers each service will have, lowest number first: what references to a service mean.
    pub(crate) peers: BTreeMap<String, Vec<ContainerName>>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) notices: Vec<Notice>,
    said: BTreeSet<(String, String)>,
}

impl<'a> Lowering<'a> {
    pub(crate) fn new(project: &'a Project, observed: &'a Observed, world: &'a World) -> Self {
        Self {
            project,
            observed,
            world,
            peers: BTreeMap::new(),
            problems: Vec::new(),
            notices: Vec::new(),
            said: BTreeSet::new(),
        }
    }

    /// Returns the first container of a service, which `service:X` means.
    pub(crate) fn first(&self, service: &str) -> Option<ContainerName> {
        self.peers.get(service).and_then(|names| names.first()).cloned()
    }

    /// Collects a problem, once however many replicas have it.
    pub(crate) fn problem(&mut self, problem: Problem) {
        if self.said.insert((problem.path.clone(), problem.message.clone())) {
            self.problems.push(problem);
        }
    }

    pub(crate) fn invalid(&mut self, path: String, message: String) {
        self.problem(Problem::new(ProblemKind::Invalid, path, message));
    }

    /// Says that something has no effect: a notice, or under `strict` what stands against the plan.
    pub(crate) fn unheeded(&mut self, path: String, message: String) {
        if self.world.strict {
            self.problem(Problem::new(ProblemKind::Unsupported, path, message).hint("take it out, or leave `--strict` out"));
        } else {
            self.notice(path, message, None);
        }
    }

    /// Collects a notice, once however many replicas have it.
    pub(crate) fn notice(&mut self, path: String, message: String, hint: Option<&str>) {
        if self.said.insert((path.clone(), message.clone())) {
            self.notices.push(Notice { path, message, hint: hint.map(str::to_owned) });
        }
    }
}

/// `None` for an empty text, which in the model means: not set.
fn set(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

//! Containers of other projects that a service refers to.

use rcompose_spec::model::Service;

use super::{Lowering, outside};
use crate::{Problem, ProblemKind};

/// Containers of other projects that are referred to must be there.
pub(super) fn check(lowering: &mut Lowering<'_>, service: &Service) {
    for (attribute, name) in outside(service) {
        if !lowering.observed.containers.contains_key(&name.into()) {
            let message = format!("container `{name}`, which `{}` refers to, is not there", service.name);
            let problem = Problem::new(ProblemKind::ExternalMissing, format!("services.{}.{attribute}", service.name), message);
            lowering.problem(problem.hint("start it first, or correct its name"));
        }
    }
}

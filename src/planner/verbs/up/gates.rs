//! What must hold before a service starts: the conditions of `depends_on`.

use rcompose_engine_adapter::{ContainerState, HealthStatus, Test};
use rcompose_spec::model::{Condition as Wanted, Dependency};

use super::Builder;
use super::unit::Unit;
use crate::draft::Handle;
use crate::gate::Gate;
use crate::{Condition, Problem, ProblemKind, Reason};

impl Builder<'_> {
    pub(super) fn gates(&mut self, service: &str) -> Vec<Gate> {
        let dependencies: Vec<(String, Dependency)> = self
            .graph
            .dependencies(service)
            .into_iter()
            .map(|(name, it)| (name.to_owned(), it.clone()))
            .collect();
        let mut gates = Vec::new();
        for (name, dependency) in dependencies {
            let Some(replicas) = self.services.remove(&name) else { continue };
            for unit in &replicas.units {
                let gate = match dependency.condition {
                    Wanted::Started => unit.started,
                    Wanted::Healthy => {
                        self.check_healthcheck(service, &name, unit);
                        self.gate(service, unit, Condition::Healthy)
                    }
                    Wanted::Completed => self.gate(service, unit, Condition::CompletedSuccessfully),
                };
                let Some(handle) = gate else { continue };
                gates.push(Gate::new(&mut self.draft, handle, dependency.required, dependency.condition));
            }
            self.services.insert(name, replicas);
        }
        gates
    }

    fn gate(&mut self, service: &str, unit: &Unit<'_>, until: Condition) -> Option<Handle> {
        if holds(unit, until) {
            return None;
        }
        let handle = self.wait_for(&unit.name, until, None, Reason::NeededBy(service.to_owned()));
        if let Some(started) = unit.started {
            self.draft.after(handle, started);
        }
        Some(handle)
    }

    /// A dependency that can never become healthy is said before anything starts.
    fn check_healthcheck(&mut self, service: &str, dependency: &str, unit: &Unit<'_>) {
        let image = self.observed.images.get(&unit.spec.image);
        let inherited = image.map(|it| it.config.healthcheck.as_ref().and_then(|check| check.test.clone()));
        let own = unit.spec.healthcheck.as_ref().and_then(|check| check.test.clone());
        let test = match (own, inherited) {
            (Some(test), _) => Some(test),
            (None, Some(inherited)) => inherited,
            // The image is not there yet, so nobody knows.
            (None, None) => return,
        };
        if matches!(test, None | Some(Test::None)) {
            let path = format!("services.{service}.depends_on.{dependency}");
            let message = format!("`{service}` waits for `{dependency}` to be healthy, but `{dependency}` has no healthcheck");
            let problem = Problem::new(ProblemKind::Invalid, path, message);
            self.lowering
                .problem(problem.hint(format!("give `{dependency}` a healthcheck, or wait for service_started")));
        }
    }
}

fn holds(unit: &Unit<'_>, until: Condition) -> bool {
    let Some(container) = unit.existing.filter(|_| unit.is_untouched()) else {
        return false;
    };
    match until {
        Condition::Healthy => container.health == Some(HealthStatus::Healthy),
        Condition::CompletedSuccessfully => container.state == ContainerState::Exited { code: 0 },
        Condition::Started | Condition::Ready | Condition::Ended => false,
    }
}

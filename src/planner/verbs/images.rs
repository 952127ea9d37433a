//! The round that brings images: pulled or built, before anything else is planned.

use std::collections::BTreeMap;

use rcompose_engine_adapter::{ImageReference, Observed, PullPolicy, PullSpec};
use rcompose_spec::model::{Project, Service, VolumeKind};

use crate::draft::Draft;
use crate::lower::{Lowering, build_spec, hook_images};
use crate::{Action, Build, ImageOptions, OnFailure, Plan, PlanError, Problem, ProblemKind, Reason, World, identity, support};

/// Plans what brings the images that services need.
///
/// # Errors
/// An image that is not there and may not be brought, or a build that the engine cannot do.
pub fn images(project: &Project, observed: &Observed, world: &World, options: &ImageOptions) -> Result<Plan, PlanError> {
    let mut round = Round {
        project,
        observed,
        world,
        options,
        lowering: Lowering::new(project, observed, world),
        wanted: BTreeMap::new(),
    };
    let services: Vec<&Service> = project.services.values().map(AsRef::as_ref).filter(|service| round.takes_part(service)).collect();
    // What is built is not pulled for another service that runs the same image.
    for service in services.iter().filter(|service| service.build.is_some()) {
        round.built(service);
    }
    for service in &services {
        if service.build.is_none() {
            round.pulled(identity::image(project, service, world), service);
        }
        for image in hook_images(service) {
            round.pulled(image, service);
        }
        round.mounted(service);
    }
    round.finish()
}

struct Round<'a> {
    project: &'a Project,
    observed: &'a Observed,
    world: &'a World,
    options: &'a ImageOptions,
    lowering: Lowering<'a>,
    wanted: BTreeMap<ImageReference, Option<(Action, Reason)>>,
}

impl Round<'_> {
    fn takes_part(&self, service: &Service) -> bool {
        let named = self.options.services.is_empty() || self.options.services.contains(&service.name);
        let replicas = self.options.scale.get(&service.name).map_or(service.replicas(), |&count| i64::from(count));
        named && service.provider.is_none() && (replicas > 0 || self.options.build == Build::Always)
    }

    fn built(&mut self, service: &Service) {
        let image = identity::image(self.project, service, self.world);
        if self.wanted.contains_key(&image) {
            return;
        }
        let there = self.observed.images.contains_key(&image);
        let policy = self.policy(service);
        let step = match (self.options.build, policy) {
            (Build::Always, _) | (Build::Missing, Some(PullPolicy::Build)) => self.build(service, Reason::Requested),
            (_, Some(PullPolicy::Always)) if !service.image.is_empty() && !self.options.ignore_buildable => {
                self.pull(&image, service, Reason::Requested)
            }
            _ if there => None,
            (Build::Missing, _) => self.build(service, Reason::Missing),
            (Build::Never, _) => {
                let message = format!("the image of `{}` is not there, and building it was forbidden", service.name);
                let problem = Problem::new(ProblemKind::Invalid, format!("services.{}.build", service.name), message);
                self.lowering
                    .problem(problem.hint("leave `--no-build` out, or build it first with `rcompose build`"));
                None
            }
        };
        self.wanted.insert(image, step);
    }

    fn build(&mut self, service: &Service, because: Reason) -> Option<(Action, Reason)> {
        support::check_builds(&mut self.lowering, service);
        let spec = build_spec(self.project, service, self.world, &self.options.build_options)?;
        self.lowering.check_context(service, &spec);
        Some((Action::BuildImage(Box::new(spec)), because))
    }

    /// What is not built: a service's image, and those of its hooks.
    fn pulled(&mut self, image: ImageReference, service: &Service) {
        if self.wanted.contains_key(&image) {
            return;
        }
        let found = self.observed.images.get(&image);
        let step = match (self.policy(service).unwrap_or(PullPolicy::Missing), found) {
            (PullPolicy::Always, _) => self.pull(&image, service, Reason::Requested),
            (PullPolicy::Missing, None) | (PullPolicy::OlderThan { .. }, None) => self.pull(&image, service, Reason::Missing),
            (PullPolicy::OlderThan { seconds }, Some(found)) => {
                let age = found.pulled.map_or(i64::MAX, |pulled| self.world.now.saturating_sub(pulled));
                let old = u64::try_from(age).unwrap_or(0) > seconds;
                if old { self.pull(&image, service, Reason::Requested) } else { None }
            }
            // What a hook runs is not what its service builds.
            (PullPolicy::Build, None) if service.build.is_some() => self.pull(&image, service, Reason::Missing),
            (PullPolicy::Never | PullPolicy::Build, None) => {
                let message = format!("image `{image}` of `{}` is not there, and its policy forbids pulling it", service.name);
                let problem = Problem::new(ProblemKind::Invalid, format!("services.{}.image", service.name), message);
                self.lowering.problem(problem.hint("set `pull_policy: missing`, or bring the image yourself"));
                None
            }
            (PullPolicy::Missing | PullPolicy::Never | PullPolicy::Build, Some(_)) => None,
        };
        self.wanted.insert(image, step);
    }

    /// Images that are mounted.
    fn mounted(&mut self, service: &Service) {
        for volume in service.volumes.iter().filter(|volume| volume.kind == VolumeKind::Image) {
            let image = ImageReference::from(volume.source.as_str());
            if !self.wanted.contains_key(&image) && !self.observed.images.contains_key(&image) {
                let step = self.pull(&image, service, Reason::Missing);
                self.wanted.insert(image, step);
            }
        }
    }

    fn pull(&self, image: &ImageReference, service: &Service, because: Reason) -> Option<(Action, Reason)> {
        let platform = (!service.platform.is_empty()).then(|| service.platform.clone());
        Some((Action::PullImage(PullSpec { image: image.clone(), platform }), because))
    }

    fn policy(&mut self, service: &Service) -> Option<PullPolicy> {
        if self.options.pull.is_some() {
            return self.options.pull;
        }
        match parse(&service.pull_policy) {
            Ok(policy) => policy,
            Err(()) => {
                let message = format!("`{}` is no pull policy", service.pull_policy);
                let path = format!("services.{}.pull_policy", service.name);
                let problem = Problem::new(ProblemKind::Invalid, path, message);
                self.lowering
                    .problem(problem.hint("use always, missing, never, build, daily, weekly or every_<duration>"));
                None
            }
        }
    }

    fn finish(self) -> Result<Plan, PlanError> {
        if !self.lowering.problems.is_empty() {
            return Err(PlanError { problems: self.lowering.problems });
        }
        let mut draft = Draft::default();
        for (action, because) in self.wanted.into_values().flatten() {
            let pull = matches!(action, Action::PullImage(_));
            let step = draft.add(action, because, []);
            draft.optional(step, pull && self.options.ignore_pull_failures);
        }
        let on_failure = if self.options.ignore_pull_failures {
            OnFailure::Continue
        } else {
            OnFailure::Stop
        };
        Ok(draft.finish(&self.project.name, &self.observed.engine, on_failure, self.lowering.notices))
    }
}

fn parse(text: &str) -> Result<Option<PullPolicy>, ()> {
    let day = 86_400;
    Ok(Some(match text {
        "" => return Ok(None),
        "always" | "refresh" => PullPolicy::Always,
        "never" => PullPolicy::Never,
        "missing" | "if_not_present" => PullPolicy::Missing,
        "build" => PullPolicy::Build,
        "daily" => PullPolicy::OlderThan { seconds: day },
        "weekly" => PullPolicy::OlderThan { seconds: 7 * day },
        other => PullPolicy::OlderThan { seconds: every(other).ok_or(())? },
    }))
}

/// `every_` and numbers with the units w, d, h, m, s.
fn every(text: &str) -> Option<u64> {
    let mut rest = text.strip_prefix("every_")?;
    let mut seconds: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|it: char| !it.is_ascii_digit())?;
        let unit = match rest.get(digits..=digits)? {
            "w" => 7 * 86_400,
            "d" => 86_400,
            "h" => 3_600,
            "m" => 60,
            "s" => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(rest.get(..digits)?.parse::<u64>().ok()?.checked_mul(unit)?)?;
        rest = rest.get(digits + 1..)?;
    }
    (seconds > 0).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read() {
        assert_eq!(parse("every_1d12h"), Ok(Some(PullPolicy::OlderThan { seconds: 129_600 })));
        assert_eq!(parse("if_not_present"), Ok(Some(PullPolicy::Missing)));
        assert_eq!(parse("every_"), Err(()));
        assert_eq!(parse("sometimes"), Err(()));
    }
}

//! Checks across attributes and services.

mod cycle;
mod references;

use std::collections::BTreeSet;

use crate::error::{Code, Finding};
use crate::findings::Findings;
use crate::model::{Project, Service, WatchAction};
use crate::span::Origins;

/// Checks every enabled service.
pub(crate) fn check(project: &Project, origins: &Origins, findings: &mut Findings) {
    let mut checker = Checker { project, origins, findings };
    project.services.values().for_each(|service| checker.service(service));
    checker.container_names();
    checker.cycles();
}

/// Checks the services of these names, each by itself, and what waits for them in a circle.
pub(crate) fn check_only(project: &Project, origins: &Origins, names: &BTreeSet<String>, findings: &mut Findings) {
    let mut checker = Checker { project, origins, findings };
    let chosen = project.services.values().filter(|service| names.contains(&service.name));
    chosen.for_each(|service| checker.service(service));
    checker.cycles();
}

struct Checker<'a> {
    project: &'a Project,
    origins: &'a Origins,
    findings: &'a mut Findings,
}

impl Checker<'_> {
    fn service(&mut self, service: &Service) {
        self.sources(service);
        self.build(service);
        self.references(service);
        self.limits(service);
        self.scale(service);
        self.details(service);
    }

    fn error(&mut self, path: String, error: Finding) {
        let error = match self.origins.get(&path) {
            Some(span) => error.at(span),
            None => error,
        };
        self.findings.error(error.path(path));
    }

    fn sources(&mut self, service: &Service) {
        if service.image.is_empty() && service.build.is_none() && service.provider.is_none() {
            let name = &service.name;
            let message = format!("service \"{name}\" has neither an image nor a build context specified");
            let error = Finding::new(Code::MissingKey, message).path(format!("services.{name}"));
            let image = format!("services.{name}.image");
            let written = self.origins.root().and_then(|root| root.get("services")?.get(name)?.get("image"));
            let error = match self.origins.get(&image).filter(|_| written.is_some()) {
                Some(span) if self.findings.is_blanked(span) => error
                    .at(span)
                    .label("blank, as its variable is not set")
                    .hint("set it in the environment or in .env, or give a default as in ${NAME:-nginx}"),
                Some(span) => error.at(span).label("blank").hint("write `image: NAME` or `build: FOLDER`"),
                None => return self.error(format!("services.{name}"), error.hint("add `image: NAME` or `build: FOLDER`")),
            };
            self.findings.error(error);
        }
        if !service.network_mode.is_empty() && !service.networks.is_empty() {
            let name = &service.name;
            let message = format!("service {name} declares mutually exclusive `network_mode` and `networks`");
            let error = Finding::new(Code::Conflict, message).hint("keep one of the two");
            self.error(format!("services.{name}.network_mode"), error);
        }
    }

    fn build(&mut self, service: &Service) {
        let Some(build) = &service.build else { return };
        let name = &service.name;
        if !build.dockerfile.is_empty() && !build.dockerfile_inline.is_empty() {
            let message = format!("service \"{name}\" declares mutually exclusive dockerfile and dockerfile_inline");
            let error = Finding::new(Code::Conflict, message).hint("keep one of the two");
            self.error(format!("services.{name}.build.dockerfile_inline"), error);
        }
        let platform = &service.platform;
        if !platform.is_empty() && !build.platforms.is_empty() && !build.platforms.contains(platform) {
            let message = format!("service.build.platforms must include service.platform \"{platform}\"");
            let error = Finding::new(Code::Conflict, message).hint(format!("add {platform} to `build.platforms`"));
            self.error(format!("services.{name}.build.platforms"), error);
        }
        for (key, value) in &build.additional_contexts {
            let Some(other) = value.strip_prefix("service:") else {
                continue;
            };
            let known = self.project.services.get(other).or_else(|| self.project.disabled.get(other));
            let problem = match known {
                None => "unknown",
                Some(known) if known.build.is_none() => "non-buildable",
                Some(_) => continue,
            };
            let message = format!("service \"{name}\" declares {problem} service \"{other}\" as additional contexts {key}");
            let error = Finding::new(Code::Undefined, message).hint("a context can be a service with `build`");
            self.error(format!("services.{name}.build.additional_contexts.{key}"), error);
        }
    }

    /// Limits may be said in two places, but not differently.
    fn limits(&mut self, service: &Service) {
        let Some(deploy) = &service.deploy else { return };
        let limits = deploy.resources.limits.as_ref();
        let reservations = deploy.resources.reservations.as_ref();
        // As in docker compose, a block that leaves the value out says something else too.
        let differ = |old: f64, new: Option<f64>| old != 0.0 && new.is_some_and(|new| (new - old).abs() > 1e-6);
        #[expect(clippy::cast_precision_loss, reason = "only compared for difference")]
        let pairs = [
            ("cpus", "limits.cpus", f64::from(service.cpus.0), limits.map(|r| f64::from(r.cpus.0))),
            ("mem_limit", "limits.memory", service.mem_limit.0 as f64, limits.map(|r| r.memory.0 as f64)),
            (
                "mem_reservation",
                "reservations.memory",
                service.mem_reservation.0 as f64,
                reservations.map(|r| r.memory.0 as f64),
            ),
            ("pids_limit", "limits.pids", service.pids_limit as f64, limits.map(|r| r.pids as f64)),
        ];
        for (old, new, value, other) in pairs {
            if differ(value, other) {
                self.distinct(&service.name, old, &format!("resources.{new}"));
            }
        }
        if let (Some(scale), Some(replicas)) = (service.scale, deploy.replicas)
            && scale != replicas
        {
            self.distinct(&service.name, "scale", "replicas");
        }
    }

    fn distinct(&mut self, name: &str, old: &str, new: &str) {
        let path = format!("services.{name}.{old}");
        let other = format!("services.{name}.deploy.{new}");
        let mut error =
            Finding::new(Code::Conflict, format!("can't set distinct values on '{old}' and 'deploy.{new}'")).hint("keep one of the two");
        if let Some(span) = self.origins.get(&other) {
            error = error.note(span, "said differently here");
        }
        self.error(path, error);
    }

    fn scale(&mut self, service: &Service) {
        let name = &service.name;
        if service.replicas() < 0 {
            let path = match service.scale {
                Some(_) => format!("services.{name}.scale"),
                None => format!("services.{name}.deploy.replicas"),
            };
            let error = Finding::new(Code::InvalidValue, "must be greater than or equal to 0");
            self.error(path, error);
        }
        if !service.container_name.is_empty() && service.replicas() > 1 {
            let message = format!(
                "can't set container_name and several containers for {name} as container name must be unique (services.deploy.replicas)"
            );
            let error = Finding::new(Code::Conflict, message).hint("remove `container_name`, or run one container");
            self.error(format!("services.{name}.container_name"), error);
        }
    }

    fn details(&mut self, service: &Service) {
        let name = &service.name;
        if let Some(first) = service.healthcheck.as_ref().and_then(|health| health.test.first())
            && !matches!(first.as_str(), "CMD" | "CMD-SHELL" | "NONE")
        {
            let message = "healthcheck.test must start either by \"CMD\", \"CMD-SHELL\" or \"NONE\"";
            let error = Finding::new(Code::InvalidValue, message)
                .hint(format!("write [\"CMD\", \"{first}\", …], or the whole command as one string"));
            self.error(format!("services.{name}.healthcheck.test[0]"), error);
        }
        let watches = service.develop.as_ref().map_or(&[][..], |develop| &develop.watch);
        for (index, watch) in watches.iter().enumerate() {
            let needs_target = match watch.action {
                WatchAction::Sync | WatchAction::SyncRestart | WatchAction::SyncExec => true,
                WatchAction::Rebuild | WatchAction::Restart => false,
            };
            if needs_target && watch.target.is_empty() {
                let message = "target is required for non-rebuild actions";
                let error = Finding::new(Code::MissingKey, message).hint("`target` is the path inside the container");
                self.error(format!("services.{name}.develop.watch[{index}]"), error);
            }
        }
    }

    fn container_names(&mut self) {
        let mut seen: std::collections::BTreeMap<&str, &str> = std::collections::BTreeMap::new();
        for (name, service) in &self.project.services {
            if service.container_name.is_empty() {
                continue;
            }
            let Some(first) = seen.insert(&service.container_name, name) else {
                continue;
            };
            let message = format!("container name \"{}\" is already in use by services.{first}", service.container_name);
            let mut error =
                Finding::new(Code::Conflict, message).hint("every container needs a name of its own; without `container_name` it gets one");
            if let Some(span) = self.origins.get(&format!("services.{first}.container_name")) {
                error = error.note(span, "used here first");
            }
            self.error(format!("services.{name}.container_name"), error);
        }
    }
}

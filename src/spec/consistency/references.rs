//! Names of networks, volumes, secrets, configs, models and services that must be declared.

use super::Checker;
use crate::error::{Code, Finding};
use crate::model::{Service, VolumeKind};

impl Checker<'_> {
    pub(super) fn references(&mut self, service: &Service) {
        let name = &service.name;
        let project = self.project;
        for key in service.networks.keys() {
            if !project.networks.contains_key(key) {
                let path = format!("services.{name}.networks.{key}");
                self.undefined(name, "network", key, path, project.networks.keys());
            }
        }
        for (index, volume) in service.volumes.iter().enumerate() {
            let key = &volume.source;
            if volume.kind == VolumeKind::Volume && !key.is_empty() && !project.volumes.contains_key(key) {
                let path = format!("services.{name}.volumes[{index}]");
                self.undefined(name, "volume", key, path, project.volumes.keys());
            }
        }
        for (index, secret) in service.secrets.iter().enumerate() {
            if !project.secrets.contains_key(&secret.source) {
                let path = format!("services.{name}.secrets[{index}]");
                self.undefined(name, "secret", &secret.source, path, project.secrets.keys());
            }
        }
        for (index, config) in service.configs.iter().enumerate() {
            if !project.configs.contains_key(&config.source) {
                let path = format!("services.{name}.configs[{index}]");
                self.undefined(name, "config", &config.source, path, project.configs.keys());
            }
        }
        for key in service.models.keys() {
            if !project.models.contains_key(key) {
                let path = format!("services.{name}.models.{key}");
                self.undefined(name, "model", key, path, project.models.keys());
            }
        }
        let secrets = service.build.as_ref().map_or(&[][..], |build| &build.secrets);
        for (index, secret) in secrets.iter().enumerate() {
            if !project.secrets.contains_key(&secret.source) {
                let path = format!("services.{name}.build.secrets[{index}]");
                self.undefined(name, "build secret", &secret.source, path, project.secrets.keys());
            }
        }
        self.dependencies(service);
    }

    fn undefined<'n>(&mut self, service: &str, what: &str, key: &str, path: String, known: impl Iterator<Item = &'n String>) {
        let section = match what {
            "build secret" => "secrets".to_owned(),
            what => format!("{what}s"),
        };
        if self.is_declared(&section, key) {
            return;
        }
        let hint = match self.findings.closest(key, known.map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if what == "volume" && key.contains('/') => {
                format!("for a folder of the host write ./{key}")
            }
            None => {
                let content = match section.as_str() {
                    "secrets" | "configs" => "{file: …}",
                    "models" => "{model: …}",
                    _ => "",
                };
                format!("declare it at the top level: `{section}: {{{key}: {content}}}`")
            }
        };
        let message = format!("service \"{service}\" refers to undefined {what} {key}");
        let error = Finding::new(Code::Undefined, message).label("not declared").hint(hint);
        self.error(path, error);
    }

    /// Whether it is there but could not be read, which was reported already.
    fn is_declared(&self, section: &str, key: &str) -> bool {
        let sections = self.origins.root().and_then(|root| root.get(section));
        sections.is_some_and(|section| section.get(key).is_some())
    }

    fn dependencies(&mut self, service: &Service) {
        let name = &service.name;
        let project = self.project;
        for (key, dependency) in &service.depends_on {
            if project.services.contains_key(key) {
                continue;
            }
            let disabled = project.disabled.get(key);
            if disabled.is_none() && self.is_declared("services", key) {
                continue;
            }
            if disabled.is_some() && !dependency.required {
                continue;
            }
            let hint = match disabled {
                Some(other) => format!(
                    "{key} is enabled by the profiles {}; activate one with --profile, or write `required: false`",
                    other.profiles.join(", ")
                ),
                None => match self.findings.closest(key, project.services.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "declare the service, or remove the dependency".to_owned(),
                },
            };
            let message = format!("service \"{name}\" depends on undefined service \"{key}\"");
            let error = Finding::new(Code::Undefined, message).label("not a service").hint(hint);
            self.error(format!("services.{name}.depends_on.{key}"), error);
        }
    }
}

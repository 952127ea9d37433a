//! Keys of variables and labels with a blank in them: `- NAME = value` sets a variable called `NAME `.

use super::Lint;
use crate::error::{Code, Finding};
use crate::model::Service;

impl Lint<'_> {
    pub(super) fn keys(&mut self, service: &Service) {
        let name = &service.name;
        for (key, value) in &service.environment {
            self.key(|| format!("services.{name}.environment.{key}"), "variable", key, value.as_deref());
        }
        for (key, value) in &service.labels {
            self.key(|| format!("services.{name}.labels.{key}"), "label", key, Some(value));
        }
        for (key, value) in service.build.iter().flat_map(|build| &build.args) {
            self.key(|| format!("services.{name}.build.args.{key}"), "build argument", key, value.as_deref());
        }
        for (index, profile) in service.profiles.iter().enumerate() {
            if profile.contains(|c: char| c.is_whitespace() || c == ',') {
                let warning = Finding::new(Code::StrayBlank, format!("the profile `{profile}` holds a blank or a comma"))
                    .hint("write several profiles as a list: [one, two]");
                self.warn(format!("services.{name}.profiles[{index}]"), warning);
            }
        }
    }

    fn key(&mut self, path: impl FnOnce() -> String, what: &str, key: &str, value: Option<&str>) {
        if key != key.trim() {
            let value = value.unwrap_or_default().trim_start();
            let warning = Finding::new(Code::StrayBlank, format!("the name of the {what} is `{key}`, with the blank")).hint(format!(
                "write `{}={}`",
                key.trim(),
                if value.is_empty() { "VALUE" } else { "…" }
            ));
            self.warn(path(), warning);
        } else if key.is_empty() {
            let warning = Finding::new(Code::StrayBlank, format!("a {what} has no name")).hint("write NAME=VALUE");
            self.warn(path(), warning);
        } else if value.is_none() && key.contains(": ") {
            let fixed = key.replacen(": ", "=", 1);
            let warning = Finding::new(Code::StrayBlank, format!("this is one name without a value: `{key}`"))
                .hint(format!("write `{fixed}`, or make the list a mapping"));
            self.warn(path(), warning);
        }
    }
}

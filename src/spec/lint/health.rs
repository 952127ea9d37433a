//! Health probes that cannot work, and conditions that will never hold.

use super::Lint;
use crate::error::{Code, Finding};
use crate::model::{Condition, Duration, Healthcheck, Service};

/// Operators that only a shell understands; `;`, `<` and `>` are left out, as `find` and `expr` take them.
const SHELL: &[&str] = &["||", "&&", "|", ">>", "2>&1", "&"];
/// Shortest duration of a probe that an engine takes, in nanoseconds; 0 means its default.
const SHORTEST: i64 = 1_000_000;

impl Lint<'_> {
    pub(super) fn health(&mut self, service: &Service) {
        if let Some(check) = &service.healthcheck {
            self.probe(&format!("services.{}.healthcheck", service.name), check);
        }
        for (other, dependency) in &service.depends_on {
            let known = self.project.services.get(other).or_else(|| self.project.disabled.get(other));
            let Some(known) = known else { continue };
            let path = format!("services.{}.depends_on.{other}", service.name);
            match dependency.condition {
                Condition::Healthy => self.healthy(path, known),
                Condition::Completed => self.completed(path, known),
                Condition::Started => {}
            }
        }
    }

    fn probe(&mut self, path: &str, check: &Healthcheck) {
        for (key, value) in [
            ("interval", check.interval),
            ("timeout", check.timeout),
            ("start_period", check.start_period),
            ("start_interval", check.start_interval),
        ] {
            if let Some(Duration(nanos)) = value.filter(|it| it.0 != 0 && it.0 < SHORTEST) {
                let message = format!("`{key}` is {}, and engines take no less than 1ms", Duration(nanos));
                self.warn(format!("{path}.{key}"), Finding::new(Code::Healthcheck, message).hint("write a longer duration, such as 30s"));
            }
        }
        let words: Vec<&str> = check.test.iter().map(String::as_str).collect();
        let warning = match words.as_slice() {
            ["CMD" | "CMD-SHELL"] => {
                Finding::new(Code::Healthcheck, "the probe has no command").hint("write the command behind the first word")
            }
            ["CMD", line] if line.contains(' ') && !line.starts_with('/') => {
                let message = format!("`CMD` runs a program called `{line}`, blanks and all");
                Finding::new(Code::Healthcheck, message)
                    .hint("for a whole command line write CMD-SHELL in place of CMD; for CMD make each word an item")
            }
            ["CMD", rest @ ..] if !runs_shell(rest) => match rest.iter().find(|word| SHELL.contains(word)) {
                Some(word) => {
                    Finding::new(Code::Healthcheck, format!("there is no shell behind `CMD`: `{word}` is an argument of `{}`", rest[0]))
                        .hint(format!("write [\"CMD-SHELL\", \"{}\"]", rest.join(" ")))
                }
                None => return,
            },
            ["CMD-SHELL", line, _, ..] => {
                let message = format!("with docker compose the shell runs `{line}` alone: the words behind it are only its parameters");
                Finding::new(Code::Healthcheck, message).hint(format!("write [\"CMD-SHELL\", \"{}\"]", words[1..].join(" ")))
            }
            _ => return,
        };
        self.warn(format!("{path}.test"), warning);
    }

    fn healthy(&mut self, path: String, other: &Service) {
        let off = other
            .healthcheck
            .as_ref()
            .is_some_and(|check| check.disable || check.test.first().is_some_and(|word| word == "NONE"));
        if off {
            let span = self.origins.get(&format!("services.{}.healthcheck", other.name));
            let warning = Finding::new(Code::NeverReady, format!("`{}` will never be healthy: its probe is switched off", other.name))
                .note(span, "switched off here")
                .hint("wait for `service_started`, or give it a probe");
            self.warn(path, warning);
        }
    }

    fn completed(&mut self, path: String, other: &Service) {
        let deployed = other.deploy.as_ref().and_then(|deploy| deploy.restart_policy.as_ref());
        let (key, policy) = match deployed {
            Some(policy) => ("deploy.restart_policy", policy.condition.as_str()),
            None => ("restart", other.restart.as_str()),
        };
        if matches!(policy, "always" | "unless-stopped" | "any") {
            let span = self.origins.get(&format!("services.{}.{key}", other.name));
            let warning =
                Finding::new(Code::NeverReady, format!("`{}` will never have completed: it is started again whenever it ends", other.name))
                    .note(span, "started again")
                    .hint("give it `restart: on-failure`, or none");
            self.warn(path, warning);
        }
    }
}

/// Whether the program is a shell itself, which understands operators in what follows.
fn runs_shell(words: &[&str]) -> bool {
    let program = words.first().map_or("", |word| word.rsplit('/').next().unwrap_or(word));
    matches!(program, "sh" | "bash" | "ash" | "dash" | "zsh" | "busybox" | "cmd" | "powershell" | "pwsh") || words.contains(&"-c")
}

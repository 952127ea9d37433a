//! The restart policy.

use rcompose_engine_adapter::Restart;
use rcompose_spec::model::Service;

use super::Lowering;

/// Lowers `deploy.restart_policy`, which wins over `restart` as it does with docker compose.
pub(super) fn restart(lowering: &mut Lowering<'_>, service: &Service) -> Restart {
    let policy = service.deploy.as_ref().and_then(|deploy| deploy.restart_policy.as_ref());
    if let Some(policy) = policy {
        let path = format!("services.{}.deploy.restart_policy", service.name);
        // What of it is never heeded is in the table; this hangs on two attributes.
        if policy.max_attempts.is_some() && policy.condition != "on-failure" {
            let message = "`deploy.restart_policy.max_attempts` has an effect with `condition: on-failure` only";
            lowering.unheeded(format!("{path}.max_attempts"), message.to_owned());
        }
        let attempts = policy.max_attempts.map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX));
        let condition = if policy.condition.is_empty() { "any" } else { &policy.condition };
        return named(condition, attempts).unwrap_or_else(|| {
            let message = format!("`{condition}` is no restart condition; use none, on-failure or any");
            lowering.invalid(format!("{path}.condition"), message);
            Restart::No
        });
    }
    parse(&service.restart).unwrap_or_else(|| {
        let message = format!("`{}` is no restart policy; use no, always, on-failure[:attempts] or unless-stopped", service.restart);
        lowering.invalid(format!("services.{}.restart", service.name), message);
        Restart::No
    })
}

fn parse(text: &str) -> Option<Restart> {
    let (name, attempts) = match text.split_once(':') {
        Some((name, attempts)) => (name, attempts.parse().ok()?),
        None => (text, 0),
    };
    if attempts != 0 && name != "on-failure" {
        return None;
    }
    named(name, attempts)
}

fn named(name: &str, attempts: u32) -> Option<Restart> {
    match name {
        "" | "no" | "none" => Some(Restart::No),
        "any" | "always" => Some(Restart::Always),
        "unless-stopped" => Some(Restart::UnlessStopped),
        "on-failure" => Some(Restart::OnFailure { attempts }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read() {
        assert_eq!(parse(""), Some(Restart::No));
        assert_eq!(parse("on-failure:3"), Some(Restart::OnFailure { attempts: 3 }));
        assert_eq!(parse("unless-stopped"), Some(Restart::UnlessStopped));
        assert_eq!(parse("always:2"), None);
        assert_eq!(parse("on-failure:x"), None);
        assert_eq!(parse("sometimes"), None);
    }
}

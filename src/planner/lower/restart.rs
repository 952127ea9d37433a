//! The restart policy.

use rcompose_engine_adapter::{Feature, Restart};
use rcompose_spec::model::{Duration, RestartPolicy, Service};

use super::Lowering;

/// Lowers `deploy.restart_policy`, which wins over `restart` as it does with docker compose.
pub(super) fn restart(lowering: &mut Lowering<'_>, service: &Service) -> Restart {
    let policy = service.deploy.as_ref().and_then(|deploy| deploy.restart_policy.as_ref());
    if let Some(policy) = policy {
        let path = format!("services.{}.deploy.restart_policy", service.name);
        return deployed(lowering, &path, policy);
    }
    parse(&service.restart).unwrap_or_else(|| {
        let message = format!("`{}` is no restart policy; use no, always, on-failure[:attempts] or unless-stopped", service.restart);
        lowering.invalid(format!("services.{}.restart", service.name), message);
        Restart::No
    })
}

fn deployed(lowering: &mut Lowering<'_>, path: &str, policy: &RestartPolicy) -> Restart {
    let condition = if policy.condition.is_empty() { "any" } else { &policy.condition };
    let attempts = policy.max_attempts.map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX));
    let Some(plain) = named(condition, attempts) else {
        let message = format!("`{condition}` is no restart condition; use none, on-failure or any");
        lowering.invalid(format!("{path}.condition"), message);
        return Restart::No;
    };
    let time = |it: Option<Duration>| it.map(Duration::to_std).filter(|it| !it.is_zero());
    let (delay, window) = (time(policy.delay), time(policy.window));
    let failures_only = matches!(plain, Restart::OnFailure { .. });
    let attempts = Some(attempts).filter(|it| *it > 0);
    let may_pace = plain != Restart::UnlessStopped && lowering.observed.engine.has(Feature::RestartPace);
    let has_pace = delay.is_some() || window.is_some() || (attempts.is_some() && !failures_only);
    if may_pace && has_pace && plain != Restart::No {
        return Restart::Paced { failures_only, delay, attempts, window };
    }
    let said = [
        (
            !may_pace && policy.delay.is_some(),
            "delay",
            " has no effect here: the engine has its own delay between restarts",
        ),
        (
            !may_pace && policy.window.is_some(),
            "window",
            " has no effect here: the engine has its own rule for when a start succeeded",
        ),
        (
            !may_pace && policy.max_attempts.is_some() && !failures_only,
            "max_attempts",
            " has an effect with `condition: on-failure` only",
        ),
    ];
    for (_, attribute, message) in said.into_iter().filter(|(is_idle, ..)| *is_idle) {
        lowering.unheeded(format!("{path}.{attribute}"), format!("`deploy.restart_policy.{attribute}`{message}"));
    }
    plain
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

//! Healthchecks, read back.

use std::time::Duration;

use bollard::models::HealthConfig;
use rcompose_engine_adapter::{Check, Test};

pub(super) fn check(found: HealthConfig) -> Check {
    Check {
        test: found.test.as_deref().and_then(test),
        interval: found.interval.and_then(time),
        timeout: found.timeout.and_then(time),
        retries: found.retries.and_then(|retries| u32::try_from(retries).ok()).filter(|retries| *retries > 0),
        start_period: found.start_period.and_then(time),
        start_interval: found.start_interval.and_then(time),
    }
}

fn test(words: &[String]) -> Option<Test> {
    match words {
        [] => None,
        [first, ..] if first == "NONE" => Some(Test::None),
        [first, line] if first == "CMD-SHELL" => Some(Test::Shell(line.clone())),
        [first, rest @ ..] if first == "CMD" => Some(Test::Command(rest.to_vec())),
        words => Some(Test::Command(words.to_vec())),
    }
}

/// Zero is the engine's word for its default.
fn time(nanoseconds: i64) -> Option<Duration> {
    u64::try_from(nanoseconds).ok().filter(|it| *it > 0).map(Duration::from_nanos)
}

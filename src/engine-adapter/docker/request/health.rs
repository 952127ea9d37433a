//! Healthchecks.

use std::time::Duration;

use bollard::models::HealthConfig;
use rcompose_engine_adapter::{Check, EngineInfo, Feature, Result, Test};

use super::refuse_unless;

pub(super) fn check(check: &Check, info: &EngineInfo) -> Result<HealthConfig> {
    let Check { test, interval, timeout, retries, start_period, start_interval } = check;
    if start_interval.is_some() {
        refuse_unless(info, Feature::StartInterval, "the healthcheck")?;
    }
    Ok(HealthConfig {
        test: test.as_ref().map(words),
        interval: interval.map(nanoseconds),
        timeout: timeout.map(nanoseconds),
        retries: retries.map(i64::from),
        start_period: start_period.map(nanoseconds),
        start_interval: start_interval.map(nanoseconds),
    })
}

fn words(test: &Test) -> Vec<String> {
    match test {
        Test::None => vec!["NONE".to_owned()],
        Test::Command(words) => std::iter::once("CMD".to_owned()).chain(words.iter().cloned()).collect(),
        Test::Shell(line) => vec!["CMD-SHELL".to_owned(), line.clone()],
    }
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

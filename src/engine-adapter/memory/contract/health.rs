//! Health.

use std::time::Duration;

use rcompose_engine_adapter::{Check, ContainerSpec, HealthStatus, Test};

use super::{Case, Site, Verdict, case, ensure};

pub(super) fn cases() -> Vec<Case> {
    case![a_passing_check_makes_healthy, a_failing_check_makes_unhealthy, without_a_check_there_is_no_health]
}

fn checked(mut spec: ContainerSpec, text: &str) -> ContainerSpec {
    let interval = Some(Duration::from_millis(200));
    let test = Some(Test::Shell(text.into()));
    spec.healthcheck = Some(Check { test, interval, timeout: Some(Duration::from_secs(5)), retries: Some(2), ..Check::default() });
    spec
}

async fn a_passing_check_makes_healthy(site: &Site) -> Verdict {
    let name = site.start(&checked(site.idle("a"), "true")).await?;
    let first = site.see(&name).await?.health;
    ensure!(first.is_some(), "it has a healthcheck and no health");
    site.until(&name, "healthy", |seen| seen.and_then(|it| it.health) == Some(HealthStatus::Healthy))
        .await
}

async fn a_failing_check_makes_unhealthy(site: &Site) -> Verdict {
    let name = site.start(&checked(site.idle("a"), "exit 1")).await?;
    site.until(&name, "unhealthy", |seen| seen.and_then(|it| it.health) == Some(HealthStatus::Unhealthy))
        .await
}

async fn without_a_check_there_is_no_health(site: &Site) -> Verdict {
    let plain = site.start(&site.idle("a")).await?;
    ensure!(site.see(&plain).await?.health.is_none(), "it has no healthcheck, and a health");
    let mut off = checked(site.idle("b"), "true");
    off.healthcheck = Some(Check { test: Some(Test::None), ..Check::default() });
    let off = site.start(&off).await?;
    ensure!(site.see(&off).await?.health.is_none(), "its healthcheck is off, and it has a health");
    Ok(())
}

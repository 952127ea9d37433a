//! Starting, ending, freezing.

use std::time::Duration;

use rcompose_engine_adapter::{ContainerState, ErrorKind, Restart, Stop};

use super::site::fails;
use super::{Case, Site, Verdict, case, ensure};

pub(super) fn cases() -> Vec<Case> {
    case![
        start_can_be_repeated,
        stop_can_be_repeated,
        a_deaf_process_is_killed_after_the_grace_time,
        kill_can_be_repeated,
        an_end_has_its_status,
        an_ended_container_starts_again,
        pause_and_unpause,
        auto_remove_takes_it_away,
        restart_on_failure_gives_up,
        stopping_beats_the_restart_policy,
    ]
}

fn at_once() -> Stop {
    Stop { grace: Some(Duration::ZERO), ..Stop::default() }
}

async fn start_can_be_repeated(site: &Site) -> Verdict {
    let name = site.start(&site.idle("a")).await?;
    ensure!(site.see(&name).await?.state == ContainerState::Running, "it does not run");
    site.engine.start_container(&name).await?;
    fails(site.engine.start_container(&site.name("never")).await, ErrorKind::NotFound, "a start of nothing")?;
    Ok(())
}

async fn stop_can_be_repeated(site: &Site) -> Verdict {
    let spec = site.idle("a");
    site.engine.stop_container(&spec.name, &at_once()).await?;
    site.engine.create_container(&spec).await?;
    site.engine.stop_container(&spec.name, &at_once()).await?;
    site.engine.start_container(&spec.name).await?;
    site.engine.stop_container(&spec.name, &at_once()).await?;
    let state = site.see(&spec.name).await?.state;
    ensure!(matches!(state, ContainerState::Exited { .. }), "after the stop it is {state:?}");
    site.engine.stop_container(&spec.name, &at_once()).await?;
    Ok(())
}

async fn a_deaf_process_is_killed_after_the_grace_time(site: &Site) -> Verdict {
    let name = site.start(&site.shell("a", "trap '' TERM; sleep 1000")).await?;
    let start = tokio::time::Instant::now();
    site.engine
        .stop_container(&name, &Stop { signal: Some("SIGTERM".into()), grace: Some(Duration::from_secs(1)), drain: false })
        .await?;
    ensure!(start.elapsed() >= Duration::from_millis(900), "the grace time was cut to {:?}", start.elapsed());
    let state = site.see(&name).await?.state;
    ensure!(state == ContainerState::Exited { code: 137 }, "after the stop it is {state:?}");
    Ok(())
}

async fn kill_can_be_repeated(site: &Site) -> Verdict {
    let name = site.start(&site.idle("a")).await?;
    ensure!(site.engine.kill_container(&name, "SIGNONSENSE").await.is_err(), "an unknown signal was taken");
    site.engine.kill_container(&name, "SIGKILL").await?;
    ensure!(site.wait(&name).await? == 137, "its status is not 137");
    site.engine.kill_container(&name, "SIGKILL").await?;
    Ok(())
}

async fn an_end_has_its_status(site: &Site) -> Verdict {
    let name = site.start(&site.shell("a", "sleep 0.2; exit 3")).await?;
    ensure!(site.wait(&name).await? == 3, "wait does not return the status");
    let state = site.see(&name).await?.state;
    ensure!(state == ContainerState::Exited { code: 3 }, "it is {state:?}");
    ensure!(site.wait(&name).await? == 3, "a second wait does not return the status");
    fails(site.engine.wait_container(&site.name("never")).await, ErrorKind::NotFound, "a wait for nothing")?;
    Ok(())
}

async fn an_ended_container_starts_again(site: &Site) -> Verdict {
    let name = site.start(&site.shell("a", "exit 4")).await?;
    ensure!(site.wait(&name).await? == 4, "the first status is wrong");
    site.engine.start_container(&name).await?;
    ensure!(site.wait(&name).await? == 4, "the second status is wrong");
    Ok(())
}

async fn pause_and_unpause(site: &Site) -> Verdict {
    let name = site.start(&site.idle("a")).await?;
    site.engine.pause_container(&name).await?;
    ensure!(site.see(&name).await?.state == ContainerState::Paused, "it is not paused");
    site.engine.unpause_container(&name).await?;
    ensure!(site.see(&name).await?.state == ContainerState::Running, "it does not run again");
    fails(site.engine.pause_container(&site.name("never")).await, ErrorKind::NotFound, "a pause of nothing")?;
    Ok(())
}

async fn auto_remove_takes_it_away(site: &Site) -> Verdict {
    let mut spec = site.shell("a", "sleep 0.2");
    spec.auto_remove = true;
    let name = site.start(&spec).await?;
    site.until(&name, "gone", |seen| seen.is_none()).await
}

async fn restart_on_failure_gives_up(site: &Site) -> Verdict {
    let mut spec = site.shell("a", "echo once; exit 5");
    spec.restart = Restart::OnFailure { attempts: 2 };
    let name = site.start(&spec).await?;
    let ended = |state| state == ContainerState::Exited { code: 5 };
    site.until(&name, "given up", |seen| seen.is_some_and(|it| ended(it.state))).await?;
    let lines = site.logs(&name, Default::default()).await?;
    ensure!(lines.len() == 3, "it ran {} times, not once and twice again", lines.len());
    Ok(())
}

async fn stopping_beats_the_restart_policy(site: &Site) -> Verdict {
    let mut spec = site.idle("a");
    spec.restart = Restart::Always;
    let name = site.start(&spec).await?;
    site.engine.stop_container(&name, &at_once()).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let state = site.see(&name).await?.state;
    ensure!(matches!(state, ContainerState::Exited { .. }), "after the stop it is {state:?}");
    Ok(())
}

//! What a container's state means for a step that waits for it.

use std::time::Duration;

use rcompose_engine_adapter::{ContainerName, ContainerState, HealthStatus, ObservedContainer};
use rcompose_planner::Condition;

/// What one look at a container says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The condition holds.
    Holds,
    /// The condition holds if the container stays as it is for a moment: it has just been started, and no check tells more.
    Settles,
    /// It may hold later.
    NotYet,
    /// The container is not there, so it will not hold.
    Absent,
    /// It will not hold, for this reason; the container's name goes before it.
    Never(String),
}

/// Judges one look.
pub(crate) fn judge(until: Condition, container: Option<&ObservedContainer>) -> Verdict {
    let Some(container) = container else {
        return if until == Condition::Ended { Verdict::Holds } else { Verdict::Absent };
    };
    match until {
        Condition::Started => started(container.state),
        Condition::Healthy => healthy(container),
        Condition::CompletedSuccessfully => completed(container.state),
        Condition::Ready => ready(container),
        Condition::Ended => ended(container.state),
    }
}

fn started(state: ContainerState) -> Verdict {
    match state {
        ContainerState::Running => Verdict::Holds,
        ContainerState::Created | ContainerState::Paused | ContainerState::Restarting => Verdict::NotYet,
        ContainerState::Exited { code } => exited(code),
        ContainerState::Removing | ContainerState::Dead => gone(state),
    }
}

fn healthy(container: &ObservedContainer) -> Verdict {
    match container.state {
        ContainerState::Running => match container.health {
            Some(HealthStatus::Healthy) => Verdict::Holds,
            Some(HealthStatus::Starting) => Verdict::NotYet,
            Some(HealthStatus::Unhealthy) => Verdict::Never("is unhealthy".into()),
            None => Verdict::Never("has no healthcheck, so it cannot become healthy".into()),
        },
        ContainerState::Created | ContainerState::Paused | ContainerState::Restarting => Verdict::NotYet,
        ContainerState::Exited { code } => exited(code),
        ContainerState::Removing | ContainerState::Dead => gone(container.state),
    }
}

fn completed(state: ContainerState) -> Verdict {
    match state {
        ContainerState::Exited { code: 0 } => Verdict::Holds,
        ContainerState::Exited { code } => exited(code),
        ContainerState::Created | ContainerState::Running | ContainerState::Paused | ContainerState::Restarting => Verdict::NotYet,
        ContainerState::Removing | ContainerState::Dead => gone(state),
    }
}

fn ready(container: &ObservedContainer) -> Verdict {
    match (container.state, container.health) {
        (ContainerState::Exited { code: 0 }, _) => Verdict::Holds,
        (ContainerState::Running, None) => Verdict::Settles,
        _ => healthy(container),
    }
}

fn ended(state: ContainerState) -> Verdict {
    match state {
        ContainerState::Exited { .. } | ContainerState::Dead => Verdict::Holds,
        ContainerState::Created
        | ContainerState::Running
        | ContainerState::Paused
        | ContainerState::Restarting
        | ContainerState::Removing => Verdict::NotYet,
    }
}

fn exited(code: i64) -> Verdict {
    Verdict::Never(format!("exited ({code})"))
}

fn gone(state: ContainerState) -> Verdict {
    Verdict::Never(format!("is {}", state.as_str()))
}

/// Says that time ran out, and how the container stood then.
pub(crate) fn late(name: &ContainerName, until: Condition, limit: Duration, last: Option<&ObservedContainer>) -> String {
    let wanted = match until {
        Condition::Started => "run",
        Condition::Healthy => "become healthy",
        Condition::CompletedSuccessfully => "complete",
        Condition::Ready => "become ready",
        Condition::Ended => "end",
    };
    let stands = match last.map(|it| (it.state, it.health)) {
        None => "the engine did not tell its state".to_owned(),
        Some((ContainerState::Running, Some(health))) => format!("its health is {}", health.as_str()),
        Some((state, _)) => format!("it is {}", state.as_str()),
    };
    format!("container {name} did not {wanted} within {limit:?}: {stands}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn container(state: ContainerState, health: Option<HealthStatus>) -> ObservedContainer {
        ObservedContainer {
            id: "1".into(),
            name: "p-db-1".into(),
            image: "db".into(),
            image_id: None,
            state,
            health,
            status: String::new(),
            labels: BTreeMap::new(),
            created: 0,
            command: String::new(),
            ports: Vec::new(),
            networks: BTreeMap::new(),
            mounts: Vec::new(),
            spec: None,
            size: None,
        }
    }

    fn never(text: &str) -> Verdict {
        Verdict::Never(text.into())
    }

    #[test]
    fn every_condition_judges_every_state() {
        use Condition::{CompletedSuccessfully, Ended, Healthy, Ready, Started};
        use ContainerState::{Created, Dead, Exited, Paused, Restarting, Running};
        use HealthStatus::{Healthy as Good, Starting, Unhealthy};
        use Verdict::{Holds, NotYet, Settles};
        let cases = [
            (Started, Running, Some(Unhealthy), Holds),
            (Started, Created, None, NotYet),
            (Started, Exited { code: 0 }, None, never("exited (0)")),
            (Healthy, Running, Some(Good), Holds),
            (Healthy, Running, Some(Starting), NotYet),
            (Healthy, Running, Some(Unhealthy), never("is unhealthy")),
            (Healthy, Running, None, never("has no healthcheck, so it cannot become healthy")),
            (Healthy, Restarting, Some(Unhealthy), NotYet),
            (Healthy, Exited { code: 0 }, None, never("exited (0)")),
            (Healthy, Dead, None, never("is dead")),
            (CompletedSuccessfully, Exited { code: 0 }, None, Holds),
            (CompletedSuccessfully, Exited { code: 3 }, None, never("exited (3)")),
            (CompletedSuccessfully, Running, Some(Good), NotYet),
            (Ready, Running, None, Settles),
            (Ready, Running, Some(Starting), NotYet),
            (Ready, Running, Some(Unhealthy), never("is unhealthy")),
            (Ready, Exited { code: 0 }, None, Holds),
            (Ready, Exited { code: 1 }, None, never("exited (1)")),
            (Ready, Paused, None, NotYet),
            (Ended, Exited { code: 9 }, None, Holds),
            (Ended, Running, None, NotYet),
        ];
        for (until, state, health, expected) in cases {
            assert_eq!(judge(until, Some(&container(state, health))), expected, "{until:?} {state:?} {health:?}");
        }
        for until in [Started, Healthy, CompletedSuccessfully, Ready] {
            assert_eq!(judge(until, None), Verdict::Absent);
        }
        assert_eq!(judge(Ended, None), Holds);
    }

    #[test]
    fn lateness_says_how_it_stood() {
        let slow = container(ContainerState::Running, Some(HealthStatus::Starting));
        assert_eq!(
            late(&slow.name, Condition::Healthy, Duration::from_secs(10), Some(&slow)),
            "container p-db-1 did not become healthy within 10s: its health is starting"
        );
    }
}

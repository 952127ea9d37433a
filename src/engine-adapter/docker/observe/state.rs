//! What a container does, from the engine's words.

use bollard::models::{ContainerState as ApiState, ContainerStateStatusEnum, ContainerSummaryStateEnum, HealthStatusEnum};
use rcompose_engine_adapter::{ContainerState, HealthStatus};

/// Reads the state of a list entry, whose exit status is only in the sentence.
pub(super) fn listed(state: Option<ContainerSummaryStateEnum>, status: &str) -> ContainerState {
    match state {
        Some(ContainerSummaryStateEnum::CREATED | ContainerSummaryStateEnum::EMPTY) | None => ContainerState::Created,
        Some(ContainerSummaryStateEnum::RUNNING | ContainerSummaryStateEnum::STOPPING) => ContainerState::Running,
        Some(ContainerSummaryStateEnum::PAUSED) => ContainerState::Paused,
        Some(ContainerSummaryStateEnum::RESTARTING) => ContainerState::Restarting,
        Some(ContainerSummaryStateEnum::EXITED) => ContainerState::Exited { code: code_in(status).unwrap_or_default() },
        Some(ContainerSummaryStateEnum::REMOVING) => ContainerState::Removing,
        Some(ContainerSummaryStateEnum::DEAD) => ContainerState::Dead,
    }
}

/// Reads `Exited (137) 3 minutes ago`.
fn code_in(status: &str) -> Option<i64> {
    status.split_once('(')?.1.split_once(')')?.0.parse().ok()
}

/// Reads `Up 3 minutes (healthy)`, `(unhealthy)`, `(health: starting)`.
pub(super) fn health_in(status: &str) -> Option<HealthStatus> {
    let word = status.strip_prefix("Up ")?.rsplit_once('(')?.1.strip_suffix(')')?;
    match word {
        "healthy" => Some(HealthStatus::Healthy),
        "unhealthy" => Some(HealthStatus::Unhealthy),
        "health: starting" | "starting" => Some(HealthStatus::Starting),
        _ => None,
    }
}

/// Reads the state of an inspection.
pub(super) fn inspected(state: &ApiState) -> Option<ContainerState> {
    Some(match state.status? {
        ContainerStateStatusEnum::EMPTY => return None,
        ContainerStateStatusEnum::CREATED => ContainerState::Created,
        ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING => ContainerState::Running,
        ContainerStateStatusEnum::PAUSED => ContainerState::Paused,
        ContainerStateStatusEnum::RESTARTING => ContainerState::Restarting,
        ContainerStateStatusEnum::REMOVING => ContainerState::Removing,
        ContainerStateStatusEnum::EXITED => ContainerState::Exited { code: state.exit_code.unwrap_or_default() },
        ContainerStateStatusEnum::DEAD => ContainerState::Dead,
    })
}

/// Reads the health of an inspection; it counts only while the container runs.
pub(super) fn health_of(state: &ApiState) -> Option<HealthStatus> {
    if state.running != Some(true) {
        return None;
    }
    match state.health.as_ref()?.status? {
        HealthStatusEnum::STARTING => Some(HealthStatus::Starting),
        HealthStatusEnum::HEALTHY => Some(HealthStatus::Healthy),
        HealthStatusEnum::UNHEALTHY => Some(HealthStatus::Unhealthy),
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_read() {
        assert_eq!(code_in("Exited (137) 3 minutes ago"), Some(137));
        assert_eq!(code_in("Created"), None);
        assert_eq!(health_in("Up 3 minutes (healthy)"), Some(HealthStatus::Healthy));
        assert_eq!(health_in("Up 1 second (health: starting)"), Some(HealthStatus::Starting));
        assert_eq!(health_in("Up 2 hours (unhealthy)"), Some(HealthStatus::Unhealthy));
        assert_eq!(health_in("Up 2 hours (Paused)"), None);
        assert_eq!(health_in("Exited (0) 1 second ago"), None);
    }
}

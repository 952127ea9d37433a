//! How a container stands, as a sentence of Docker's: `Up 3 minutes (healthy)`. Source: docker/go-units `HumanDuration`, Docker's `State.String`.

use rcompose_engine_adapter::{ContainerState, HealthStatus};

/// What the sentence tells of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) state: ContainerState,
    pub(crate) health: Option<HealthStatus>,
    /// Seconds since it was started.
    pub(crate) up: u64,
    /// Seconds since it ended.
    pub(crate) ended: u64,
    /// The status of the end before the restart that is to come.
    pub(crate) last: i64,
}

impl Standing {
    /// A state of which nothing else is told.
    pub(crate) fn of(state: ContainerState) -> Self {
        Self { state, health: None, up: 0, ended: 0, last: 0 }
    }
}

pub(crate) fn say(it: &Standing) -> String {
    let up = lasting(it.up);
    match it.state {
        ContainerState::Created => "Created".into(),
        ContainerState::Running => match it.health {
            None => format!("Up {up}"),
            Some(HealthStatus::Starting) => format!("Up {up} (health: starting)"),
            Some(health) => format!("Up {up} ({})", health.as_str()),
        },
        ContainerState::Paused => format!("Up {up} (Paused)"),
        ContainerState::Restarting => format!("Restarting ({}) {} ago", it.last, lasting(it.ended)),
        ContainerState::Removing => "Removal In Progress".into(),
        ContainerState::Exited { code } => format!("Exited ({code}) {} ago", lasting(it.ended)),
        ContainerState::Dead => "Dead".into(),
    }
}

fn lasting(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    // Hours are rounded, the rest is cut.
    let hours = (seconds + HOUR / 2) / HOUR;
    match seconds {
        0 => "Less than a second".into(),
        1 => "1 second".into(),
        2..MINUTE => format!("{seconds} seconds"),
        _ if seconds / MINUTE == 1 => "About a minute".into(),
        _ if seconds / MINUTE < 60 => format!("{} minutes", seconds / MINUTE),
        _ if hours == 1 => "About an hour".into(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / DAY / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_docker_says_them() {
        for (seconds, words) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (3_599, "59 minutes"),
            (3_600, "About an hour"),
            (7_200, "2 hours"),
            (3 * 86_400, "3 days"),
            (20 * 86_400, "2 weeks"),
            (100 * 86_400, "3 months"),
            (900 * 86_400, "2 years"),
        ] {
            assert_eq!(lasting(seconds), words, "{seconds}");
        }
    }

    #[test]
    fn health_is_part_of_the_sentence() {
        let mut it = Standing { state: ContainerState::Running, health: None, up: 5, ended: 0, last: 0 };
        assert_eq!(say(&it), "Up 5 seconds");
        it.health = Some(HealthStatus::Starting);
        assert_eq!(say(&it), "Up 5 seconds (health: starting)");
        it.state = ContainerState::Exited { code: 3 };
        it.ended = 61;
        assert_eq!(say(&it), "Exited (3) About a minute ago");
    }
}

//! Whether an ended container is started again, and when: pure, with time passed in.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::exit::Exit;

/// First pause before a restart; it doubles. Source: Docker, "restart policies".
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause before a restart.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// After this long up, the next pause is the first one again.
pub(crate) const SETTLED: Duration = Duration::from_secs(10);

/// When an ended container is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Restart {
    /// Never.
    #[default]
    No,
    /// Whatever its status, until it is told to stop.
    Always,
    /// When its status is not known to be 0; at most this many times in a row.
    OnFailure(Option<u32>),
    /// As `Always`; what was told to stop stays so, also over a new start of the machine.
    UnlessStopped,
}

/// A word that is no restart policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no restart policy: no, always, on-failure, on-failure:N or unless-stopped")]
pub struct NoPolicy {
    word: String,
}

impl FromStr for Restart {
    type Err = NoPolicy;

    fn from_str(word: &str) -> Result<Self, NoPolicy> {
        match word {
            "no" => Ok(Self::No),
            "always" => Ok(Self::Always),
            "unless-stopped" => Ok(Self::UnlessStopped),
            "on-failure" => Ok(Self::OnFailure(None)),
            _ => word
                .strip_prefix("on-failure:")
                .filter(|count| count.bytes().all(|it| it.is_ascii_digit()))
                .and_then(|count| count.parse().ok())
                .map(|most| Self::OnFailure(Some(most)))
                .ok_or_else(|| NoPolicy { word: word.to_owned() }),
        }
    }
}

impl From<Restart> for String {
    fn from(policy: Restart) -> Self {
        match policy {
            Restart::No => "no".to_owned(),
            Restart::Always => "always".to_owned(),
            Restart::UnlessStopped => "unless-stopped".to_owned(),
            Restart::OnFailure(None) => "on-failure".to_owned(),
            Restart::OnFailure(Some(most)) => format!("on-failure:{most}"),
        }
    }
}

impl TryFrom<String> for Restart {
    type Error = NoPolicy;

    fn try_from(word: String) -> Result<Self, NoPolicy> {
        word.parse()
    }
}

/// How the restarts in a row went so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Restarts since it last stayed up for [`SETTLED`].
    pub count: u32,
    /// The pause before the last of them.
    pub pause: Duration,
}

/// What follows an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It stays ended.
    Stay,
    /// It is started again after this pause.
    Again(Duration),
}

impl Row {
    /// Decides after an end. `up` is how long it was up; `told` whether it was told to stop.
    pub fn after(&mut self, policy: Restart, exit: &Exit, up: Duration, told: bool) -> Verdict {
        if up >= SETTLED {
            *self = Self::default();
        }
        let again = match policy {
            Restart::No => false,
            Restart::Always | Restart::UnlessStopped => true,
            // A status that nobody knows is not known to be 0.
            Restart::OnFailure(most) => *exit != Exit::Code(0) && most.is_none_or(|most| self.count < most),
        };
        if told || !again {
            return Verdict::Stay;
        }
        self.count = self.count.saturating_add(1);
        self.pause = if self.pause.is_zero() {
            FIRST_PAUSE
        } else {
            self.pause.saturating_mul(2).min(LONGEST_PAUSE)
        };
        Verdict::Again(self.pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type End = (Exit, Duration, bool);

    const SHORT: Duration = Duration::from_millis(5);

    fn pauses(policy: &str, ends: &[End]) -> Vec<Option<u64>> {
        let mut row = Row::default();
        let policy: Restart = policy.parse().unwrap();
        let verdict = |(exit, up, told): &End| match row.after(policy, exit, *up, *told) {
            Verdict::Stay => None,
            Verdict::Again(pause) => Some(u64::try_from(pause.as_millis()).unwrap()),
        };
        ends.iter().map(verdict).collect()
    }

    #[test]
    fn policies_by_status() {
        let failed = (Exit::Code(1), SHORT, false);
        let fine = (Exit::Code(0), SHORT, false);
        let killed = (Exit::Signal(9), SHORT, false);
        let unknown = (Exit::Unknown, SHORT, false);
        let told = (Exit::Signal(15), SHORT, true);
        let cases: &[(&str, &End, Option<u64>)] = &[
            ("no", &failed, None),
            ("always", &fine, Some(100)),
            ("always", &told, None),
            ("unless-stopped", &fine, Some(100)),
            ("unless-stopped", &told, None),
            ("on-failure", &fine, None),
            ("on-failure", &failed, Some(100)),
            ("on-failure", &killed, Some(100)),
            ("on-failure", &unknown, Some(100)),
            ("on-failure", &told, None),
            ("on-failure:0", &failed, None),
        ];
        for (policy, end, expected) in cases {
            assert_eq!(pauses(policy, std::slice::from_ref(*end)), [*expected], "{policy} {end:?}");
        }
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_begin_anew_after_ten_seconds_up() {
        let mut ends = vec![(Exit::Code(1), SHORT, false); 12];
        ends.push((Exit::Code(1), Duration::from_millis(9_999), false));
        ends.push((Exit::Code(1), SETTLED, false));
        let expected = [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 60_000, 60_000, 60_000, 100];
        assert_eq!(pauses("always", &ends), expected.map(Some));
    }

    #[test]
    fn on_failure_counts_restarts_in_a_row() {
        let failed = (Exit::Code(3), SHORT, false);
        assert_eq!(pauses("on-failure:2", &[failed.clone(), failed.clone(), failed.clone()]), [Some(100), Some(200), None]);
        let settled = (Exit::Code(3), SETTLED, false);
        assert_eq!(pauses("on-failure:1", &[failed.clone(), settled, failed]), [Some(100), Some(100), None]);
    }

    #[test]
    fn words_that_are_none_are_refused() {
        for word in [
            "",
            "never",
            "on-failure:",
            "on-failure:-1",
            "on-failure:+1",
            "on-failure:x",
            "on-failure:99999999999",
            "Always",
        ] {
            assert!(word.parse::<Restart>().is_err(), "{word}");
        }
    }

    proptest! {
        #[test]
        fn a_pause_is_within_its_bounds_and_what_was_told_to_stop_stays(
            ends in prop::collection::vec((any::<i32>(), 0u64..20_000, any::<bool>()), 0..40),
        ) {
            let mut row = Row::default();
            for (code, up, told) in ends {
                match row.after(Restart::Always, &Exit::Code(code), Duration::from_millis(up), told) {
                    Verdict::Stay => prop_assert!(told),
                    Verdict::Again(pause) => prop_assert!(!told && (FIRST_PAUSE..=LONGEST_PAUSE).contains(&pause)),
                }
            }
        }

        #[test]
        fn a_policy_is_read_as_it_is_written(most in any::<Option<u32>>()) {
            for policy in [Restart::No, Restart::Always, Restart::UnlessStopped, Restart::OnFailure(most)] {
                prop_assert_eq!(String::from(policy).parse::<Restart>().unwrap(), policy);
            }
        }
    }
}

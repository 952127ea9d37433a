//! Whether an ended container is started again, and when: pure, with time passed in.

use std::fmt;
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
    /// When its status is not known to be 0; at most this many times.
    OnFailure(Option<u32>),
    /// As `Always`; what was told to stop stays so, also over a new start of the machine.
    UnlessStopped,
    /// At a pace of its own.
    Paced(Pace),
}

/// How an ended container is started again at a pace of its own. Source: Compose Deploy Specification, `restart_policy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    /// Only when its status is not known to be 0.
    pub failures_only: bool,
    /// Pause before each start, whole milliseconds; without one pauses grow as with other policies.
    pub delay: Option<Duration>,
    /// Starts that may fail before it stays ended; without limit where there is none.
    pub attempts: Option<u32>,
    /// A start has failed if it ends before this; whole milliseconds. Without one every start counts, as with `on-failure:N`.
    pub window: Option<Duration>,
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
        let no_policy = || NoPolicy { word: word.to_owned() };
        match word {
            "no" => Ok(Self::No),
            "always" => Ok(Self::Always),
            "unless-stopped" => Ok(Self::UnlessStopped),
            "on-failure" => Ok(Self::OnFailure(None)),
            _ if word.starts_with(PACED) => paced(word).map(Self::Paced).ok_or_else(no_policy),
            _ => word
                .strip_prefix("on-failure:")
                .and_then(number)
                .map(|most| Self::OnFailure(Some(most)))
                .ok_or_else(no_policy),
        }
    }
}

/// What a policy with a pace of its own begins with, where it is written down.
const PACED: &str = "paced ";

/// Reads what [`Restart`] writes of a pace: `paced any delay=5000 attempts=3 window=120000`.
fn paced(text: &str) -> Option<Pace> {
    let mut words = text.strip_prefix(PACED)?.split(' ');
    let failures_only = match words.next()? {
        "any" => false,
        "on-failure" => true,
        _ => return None,
    };
    let mut pace = Pace { failures_only, ..Pace::default() };
    for word in words {
        match word.split_once('=')? {
            ("delay", time) => pace.delay = Some(Duration::from_millis(number(time)?)),
            ("attempts", count) => pace.attempts = Some(number(count)?),
            ("window", time) => pace.window = Some(Duration::from_millis(number(time)?)),
            _ => return None,
        }
    }
    Some(pace)
}

/// Digits alone: no sign.
fn number<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|it| it.is_ascii_digit()).then(|| text.parse().ok())?
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PACED}{}", if self.failures_only { "on-failure" } else { "any" })?;
        self.delay.map_or(Ok(()), |it| write!(f, " delay={}", it.as_millis()))?;
        self.attempts.map_or(Ok(()), |it| write!(f, " attempts={it}"))?;
        self.window.map_or(Ok(()), |it| write!(f, " window={}", it.as_millis()))
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
            Restart::Paced(pace) => pace.to_string(),
        }
    }
}

impl TryFrom<String> for Restart {
    type Error = NoPolicy;

    fn try_from(word: String) -> Result<Self, NoPolicy> {
        word.parse()
    }
}

/// How the restarts went so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Restarts since it last stayed up for [`SETTLED`].
    pub count: u32,
    /// The pause before the last of them.
    pub pause: Duration,
    /// Restarts that count against a limit; nothing before the first.
    #[serde(default)]
    pub failed: Option<u32>,
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
            (self.count, self.pause) = (0, Duration::ZERO);
        }
        // What ended was a restart, unless there was none yet.
        let failed = match (self.failed, policy) {
            (None, _) => 0,
            // It succeeded, and with it the row of those that had not.
            (Some(_), Restart::Paced(Pace { window: Some(window), .. })) if up >= window => 0,
            (Some(failed), _) => failed.saturating_add(1),
        };
        // A status that nobody knows is not known to be 0.
        let has_failed = *exit != Exit::Code(0);
        let again = match policy {
            Restart::No => false,
            Restart::Always | Restart::UnlessStopped => true,
            // Docker's count is one of all restarts: to stay up for a while does not begin it anew.
            Restart::OnFailure(most) => has_failed && most.is_none_or(|most| failed < most),
            Restart::Paced(pace) => (has_failed || !pace.failures_only) && pace.attempts.is_none_or(|most| failed < most),
        };
        if told || !again {
            return Verdict::Stay;
        }
        self.failed = Some(failed);
        self.count = self.count.saturating_add(1);
        self.pause = match policy {
            Restart::Paced(Pace { delay: Some(delay), .. }) => delay,
            _ if self.pause.is_zero() => FIRST_PAUSE,
            _ => self.pause.saturating_mul(2).min(LONGEST_PAUSE),
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
    fn on_failure_counts_all_restarts_however_long_it_stayed_up() {
        let failed = (Exit::Code(3), SHORT, false);
        assert_eq!(pauses("on-failure:2", &[failed.clone(), failed.clone(), failed.clone()]), [Some(100), Some(200), None]);
        let settled = (Exit::Code(3), SETTLED, false);
        assert_eq!(pauses("on-failure:1", &[failed.clone(), settled.clone()]), [Some(100), None]);
        assert_eq!(pauses("on-failure:2", &[failed, settled.clone(), settled]), [Some(100), Some(100), None]);
    }

    #[test]
    fn a_pace_of_its_own() {
        // Each end: status, and seconds that it was up.
        type Case<'a> = (&'a str, &'a [(i32, u64)], &'a [Option<u64>]);
        let cases: &[Case<'_>] = &[
            ("paced any", &[(0, 0), (1, 0)], &[Some(100), Some(200)]),
            ("paced on-failure", &[(1, 0), (0, 0)], &[Some(100), None]),
            // The delay does not grow, and does not begin anew.
            ("paced any delay=5000", &[(0, 0), (1, 0), (0, 20), (1, 0)], &[Some(5000); 4]),
            ("paced any delay=0", &[(0, 0), (0, 0)], &[Some(0), Some(0)]),
            // The first end is none of a restart.
            ("paced any attempts=2", &[(1, 0), (1, 0), (1, 0)], &[Some(100), Some(200), None]),
            ("paced any attempts=0", &[(1, 0)], &[None]),
            ("paced on-failure attempts=2", &[(1, 0), (1, 0), (1, 0)], &[Some(100), Some(200), None]),
            // Without a window every restart counts, however long it was up.
            ("paced any delay=1 attempts=2", &[(1, 0), (1, 3600), (1, 3600)], &[Some(1), Some(1), None]),
            // With one, only those that end before it.
            (
                "paced any delay=1 attempts=1 window=60000",
                &[(1, 0), (1, 60), (1, 60), (1, 59)],
                &[Some(1), Some(1), Some(1), None],
            ),
            (
                "paced any delay=1 attempts=2 window=60000",
                &[(1, 0), (1, 5), (1, 60), (1, 5), (1, 5)],
                &[Some(1), Some(1), Some(1), Some(1), None],
            ),
            // How long the first start was up says nothing of a restart.
            ("paced any delay=1 attempts=1 window=60000", &[(1, 3600), (1, 5)], &[Some(1), None]),
        ];
        for (policy, ends, expected) in cases {
            let ends: Vec<End> = ends.iter().map(|(code, up)| (Exit::Code(*code), Duration::from_secs(*up), false)).collect();
            assert_eq!(pauses(policy, &ends), *expected, "{policy}");
        }
        let told = (Exit::Code(1), SHORT, true);
        assert_eq!(pauses("paced any delay=5000", &[told]), [None]);
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
            "paced ",
            "paced never",
            "paced any delay",
            "paced any delay=-1",
            "paced any delay=1s",
            "paced any wings=1",
            "paced any  delay=1",
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
        fn a_policy_is_read_as_it_is_written(
            most in any::<Option<u32>>(),
            failures_only in any::<bool>(),
            delay in any::<Option<u64>>(),
            window in any::<Option<u64>>(),
        ) {
            let time = |it: Option<u64>| it.map(Duration::from_millis);
            let pace = Pace { failures_only, delay: time(delay), attempts: most, window: time(window) };
            for policy in [Restart::No, Restart::Always, Restart::UnlessStopped, Restart::OnFailure(most), Restart::Paced(pace)] {
                prop_assert_eq!(String::from(policy).parse::<Restart>().unwrap(), policy);
            }
        }
    }
}

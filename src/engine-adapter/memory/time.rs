//! The engine's clock: tokio's, counted from a fixed day, so that a paused runtime gives the same times in every run.

use std::time::Duration;

use tokio::time::Instant;

/// 2025-01-01T00:00:00Z in seconds since 1970: the day on which every engine in memory boots.
const BOOT_DAY: i64 = 1_735_689_600;

/// The time since boot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    /// Returns the time since boot.
    pub(crate) fn now(&self) -> Duration {
        self.0.elapsed()
    }

    /// Returns the moment at which so much time has passed since boot.
    pub(crate) fn instant(&self, since_boot: Duration) -> Option<Instant> {
        self.0.checked_add(since_boot)
    }
}

/// Returns (seconds, nanoseconds) since 1970.
pub(crate) fn epoch(since_boot: Duration) -> (i64, u32) {
    let seconds = i64::try_from(since_boot.as_secs()).unwrap_or(i64::MAX);
    (BOOT_DAY.saturating_add(seconds), since_boot.subsec_nanos())
}

/// Returns nanoseconds since 1970.
pub(crate) fn nanoseconds(since_boot: Duration) -> i64 {
    let (seconds, nanoseconds) = epoch(since_boot);
    seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(nanoseconds))
}

/// Returns the time as RFC 3339 with nanoseconds.
pub(crate) fn rfc3339(since_boot: Duration) -> String {
    let (seconds, nanoseconds) = epoch(since_boot);
    match jiff::Timestamp::new(seconds, i32::try_from(nanoseconds).unwrap_or_default()) {
        Ok(time) => format!("{time:.9}"),
        // Beyond the year 9999 no test looks.
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_nanoseconds() {
        assert_eq!(rfc3339(Duration::new(61, 5)), "2025-01-01T00:01:01.000000005Z");
    }
}

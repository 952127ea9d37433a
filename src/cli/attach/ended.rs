//! What the ends of containers mean for `up`: whether it stops, and with which status.

use crate::args::UpArgs;

/// When the end of one container stops all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Abort {
    /// Never.
    Never,
    /// Whatever its status.
    OnExit,
    /// When its status is not 0.
    OnFailure,
}

impl Abort {
    pub(crate) fn of(args: &UpArgs) -> Self {
        if args.abort_on_container_failure {
            Self::OnFailure
        } else if args.abort_on_container_exit || args.exit_code_from.is_some() {
            Self::OnExit
        } else {
            Self::Never
        }
    }
}

/// The ends so far.
#[derive(Debug)]
pub(crate) struct Ends {
    abort: Abort,
    from: Option<String>,
    first: Option<i64>,
    chosen: Option<i64>,
}

impl Ends {
    pub(crate) fn new(abort: Abort, from: Option<String>) -> Self {
        Self { abort, from, first: None, chosen: None }
    }

    /// Takes in the end of a container of a service.
    pub(crate) fn record(&mut self, service: &str, code: i64) {
        let counts = match self.abort {
            Abort::Never => false,
            Abort::OnExit => true,
            Abort::OnFailure => code != 0,
        };
        if counts {
            self.first.get_or_insert(code);
        }
        if self.from.as_deref() == Some(service) {
            self.chosen.get_or_insert(code);
        }
    }

    /// Tells whether all has to stop.
    pub(crate) fn aborts(&self) -> bool {
        self.first.is_some()
    }

    /// Returns the exit status: that of the service asked for, else of the one that stopped all.
    pub(crate) fn status(&self) -> u8 {
        let code = if self.from.is_some() { self.chosen } else { self.first };
        code.map_or(0, |code| u8::try_from(code).unwrap_or(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_end_stops_all_and_gives_the_status() {
        let mut ends = Ends::new(Abort::OnExit, None);
        assert!(!ends.aborts());
        ends.record("job", 3);
        ends.record("web", 137);
        assert!(ends.aborts());
        assert_eq!(ends.status(), 3);
    }

    #[test]
    fn a_failure_is_told_from_an_end() {
        let mut ends = Ends::new(Abort::OnFailure, None);
        ends.record("job", 0);
        assert!(!ends.aborts());
        ends.record("web", 1);
        assert!(ends.aborts());
        assert_eq!(ends.status(), 1);
    }

    #[test]
    fn the_service_asked_for_gives_the_status() {
        let mut ends = Ends::new(Abort::OnExit, Some("test".into()));
        ends.record("web", 9);
        assert!(ends.aborts());
        ends.record("test", 4);
        assert_eq!(ends.status(), 4);
    }

    #[test]
    fn nothing_stops_without_a_flag() {
        let mut ends = Ends::new(Abort::Never, None);
        ends.record("web", 9);
        assert!(!ends.aborts());
        assert_eq!(ends.status(), 0);
    }
}

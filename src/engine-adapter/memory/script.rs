//! What a container does, where its command is not to be interpreted.

use std::time::Duration;

/// The behaviour of a container's first process and of its probes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// Lines put out at the start.
    pub output: Vec<String>,
    /// When it ends by itself.
    pub ends: Ends,
    /// Only SIGKILL ends it.
    pub ignores_signals: bool,
    /// What its probes say.
    pub probes: Probes,
}

/// When a process ends by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ends {
    /// Never.
    #[default]
    Never,
    /// After so long, with this status.
    After {
        /// Since the start.
        time: Duration,
        /// 0 to 255.
        code: i64,
    },
}

/// What probes say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Probes {
    /// The test is interpreted as a command; one that is not known passes.
    #[default]
    Interpreted,
    /// So many fail, the later ones pass.
    PassAfter(u32),
    /// So many pass, the later ones fail.
    FailAfter(u32),
}

impl Script {
    /// Runs until it is stopped.
    pub fn runs() -> Self {
        Self::default()
    }

    /// Ends at once.
    pub fn exits(code: i64) -> Self {
        Self::exits_after(Duration::ZERO, code)
    }

    /// Ends after so long.
    pub fn exits_after(time: Duration, code: i64) -> Self {
        Self { ends: Ends::After { time, code }, ..Self::default() }
    }

    /// Puts these lines out at the start.
    #[must_use]
    pub fn saying(mut self, lines: &[&str]) -> Self {
        self.output = lines.iter().map(|line| (*line).to_owned()).collect();
        self
    }

    /// Ignores all signals but SIGKILL.
    #[must_use]
    pub fn ignoring_signals(mut self) -> Self {
        self.ignores_signals = true;
        self
    }

    /// Says what its probes say.
    #[must_use]
    pub fn probed(mut self, probes: Probes) -> Self {
        self.probes = probes;
        self
    }
}

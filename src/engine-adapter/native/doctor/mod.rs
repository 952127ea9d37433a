//! What this machine can and cannot do for containers: facts are read once (`facts`), and judged without looking again.

mod facts;
mod groups;
mod machine;
mod net;
mod state;

use std::path::Path;

use facts::Facts;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Something that a compose file may ask for is not to be had, or needs a hand.
    Warning,
    /// No container runs without it.
    Missing,
}

impl Verdict {
    /// Returns the word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Missing => "missing",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it is about.
    pub name: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What that means for a compose file; empty where all is well.
    pub means: String,
    /// How to change it.
    pub fix: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, found: found.into(), means: String::new(), fix: None }
    }

    fn warning(name: &'static str, found: impl Into<String>, means: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Warning, found: found.into(), means: means.into(), fix: Some(fix.into()) }
    }

    fn missing(name: &'static str, found: impl Into<String>, means: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Missing, ..Self::warning(name, found, means, fix) }
    }
}

/// Looks at this machine, and at the state of an engine in these folders. Changes neither.
#[must_use]
pub fn examine(root: &Path, run: &Path) -> Vec<Check> {
    let facts = Facts::read(root, run);
    let mut checks = machine::checks(&facts);
    checks.extend(groups::checks(&facts));
    checks.extend(net::checks(&facts));
    checks.extend(state::checks(&facts));
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_wrong_says_what_it_means_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let empty = Facts::default();
        let all = machine::checks(&empty)
            .into_iter()
            .chain(groups::checks(&empty))
            .chain(net::checks(&empty))
            .chain(state::checks(&empty))
            .chain(examine(&folder.path().join("root"), &folder.path().join("run")));
        for check in all {
            match check.verdict {
                Verdict::Ok => assert!(check.fix.is_none(), "{check:?}"),
                Verdict::Warning | Verdict::Missing => assert!(!check.means.is_empty() && check.fix.is_some(), "{check:?}"),
            }
        }
        assert!(!folder.path().join("root").exists() && !folder.path().join("run").exists(), "it made a folder");
    }

    #[test]
    fn a_machine_that_tells_nothing_lacks_all_that_is_needed() {
        let empty = Facts::default();
        let missing: Vec<&str> = machine::checks(&empty)
            .into_iter()
            .chain(groups::checks(&empty))
            .filter(|it| it.verdict == Verdict::Missing)
            .map(|it| it.name)
            .collect();
        assert_eq!(missing, ["root", "kernel", "overlay", "namespaces", "rights", "cgroups"]);
    }
}

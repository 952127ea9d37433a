//! The suite that every engine must pass, the one in memory included.
//!
//! A case says what a caller may rely on, in calls of the three seams only. Where real engines differ among themselves a case
//! takes either answer, and says so. Each case works in a project of its own and takes it away again.

mod containers;
mod copies;
mod files;
mod health;
mod images;
mod networks;
mod scope;
mod site;
mod states;
mod streams;
mod volumes;

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use rcompose_engine_adapter::{Engine, EngineError, ImageReference, Images, Streams};

pub use containers::MISSING_PATH;
pub use site::Site;

/// What the suite needs of an engine under test.
pub trait Harness: Send + Sync {
    /// Returns the engine.
    fn engine(&self) -> Arc<dyn Engine>;

    /// Returns its images.
    fn images(&self) -> Arc<dyn Images>;

    /// Returns its streams.
    fn streams(&self) -> Arc<dyn Streams>;

    /// Returns an image on the engine whose `PATH` has `sh`, `sleep`, `cat`, `seq`, `id`, `pwd`, `true` and `stat`, without
    /// an entrypoint.
    fn shell_image(&self) -> ImageReference;

    /// Returns the start of all names: lower-case letters and digits, another one for each run beside others.
    fn prefix(&self) -> String;
}

/// One thing that callers rely on.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name, in words joined by `_`.
    pub name: &'static str,
    run: for<'a> fn(&'a Site) -> BoxFuture<'a, Verdict>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

type Verdict = Result<(), Broken>;

/// What was not as it must be.
#[derive(Debug)]
struct Broken(String);

impl From<EngineError> for Broken {
    fn from(error: EngineError) -> Self {
        Self(format!("a call failed ({:?}): {error}", error.kind))
    }
}

/// A case that an engine does not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The case.
    pub case: &'static str,
    /// What was not as it must be.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.case, self.message)
    }
}

macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err($crate::contract::Broken(format!($($message)+)));
        }
    };
}
use ensure;

macro_rules! case {
    ($($function:path),* $(,)?) => {
        vec![$($crate::contract::Case { name: stringify!($function), run: |site| Box::pin($function(site)) }),*]
    };
}
use case;

/// Returns every case.
pub fn cases() -> Vec<Case> {
    let groups = [
        containers::cases(),
        states::cases(),
        scope::cases(),
        networks::cases(),
        volumes::cases(),
        files::cases(),
        copies::cases(),
        health::cases(),
        images::cases(),
        streams::cases(),
    ];
    groups.into_iter().flatten().collect()
}

/// Runs one case, and takes away what it made.
pub async fn run_case(harness: &dyn Harness, number: usize, case: &Case) -> Result<(), Failure> {
    let site = Site::new(harness, number);
    let verdict = (case.run)(&site).await;
    let cleared = site.clear().await;
    let broken = |broken: Broken| Failure { case: case.name, message: broken.0 };
    verdict.map_err(broken)?;
    cleared.map_err(broken)
}

/// Runs every case and returns those that failed.
pub async fn suite(harness: &dyn Harness) -> Vec<Failure> {
    let mut failures = Vec::new();
    for (number, case) in cases().iter().enumerate() {
        failures.extend(run_case(harness, number, case).await.err());
    }
    failures
}

//! Flags of `pull`.

use clap::{Args, ValueEnum};

/// Flags of `pull`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is one flag")]
pub(crate) struct PullArgs {
    /// Services; default: all
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Leave out images that can be built
    #[arg(long)]
    pub(crate) ignore_buildable: bool,
    /// Go on past images that cannot be pulled
    #[arg(long)]
    pub(crate) ignore_pull_failures: bool,
    /// What the services depend on, too
    #[arg(long)]
    pub(crate) include_deps: bool,
    /// Which images are pulled; default: as each service says
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: Option<PullVerbPolicy>,
    /// Without progress
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Pull at the same time (it always is)
    #[arg(long = "parallel", id = "pull_parallel", hide = true, default_value_t = true)]
    pub(crate) parallel: bool,
    /// Pull one after the other
    #[arg(long, hide = true)]
    pub(crate) no_parallel: bool,
}

/// Which images `pull` pulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PullVerbPolicy {
    /// Those that are not there
    Missing,
    /// All
    Always,
}

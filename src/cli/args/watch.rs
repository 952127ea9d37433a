//! Flags of the verbs that look on: `events`, `stats`, `wait`.

use clap::Args;

/// Flags of `events`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct EventsArgs {
    /// Services; default: all
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// Also what happened since this time, or so long ago (`42m`)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Up to this time, or so long ago (`42m`)
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
}

/// Flags of `wait`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct WaitArgs {
    /// Services
    #[arg(value_name = "SERVICE", required = true)]
    pub(crate) services: Vec<String>,
    /// Take the project down when they have ended
    #[arg(long)]
    pub(crate) down_project: bool,
}

/// Flags of `stats`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct StatsArgs {
    /// The service; default: all
    #[arg(value_name = "SERVICE")]
    pub(crate) service: Option<String>,
    /// Stopped containers, too
    #[arg(short, long)]
    pub(crate) all: bool,
    /// `table`, `json`, or a template such as `table {{.Name}}\t{{.CPUPerc}}`
    #[arg(long, value_name = "FORM")]
    pub(crate) format: Option<String>,
    /// Measure once
    #[arg(long)]
    pub(crate) no_stream: bool,
    /// Whole ids
    #[arg(long)]
    pub(crate) no_trunc: bool,
}

//! Flags of the verbs that list: `ps`, `ls`, `port`, `version`.

use clap::{Args, ValueEnum};

/// Flags of `ps`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is one flag")]
pub(crate) struct PsArgs {
    /// Services; default: all
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Stopped containers and those of `run`, too
    #[arg(short, long)]
    pub(crate) all: bool,
    /// `status=STATE`
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) filter: Option<String>,
    /// `table`, `json`, or a template such as `table {{.Name}}\t{{.State}}`
    #[arg(long, value_name = "FORM")]
    pub(crate) format: Option<String>,
    /// Whole texts
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Containers whose service is in no file, too
    #[arg(long, default_value_t = true)]
    pub(crate) orphans: bool,
    /// Ids only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Names of services only
    #[arg(long = "services")]
    pub(crate) services_only: bool,
    /// Containers in this state
    #[arg(long, value_name = "STATE")]
    pub(crate) status: Vec<State>,
}

/// What a container does, as `--status` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    /// Its processes are frozen
    Paused,
    /// About to be started again
    Restarting,
    /// Being removed
    Removing,
    /// Its process runs
    Running,
    /// Could not be removed in full
    Dead,
    /// Made, never started
    Created,
    /// Ended
    Exited,
}

/// Flags of `ls`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LsArgs {
    /// Stopped projects, too
    #[arg(short, long)]
    pub(crate) all: bool,
    /// `name=PATTERN`
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) filter: Vec<String>,
    /// `table` or `json`
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub(crate) format: String,
    /// Names only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Flags of `port`.
#[derive(Debug, Clone, Args)]
pub(crate) struct PortArgs {
    /// The service
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
    /// The port in the container; default: all that are published
    #[arg(value_name = "PRIVATE_PORT")]
    pub(crate) private_port: Option<u16>,
    /// The replica with this number; default: the lowest that runs
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) index: u32,
    /// `tcp`, `udp` or `sctp`; default: tcp
    #[arg(long, value_name = "PROTOCOL")]
    pub(crate) protocol: Option<String>,
}

/// Flags of `version`.
#[derive(Debug, Clone, Args)]
pub(crate) struct VersionArgs {
    /// `pretty` or `json`
    #[arg(short, long, value_name = "FORM")]
    pub(crate) format: Option<String>,
    /// The number only
    #[arg(long)]
    pub(crate) short: bool,
}

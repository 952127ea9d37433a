//! Flags of the verbs that work on containers that are there.

use clap::{Args, ValueEnum};

use super::values::seconds;

/// Flags of `down`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DownArgs {
    /// Services; default: all
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Remove containers whose service is in no file
    #[arg(long)]
    pub(crate) remove_orphans: bool,
    /// Remove images: `local` without a name of their own, or `all`
    #[arg(long, value_name = "WHICH")]
    pub(crate) rmi: Option<Rmi>,
    /// Seconds a container has to end before it is killed
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) timeout: Option<i64>,
    /// Remove volumes with their content
    #[arg(short, long)]
    pub(crate) volumes: bool,
    /// Take over what another folder's project of this name made
    #[arg(long)]
    pub(crate) adopt: bool,
}

/// Which images `down` removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rmi {
    /// Those without a name of their own in the file
    Local,
    /// Every one a service uses
    All,
}

/// Services, and nothing else.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct NamedArgs {
    /// Services; default: all
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
}

/// Flags of `start`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct StartArgs {
    /// Services; default: all
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Wait until services are ready and jobs ended well
    #[arg(long)]
    pub(crate) wait: bool,
    /// Seconds to wait at the most
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) wait_timeout: Option<i64>,
}

/// Flags of `stop`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct StopArgs {
    /// Services; default: all
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Seconds a container has to end before it is killed
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) timeout: Option<i64>,
}

/// Flags of `restart`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RestartArgs {
    /// Services; default: all
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Leave out what depends on them
    #[arg(long)]
    pub(crate) no_deps: bool,
    /// Seconds a container has to end before it is killed
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) timeout: Option<i64>,
}

/// Flags of `kill`.
#[derive(Debug, Clone, Args)]
pub(crate) struct KillArgs {
    /// Services; default: all
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Containers whose service is in no file, too
    #[arg(long)]
    pub(crate) remove_orphans: bool,
    /// The signal
    #[arg(short, long, default_value = "SIGKILL")]
    pub(crate) signal: String,
}

/// Flags of `rm`.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is one flag")]
pub(crate) struct RmArgs {
    /// Services; default: all
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Ask no question
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Stop them first
    #[arg(short, long)]
    pub(crate) stop: bool,
    /// Anonymous volumes, too
    #[arg(short, long)]
    pub(crate) volumes: bool,
    /// The older form: containers of `run`, too (they always are)
    #[arg(short, long, hide = true)]
    pub(crate) all: bool,
}

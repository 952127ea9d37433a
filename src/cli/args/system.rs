//! Flags of the verbs about the machine and the engine as a whole.

use clap::{Args, Subcommand};

/// `system …`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SystemArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: SystemVerb,
}

/// What to do with the engine as a whole.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum SystemVerb {
    /// Show which engine answers, why, and what it stands on
    Info(SystemInfoArgs),
    /// Show how much room images, containers and volumes take
    Df(SystemDfArgs),
    /// Remove what nothing uses: ended containers, networks, images without a name
    Prune(SystemPruneArgs),
    /// Show what this machine can and cannot do for the native engine, and how to change it
    Doctor(SystemDoctorArgs),
    /// Let a project come up with the machine: writes a systemd unit for it
    Enable(SystemEnableArgs),
    /// Take that back; what runs goes on
    Disable(SystemDisableArgs),
    /// Bring up what was up when the machine went down; the unit of `enable` calls this
    Start,
    /// Stop a project with the machine, so that it comes up with it; the unit of `enable` calls this
    Stop,
}

/// Flags of `system info`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SystemInfoArgs {
    /// `text` or `json`
    #[arg(short, long, value_name = "FORM", default_value = "text", value_parser = ["text", "json"])]
    pub(crate) format: String,
}

/// Flags of `system df`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SystemDfArgs {
    /// One by one
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// `table`, `json`, or a template such as `{{.Type}} {{.Size}}`
    #[arg(long, value_name = "FORM")]
    pub(crate) format: Option<String>,
}

/// Flags of `system prune`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SystemPruneArgs {
    /// Images with names, too, unless a container has them
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Volumes that nobody named, too, unless a container has them
    #[arg(long)]
    pub(crate) volumes: bool,
    /// `until=WHEN`, `label=KEY[=VALUE]` or `label!=KEY[=VALUE]`
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) filter: Vec<String>,
    /// Without asking
    #[arg(short, long)]
    pub(crate) force: bool,
}

/// Flags of `system doctor`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SystemDoctorArgs {
    /// `text` or `json`
    #[arg(long, value_name = "FORM", default_value = "text", value_parser = ["text", "json"])]
    pub(crate) format: String,
}

/// Flags of `system enable`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SystemEnableArgs {
    /// The project; default: that of the compose files here
    #[arg(value_name = "PROJECT")]
    pub(crate) project: Option<String>,
    /// Print the unit and change nothing
    #[arg(long)]
    pub(crate) print: bool,
}

/// Flags of `system disable`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SystemDisableArgs {
    /// The project; default: that of the compose files here
    #[arg(value_name = "PROJECT")]
    pub(crate) project: Option<String>,
}

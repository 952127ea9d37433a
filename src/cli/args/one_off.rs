//! Flags of `run` and `exec`. What follows the service belongs to the command, whatever it looks like.

use std::path::PathBuf;

use clap::Args;

use super::PullWhen;
use super::values::pair;

/// Flags of `exec`.
#[derive(Debug, Clone, Args)]
#[command(override_usage = "rcompose exec [OPTIONS] SERVICE COMMAND [ARGUMENT]...")]
#[expect(clippy::struct_excessive_bools, reason = "each is one flag")]
pub(crate) struct ExecArgs {
    /// The service, the command and its arguments
    #[arg(value_name = "SERVICE COMMAND", trailing_var_arg = true, required = true, num_args = 1..)]
    pub(crate) words: Vec<String>,
    /// Return at once
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Variables; without a value it is taken from here
    #[arg(short, long, value_name = "KEY[=VALUE]", value_parser = pair)]
    pub(crate) env: Vec<(String, Option<String>)>,
    /// The replica with this number; default: the lowest that runs
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) index: u32,
    /// All rights of the host
    #[arg(long)]
    pub(crate) privileged: bool,
    /// Without a terminal
    #[arg(short = 'T', long = "no-tty", alias = "no-TTY")]
    pub(crate) no_tty: bool,
    /// User, `user[:group]`
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    /// Folder in the container
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) workdir: Option<String>,
    /// Connect standard input (it always is)
    #[arg(short, long, hide = true, default_value_t = true)]
    pub(crate) interactive: bool,
    /// With a terminal (the default on one)
    #[arg(short, long, hide = true, default_value_t = true)]
    pub(crate) tty: bool,
}

/// Flags of `run`.
#[derive(Debug, Clone, Args)]
#[command(override_usage = "rcompose run [OPTIONS] SERVICE [COMMAND] [ARGUMENT]...")]
#[expect(clippy::struct_excessive_bools, reason = "each is one flag")]
pub(crate) struct RunArgs {
    /// The service, and a command with its arguments instead of the service's own
    #[arg(value_name = "SERVICE COMMAND", trailing_var_arg = true, required = true, num_args = 1..)]
    pub(crate) words: Vec<String>,
    /// Build the image first
    #[arg(long)]
    pub(crate) build: bool,
    /// Capabilities to add
    #[arg(long, value_name = "CAPABILITY")]
    pub(crate) cap_add: Vec<String>,
    /// Capabilities to drop
    #[arg(long, value_name = "CAPABILITY")]
    pub(crate) cap_drop: Vec<String>,
    /// Leave it in the background and print its name
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Instead of the service's entrypoint
    #[arg(long, value_name = "COMMAND")]
    pub(crate) entrypoint: Option<String>,
    /// Variables; without a value it is taken from here
    #[arg(short, long, value_name = "KEY[=VALUE]", value_parser = pair)]
    pub(crate) env: Vec<(String, Option<String>)>,
    /// Files of variables
    #[arg(long, value_name = "FILE")]
    pub(crate) env_from_file: Vec<PathBuf>,
    /// Connect standard input
    #[arg(short, long, default_value_t = true)]
    pub(crate) interactive: bool,
    /// Labels
    #[arg(short, long, value_name = "KEY[=VALUE]", value_parser = pair)]
    pub(crate) label: Vec<(String, Option<String>)>,
    /// Name of the container
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Leave out what the service depends on
    #[arg(long)]
    pub(crate) no_deps: bool,
    /// Without a terminal
    #[arg(short = 'T', long = "no-tty", alias = "no-TTY")]
    pub(crate) no_tty: bool,
    /// Ports to publish
    #[arg(short, long, value_name = "PORT")]
    pub(crate) publish: Vec<String>,
    /// When images are pulled; default: as each service says
    #[arg(long, value_name = "WHEN")]
    pub(crate) pull: Option<PullWhen>,
    /// Print nothing of our own
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Build without output
    #[arg(long)]
    pub(crate) quiet_build: bool,
    /// Pull without progress
    #[arg(long)]
    pub(crate) quiet_pull: bool,
    /// Remove containers whose service is in no file
    #[arg(long)]
    pub(crate) remove_orphans: bool,
    /// Remove the container when it ends
    #[arg(long)]
    pub(crate) rm: bool,
    /// Publish the service's ports
    #[arg(short = 'P', long)]
    pub(crate) service_ports: bool,
    /// With a terminal (the default on one)
    #[arg(short, long, hide = true, default_value_t = true)]
    pub(crate) tty: bool,
    /// Found by the service's names
    #[arg(long)]
    pub(crate) use_aliases: bool,
    /// User, `user[:group]`
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    /// Mounts to add
    #[arg(short, long, value_name = "VOLUME")]
    pub(crate) volume: Vec<String>,
    /// Folder in the container
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) workdir: Option<String>,
    /// Say yes to every question
    #[arg(short, long, alias = "y")]
    pub(crate) yes: bool,
}

//! Flags of every verb.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Flags of every verb. Those without a short form may also follow the verb.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Compose files; later ones override earlier ones, `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Vec<String>,
    /// Name of the project
    #[arg(short, long, value_name = "NAME")]
    pub(crate) project_name: Option<String>,
    /// Folder of the project; default: that of the first compose file
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) project_directory: Option<PathBuf>,
    /// Profiles to enable
    #[arg(long, global = true, value_name = "PROFILE")]
    pub(crate) profile: Vec<String>,
    /// Files of variables instead of `.env`
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
    /// The engine that runs the containers
    #[arg(long, global = true, value_name = "ENGINE", env = "RCOMPOSE_ENGINE", hide_env_values = true)]
    pub(crate) engine: Option<EngineChoice>,
    /// Print the plan and change nothing
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,
    /// Make errors of all warnings: of the files, and of attributes that the engine cannot honour
    #[arg(long, global = true)]
    pub(crate) strict: bool,
    /// How progress is shown
    #[arg(long, global = true, value_name = "FORM")]
    pub(crate) progress: Option<Progress>,
    /// When colours and cursor movement are used
    #[arg(long, global = true, value_name = "WHEN")]
    pub(crate) ansi: Option<Ansi>,
    /// Engine calls at the same time; -1 is without limit
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub(crate) parallel: Option<i64>,
    /// Include networks, volumes, secrets and configs that no service uses
    #[arg(long, global = true)]
    pub(crate) all_resources: bool,
    /// Join words of container names with `_`
    #[arg(long, global = true)]
    pub(crate) compatibility: bool,
    /// Tell developers more
    #[arg(long, global = true, hide = true)]
    pub(crate) verbose: bool,
    /// Show the version
    #[arg(short, long, hide = true)]
    pub(crate) version: bool,
    /// The older form of `--ansi never`
    #[arg(long, global = true, hide = true)]
    pub(crate) no_ansi: bool,
    /// The older form of `--project-directory`
    #[arg(long = "workdir", hide = true, value_name = "FOLDER")]
    pub(crate) older_project_directory: Option<PathBuf>,
    /// Registries of remote compose files that are spoken to without TLS
    #[arg(long, global = true, hide = true, value_name = "HOST")]
    pub(crate) insecure_registry: Vec<String>,
}

/// The engine that runs the containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineChoice {
    /// The one that is there
    Auto,
    /// A Docker engine
    Docker,
    /// Our own
    Native,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// `tty` on a terminal, else `plain`
    Auto,
    /// A live tree
    Tty,
    /// A line for each change
    Plain,
    /// One JSON object a line
    Json,
    /// Nothing
    Quiet,
}

/// When colours and cursor movement are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ansi {
    /// On a terminal
    Auto,
    /// Never
    Never,
    /// Always
    Always,
}

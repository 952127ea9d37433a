//! Flags of `config`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Flags of `config`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is one flag")]
pub(crate) struct ConfigArgs {
    /// Services, with what they depend on; default: all
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Print only what is wrong and what is worth saying; as data for editors with `--format json`
    #[arg(long, conflicts_with_all = ["why", "trace", "quiet"])]
    pub(crate) diagnostics: bool,
    /// Print the variables that the files were resolved with
    #[arg(long)]
    pub(crate) environment: bool,
    /// The form
    #[arg(long, value_name = "FORM")]
    pub(crate) format: Option<ConfigFormat>,
    /// Print the configuration hash of these services (comma list), `*` for all
    #[arg(long, value_name = "SERVICES")]
    pub(crate) hash: Option<String>,
    /// Print the images
    #[arg(long)]
    pub(crate) images: bool,
    /// Print an override file that pins images to digests
    #[arg(long, conflicts_with_all = ["no_interpolate", "variables"])]
    pub(crate) lock_image_digests: bool,
    /// Print the names of the models
    #[arg(long)]
    pub(crate) models: bool,
    /// Print the names of the networks
    #[arg(long)]
    pub(crate) networks: bool,
    /// Leave out the checks across services
    #[arg(long)]
    pub(crate) no_consistency: bool,
    /// Keep `env_file` unread
    #[arg(long)]
    pub(crate) no_env_resolution: bool,
    /// Keep variables as they are written
    #[arg(long)]
    pub(crate) no_interpolate: bool,
    /// Add nothing that is implied
    #[arg(long)]
    pub(crate) no_normalize: bool,
    /// Keep relative paths
    #[arg(long)]
    pub(crate) no_path_resolution: bool,
    /// Write to this file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print the names of the profiles
    #[arg(long)]
    pub(crate) profiles: bool,
    /// Check only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Pin images to digests
    #[arg(long, conflicts_with_all = ["no_interpolate", "variables"])]
    pub(crate) resolve_image_digests: bool,
    /// Print the names of the services
    #[arg(long = "services")]
    pub(crate) services_only: bool,
    /// Print the variables that the files use
    #[arg(long)]
    pub(crate) variables: bool,
    /// Show which file and line each element of a part of the project comes from, such as `services.web.ports`
    #[arg(long, value_name = "PATH", conflicts_with_all = ["why", "no_interpolate", "quiet"])]
    pub(crate) trace: Option<String>,
    /// Print the names of the volumes
    #[arg(long)]
    pub(crate) volumes: bool,
    /// Show who sets a variable, who was shadowed, and where it is used
    #[arg(long, value_name = "VARIABLE", conflicts_with_all = ["no_interpolate", "quiet"])]
    pub(crate) why: Option<String>,
}

/// How a project is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConfigFormat {
    /// YAML
    Yaml,
    /// JSON
    Json,
}

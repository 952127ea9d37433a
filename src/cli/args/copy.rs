//! Flags of `cp` and `attach`.

use clap::Args;

/// Flags of `cp`.
#[derive(Debug, Clone, Default, Args)]
#[command(
    override_usage = "rcompose cp [OPTIONS] SERVICE:PATH PATH|-\n       rcompose cp [OPTIONS] PATH|- SERVICE:PATH",
    after_help = "`PATH/.` means what is in a folder, and `-` a tar archive on standard input or output. What is copied into a service comes \
                  into all of its containers; what is copied out of it comes from the first."
)]
pub(crate) struct CpArgs {
    /// What is copied
    #[arg(value_name = "SOURCE")]
    pub(crate) source: String,
    /// Where to
    #[arg(value_name = "DESTINATION")]
    pub(crate) destination: String,
    /// Containers of `run`, too
    #[arg(long)]
    pub(crate) all: bool,
    /// Keep users and groups, and programs' rights
    #[arg(short, long)]
    pub(crate) archive: bool,
    /// Copy what a link leads to, not the link
    #[arg(short = 'L', long)]
    pub(crate) follow_link: bool,
    /// The replica with this number only
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) index: u32,
}

/// Flags of `attach`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AttachArgs {
    /// The service
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
    /// Keys that detach, such as `ctrl-p,ctrl-q`
    #[arg(long, value_name = "KEYS")]
    pub(crate) detach_keys: Option<String>,
    /// The replica with this number; default: the lowest that runs
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) index: u32,
    /// Leave standard input alone
    #[arg(long)]
    pub(crate) no_stdin: bool,
    /// Pass signals on to the process; `--sig-proxy=false` does not
    #[arg(long, default_value_t = true)]
    pub(crate) sig_proxy: bool,
}

//! Flags of `logs`.

use clap::Args;

/// Flags of `logs`.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is one flag")]
pub(crate) struct LogsArgs {
    /// Services; default: all
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Go on as lines come
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// The replica with this number only
    #[arg(long, value_name = "NUMBER")]
    pub(crate) index: Option<u32>,
    /// Output without colours
    #[arg(long)]
    pub(crate) no_color: bool,
    /// Lines without the container's name
    #[arg(long)]
    pub(crate) no_log_prefix: bool,
    /// Nothing earlier than this time, or so long ago (`42m`)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// The last so many lines of each container
    #[arg(short = 'n', long, value_name = "LINES", default_value = "all", allow_negative_numbers = true)]
    pub(crate) tail: String,
    /// Lines with the time
    #[arg(short, long)]
    pub(crate) timestamps: bool,
    /// Nothing later than this time, or so long ago (`42m`)
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
}

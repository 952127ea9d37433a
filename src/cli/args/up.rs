//! Flags of `up` and `create`.

use clap::{Args, ValueEnum};

use super::values::{scale, seconds};

/// Flags of `up`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct UpArgs {
    /// Services, with what they depend on; default: all
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Stop all containers when one ends
    #[arg(long)]
    pub(crate) abort_on_container_exit: bool,
    /// Stop all containers when one fails
    #[arg(long)]
    pub(crate) abort_on_container_failure: bool,
    /// Recreate what the services depend on, too
    #[arg(long)]
    pub(crate) always_recreate_deps: bool,
    /// Show the output of these services only
    #[arg(long, value_name = "SERVICE")]
    pub(crate) attach: Vec<String>,
    /// Show the output of what the services depend on, too
    #[arg(long)]
    pub(crate) attach_dependencies: bool,
    /// Build images first
    #[arg(long)]
    pub(crate) build: bool,
    /// Leave containers running in the background
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// End with the status of this service; stops all when one ends
    #[arg(long, value_name = "SERVICE")]
    pub(crate) exit_code_from: Option<String>,
    /// Recreate containers although nothing changed
    #[arg(long)]
    pub(crate) force_recreate: bool,
    /// Keyboard shortcuts
    #[arg(long, hide = true)]
    pub(crate) menu: bool,
    /// Leave out the output of these services
    #[arg(long, value_name = "SERVICE")]
    pub(crate) no_attach: Vec<String>,
    /// Build nothing
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Output without colours
    #[arg(long)]
    pub(crate) no_color: bool,
    /// Leave out what the services depend on
    #[arg(long)]
    pub(crate) no_deps: bool,
    /// Lines without the container's name
    #[arg(long)]
    pub(crate) no_log_prefix: bool,
    /// Leave containers that are there as they are
    #[arg(long)]
    pub(crate) no_recreate: bool,
    /// Create, and start nothing
    #[arg(long)]
    pub(crate) no_start: bool,
    /// When images are pulled; default: as each service says
    #[arg(long, value_name = "WHEN")]
    pub(crate) pull: Option<PullWhen>,
    /// Build without output
    #[arg(long)]
    pub(crate) quiet_build: bool,
    /// Pull without progress
    #[arg(long)]
    pub(crate) quiet_pull: bool,
    /// Remove containers whose service is in no file
    #[arg(long)]
    pub(crate) remove_orphans: bool,
    /// Anonymous volumes start empty
    #[arg(short = 'V', long)]
    pub(crate) renew_anon_volumes: bool,
    /// Replicas of a service
    #[arg(long, value_name = "SERVICE=NUMBER", value_parser = scale)]
    pub(crate) scale: Vec<(String, u32)>,
    /// Seconds a container has to end before it is killed
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) timeout: Option<i64>,
    /// Lines with the time
    #[arg(long)]
    pub(crate) timestamps: bool,
    /// Wait until services are ready and jobs ended well; leaves them in the background
    #[arg(long)]
    pub(crate) wait: bool,
    /// Seconds to wait at the most
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) wait_timeout: Option<i64>,
    /// Follow the sources
    #[arg(short, long, hide = true)]
    pub(crate) watch: bool,
    /// Take over what another folder's project of this name made
    #[arg(long)]
    pub(crate) adopt: bool,
    /// Say yes to every question
    #[arg(short, long, alias = "y")]
    pub(crate) yes: bool,
}

/// Flags of `create`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct CreateArgs {
    /// Services, with what they depend on; default: all
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Build images first
    #[arg(long)]
    pub(crate) build: bool,
    /// Recreate containers although nothing changed
    #[arg(long)]
    pub(crate) force_recreate: bool,
    /// Build nothing
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Leave containers that are there as they are
    #[arg(long)]
    pub(crate) no_recreate: bool,
    /// When images are pulled; default: as each service says
    #[arg(long, value_name = "WHEN")]
    pub(crate) pull: Option<PullWhen>,
    /// Pull without progress
    #[arg(long)]
    pub(crate) quiet_pull: bool,
    /// Remove containers whose service is in no file
    #[arg(long)]
    pub(crate) remove_orphans: bool,
    /// Replicas of a service
    #[arg(long, value_name = "SERVICE=NUMBER", value_parser = scale)]
    pub(crate) scale: Vec<(String, u32)>,
    /// Take over what another folder's project of this name made
    #[arg(long)]
    pub(crate) adopt: bool,
    /// Say yes to every question
    #[arg(short, long, alias = "y")]
    pub(crate) yes: bool,
}

/// Flags of `scale`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ScaleArgs {
    /// Replicas of a service
    #[arg(value_name = "SERVICE=NUMBER", value_parser = scale, required = true)]
    pub(crate) scale: Vec<(String, u32)>,
    /// Leave what they depend on alone
    #[arg(long)]
    pub(crate) no_deps: bool,
}

/// When images are pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PullWhen {
    /// Every time
    Always,
    /// When they are not there
    #[value(alias = "if_not_present")]
    Missing,
    /// Not at all
    Never,
    /// They are built
    Build,
    /// As each service says
    #[value(hide = true)]
    Policy,
}

impl From<CreateArgs> for UpArgs {
    /// `create` is `up` without the start.
    fn from(args: CreateArgs) -> Self {
        Self {
            services: args.services,
            build: args.build,
            force_recreate: args.force_recreate,
            no_build: args.no_build,
            no_recreate: args.no_recreate,
            no_start: true,
            pull: args.pull,
            quiet_pull: args.quiet_pull,
            remove_orphans: args.remove_orphans,
            scale: args.scale,
            adopt: args.adopt,
            yes: args.yes,
            ..Self::default()
        }
    }
}

impl From<ScaleArgs> for UpArgs {
    /// `scale` is `up` of those services.
    fn from(args: ScaleArgs) -> Self {
        let services = args.scale.iter().map(|(service, _)| service.clone()).collect();
        Self { services, detach: true, no_deps: args.no_deps, scale: args.scale, ..Self::default() }
    }
}

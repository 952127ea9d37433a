//! What is typed: global flags, verbs and their flags, with the meaning they have for docker compose.

mod build;
mod config;
mod copy;
mod globals;
mod graph;
mod image;
mod list;
mod logs;
mod one_off;
mod parse;
mod pull;
mod select;
mod system;
mod up;
mod values;
mod watch;

use clap::{Parser, Subcommand};

pub(crate) use build::BuildArgs;
pub(crate) use config::{ConfigArgs, ConfigFormat};
pub(crate) use copy::{AttachArgs, CpArgs};
pub(crate) use globals::{Ansi, EngineChoice, Globals, Progress};
pub(crate) use graph::{GraphArgs, GraphFormat, PlanArgs, PlanFormat};
pub(crate) use image::{ImageArgs, LoginArgs, LogoutArgs};
#[cfg(target_os = "linux")]
pub(crate) use image::{
    ImageHistoryArgs, ImageImportArgs, ImageInspectArgs, ImageLoadArgs, ImageLsArgs, ImagePruneArgs, ImagePullArgs, ImagePushArgs,
    ImageRmArgs, ImageSaveArgs, ImageTagArgs, ImageVerb, ImageVerifyArgs, RegistryArgs,
};
pub(crate) use list::{LsArgs, PortArgs, PsArgs, State, VersionArgs};
pub(crate) use logs::LogsArgs;
pub(crate) use one_off::{ExecArgs, RunArgs};
pub(crate) use parse::{Parsed, parse};
pub(crate) use pull::{PullArgs, PullVerbPolicy};
pub(crate) use select::{DownArgs, KillArgs, NamedArgs, RestartArgs, RmArgs, Rmi, StartArgs, StopArgs};
pub(crate) use system::{SystemArgs, SystemDfArgs, SystemInfoArgs, SystemPruneArgs, SystemVerb};
#[cfg(target_os = "linux")]
pub(crate) use system::{SystemDisableArgs, SystemDoctorArgs, SystemEnableArgs};
pub(crate) use up::{CreateArgs, PullWhen, UpArgs};
pub(crate) use values::grace;
pub(crate) use watch::{EventsArgs, StatsArgs, WaitArgs};

/// Runs anybody's compose.yaml, with a plan you can read before it happens
#[derive(Debug, Parser)]
#[command(
    name = "rcompose",
    bin_name = "rcompose",
    disable_version_flag = true,
    args_override_self = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    /// Flags of every verb.
    #[command(flatten)]
    pub(crate) globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Create and start containers
    Up(Box<UpArgs>),
    /// Show what `up` would do, and why
    Plan(Box<PlanArgs>),
    /// Show which service waits for which
    Graph(GraphArgs),
    /// Create containers, not started
    Create(CreateArgs),
    /// Stop and remove containers and networks
    Down(DownArgs),
    /// List containers
    Ps(PsArgs),
    /// List projects
    Ls(LsArgs),
    /// Show the output of containers
    Logs(LogsArgs),
    /// Show what happens to containers
    Events(EventsArgs),
    /// Wait until containers have ended
    Wait(WaitArgs),
    /// Show where ports are published
    Port(PortArgs),
    /// List the processes of containers
    Top(NamedArgs),
    /// Show what containers use
    Stats(StatsArgs),
    /// Check, resolve and print the project
    #[command(alias = "convert")]
    Config(Box<ConfigArgs>),
    /// Pull images
    Pull(PullArgs),
    /// Build images
    Build(BuildArgs),
    /// Start containers that are there
    Start(StartArgs),
    /// Stop containers
    Stop(StopArgs),
    /// Restart containers
    Restart(RestartArgs),
    /// Send a signal to containers
    Kill(KillArgs),
    /// Remove stopped containers
    Rm(RmArgs),
    /// Freeze containers
    Pause(NamedArgs),
    /// Thaw containers
    Unpause(NamedArgs),
    /// Run a command in a container that runs
    Exec(ExecArgs),
    /// Join this terminal to a container's process
    Attach(AttachArgs),
    /// Copy files into containers, or out of one
    Cp(CpArgs),
    /// Run a one-off command in a new container of a service
    Run(Box<RunArgs>),
    /// Images of our own store
    Image(Box<ImageArgs>),
    /// The engine as a whole, and this machine
    System(SystemArgs),
    /// Log in to a registry
    Login(LoginArgs),
    /// Log out from a registry
    Logout(LogoutArgs),
    /// Show the version
    Version(VersionArgs),
}

impl Verb {
    /// Returns the word that is typed, for messages and the lock.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Up(_) => "up",
            Self::Plan(_) => "plan",
            Self::Graph(_) => "graph",
            Self::Create(_) => "create",
            Self::Down(_) => "down",
            Self::Ps(_) => "ps",
            Self::Ls(_) => "ls",
            Self::Logs(_) => "logs",
            Self::Events(_) => "events",
            Self::Wait(_) => "wait",
            Self::Port(_) => "port",
            Self::Top(_) => "top",
            Self::Stats(_) => "stats",
            Self::Config(_) => "config",
            Self::Pull(_) => "pull",
            Self::Build(_) => "build",
            Self::Start(_) => "start",
            Self::Stop(_) => "stop",
            Self::Restart(_) => "restart",
            Self::Kill(_) => "kill",
            Self::Rm(_) => "rm",
            Self::Pause(_) => "pause",
            Self::Unpause(_) => "unpause",
            Self::Exec(_) => "exec",
            Self::Attach(_) => "attach",
            Self::Cp(_) => "cp",
            Self::Run(_) => "run",
            Self::Image(_) => "image",
            Self::System(_) => "system",
            Self::Login(_) => "login",
            Self::Logout(_) => "logout",
            Self::Version(_) => "version",
        }
    }
}

/// Verbs of docker compose that this version does not have; they are in no help and no completion.
pub(crate) const ABSENT: &[&str] = &["alpha", "bridge", "commit", "export", "images", "publish", "push", "scale", "volumes", "watch"];

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

use clap::error::ErrorKind;
use clap::{ArgMatches, Command, FromArgMatches, Parser, Subcommand};

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
pub(crate) use up::{CreateArgs, PullWhen, ScaleArgs, UpArgs};
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

/// Declares the verbs, each of which can be had by itself: there are hundreds of flags, and to put all of them together takes a good part of what a
/// short command takes.
macro_rules! verbs {
    ($($verb:ident($args:ty) = $name:literal $(| $alias:literal)?, $about:literal;)+) => {
        /// What to do.
        #[derive(Debug)]
        pub(crate) enum Verb {
            $(#[doc = $about] $verb($args),)+
        }

        impl Verb {
            /// Returns the word that is typed, for messages and the lock.
            pub(crate) fn name(&self) -> &'static str {
                match self {
                    $(Self::$verb(_) => $name,)+
                }
            }

            /// Returns the verb that a word names.
            fn named(word: &str) -> Option<Command> {
                match word {
                    // The flags bring a sentence of their own along, which is not the verb's.
                    $($name $(| $alias)? => {
                        Some(<$args as clap::Args>::augment_args(Command::new($name)).about($about)$(.alias($alias))?)
                    })+
                    _ => None,
                }
            }
        }

        impl Subcommand for Verb {
            fn augment_subcommands(command: Command) -> Command {
                command.subcommands([$($name),+].into_iter().filter_map(Self::named))
            }

            fn augment_subcommands_for_update(command: Command) -> Command {
                Self::augment_subcommands(command)
            }

            fn has_subcommand(name: &str) -> bool {
                matches!(name, $($name $(| $alias)?)|+)
            }
        }

        impl FromArgMatches for Verb {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                Self::from_arg_matches_mut(&mut matches.clone())
            }

            fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
                let (name, mut found) = matches.remove_subcommand().unwrap_or_default();
                match name.as_str() {
                    $($name => FromArgMatches::from_arg_matches_mut(&mut found).map(Self::$verb),)+
                    _ => Err(clap::Error::raw(ErrorKind::MissingSubcommand, "a verb is missing")),
                }
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                *self = Self::from_arg_matches(matches)?;
                Ok(())
            }
        }
    };
}

verbs! {
    Up(Box<UpArgs>) = "up", "Create and start containers";
    Plan(Box<PlanArgs>) = "plan", "Show what `up` would do, and why";
    Graph(GraphArgs) = "graph", "Show which service waits for which";
    Create(CreateArgs) = "create", "Create containers, not started";
    Scale(ScaleArgs) = "scale", "Change the number of replicas";
    Down(DownArgs) = "down", "Stop and remove containers and networks";
    Ps(PsArgs) = "ps", "List containers";
    Ls(LsArgs) = "ls", "List projects";
    Logs(LogsArgs) = "logs", "Show the output of containers";
    Events(EventsArgs) = "events", "Show what happens to containers";
    Wait(WaitArgs) = "wait", "Wait until containers have ended";
    Port(PortArgs) = "port", "Show where ports are published";
    Top(NamedArgs) = "top", "List the processes of containers";
    Stats(StatsArgs) = "stats", "Show what containers use";
    Config(Box<ConfigArgs>) = "config" | "convert", "Check, resolve and print the project";
    Pull(PullArgs) = "pull", "Pull images";
    Build(BuildArgs) = "build", "Build images";
    Start(StartArgs) = "start", "Start containers that are there";
    Stop(StopArgs) = "stop", "Stop containers";
    Restart(RestartArgs) = "restart", "Restart containers";
    Kill(KillArgs) = "kill", "Send a signal to containers";
    Rm(RmArgs) = "rm", "Remove stopped containers";
    Pause(NamedArgs) = "pause", "Freeze containers";
    Unpause(NamedArgs) = "unpause", "Thaw containers";
    Exec(ExecArgs) = "exec", "Run a command in a container that runs";
    Attach(AttachArgs) = "attach", "Join this terminal to a container's process";
    Cp(CpArgs) = "cp", "Copy files into containers, or out of one";
    Run(Box<RunArgs>) = "run", "Run a one-off command in a new container of a service";
    Image(Box<ImageArgs>) = "image", "Images of our own store";
    System(SystemArgs) = "system", "The engine as a whole, and this machine";
    Login(LoginArgs) = "login", "Log in to a registry";
    Logout(LogoutArgs) = "logout", "Log out from a registry";
    Version(VersionArgs) = "version", "Show the version";
}

/// Verbs of docker compose that this version does not have; they are in no help and no completion.
pub(crate) const ABSENT: &[&str] = &["alpha", "bridge", "commit", "export", "images", "publish", "push", "volumes", "watch"];

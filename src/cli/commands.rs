//! One file for each verb; each is thin: load, look, plan, do.

mod attach;
mod build;
mod config;
#[cfg(target_os = "linux")]
mod cp;
mod down;
mod events;
mod exec;
mod graph;
#[cfg(target_os = "linux")]
mod image;
#[cfg(target_os = "linux")]
mod login;
mod logs;
mod ls;
mod port;
mod ps;
mod pull;
mod replica;
mod rm;
mod run;
mod select;
mod stats;
mod system;
mod top;
mod up;
pub(crate) mod version;
mod wait;

use crate::args::Verb;
use crate::failure::Failure;
use crate::session::Session;

/// Runs a verb and returns the exit status.
pub(crate) async fn run(session: &Session, verb: Verb) -> Result<u8, Failure> {
    match verb {
        Verb::Up(args) => up::run(session, *args).await,
        Verb::Create(args) => up::run(session, args.into()).await,
        Verb::Scale(args) => up::run(session, args.into()).await,
        Verb::Plan(args) => up::plan(session, *args).await,
        Verb::Graph(args) => graph::run(session, &args),
        Verb::Down(args) => down::run(session, args).await,
        Verb::Ps(args) => ps::run(session, &args).await,
        Verb::Ls(args) => ls::run(session, &args).await,
        Verb::Logs(args) => logs::run(session, &args).await,
        Verb::Events(args) => events::run(session, &args).await,
        Verb::Wait(args) => wait::run(session, &args).await,
        Verb::Port(args) => port::run(session, &args).await,
        Verb::Top(args) => top::run(session, &args).await,
        Verb::Stats(args) => stats::run(session, &args).await,
        Verb::Config(args) => config::run(session, &args).await,
        Verb::Pull(args) => pull::run(session, &args).await,
        Verb::Build(args) => build::run(session, &args).await,
        Verb::Start(args) => select::start(session, args).await,
        Verb::Stop(args) => select::stop(session, args).await,
        Verb::Restart(args) => select::restart(session, args).await,
        Verb::Kill(args) => select::kill(session, args).await,
        Verb::Pause(args) => select::pause(session, args).await,
        Verb::Unpause(args) => select::unpause(session, args).await,
        Verb::Rm(args) => rm::run(session, args).await,
        Verb::Exec(args) => exec::run(session, args).await,
        Verb::Attach(args) => attach::run(session, args).await,
        #[cfg(target_os = "linux")]
        Verb::Cp(args) => cp::run(session, args).await,
        Verb::Run(args) => run::run(session, *args).await,
        #[cfg(target_os = "linux")]
        Verb::Image(args) => image::run(session, args.verb).await,
        Verb::System(args) => system::run(session, args.verb).await,
        #[cfg(target_os = "linux")]
        Verb::Login(args) => login::run(session, args).await,
        #[cfg(target_os = "linux")]
        Verb::Logout(args) => login::out(session, &args),
        #[cfg(not(target_os = "linux"))]
        Verb::Cp(_) => Err(Failure::refused("`cp` works on Linux only: elsewhere a path cannot be kept from leading out of its folder")),
        #[cfg(not(target_os = "linux"))]
        verb @ (Verb::Image(_) | Verb::Login(_) | Verb::Logout(_)) => {
            Err(Failure::refused(format!("`{}` works on Linux only, where our own store of images is", verb.name())))
        }
        Verb::Version(args) => version::run(&args),
    }
}

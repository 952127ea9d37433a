//! `system`: the engine as a whole, and this machine.

mod df;
#[cfg(target_os = "linux")]
mod doctor;
#[cfg(target_os = "linux")]
mod enable;
mod info;
mod prune;
#[cfg(target_os = "linux")]
mod resume;
#[cfg(target_os = "linux")]
mod unit;

use crate::args::SystemVerb;
use crate::failure::Failure;
use crate::session::Session;

/// Runs a verb of `system`.
pub(crate) async fn run(session: &Session, verb: SystemVerb) -> Result<u8, Failure> {
    match verb {
        SystemVerb::Info(args) => info::run(session, &args).await,
        SystemVerb::Df(args) => df::run(session, &args).await,
        SystemVerb::Prune(args) => prune::run(session, &args).await,
        #[cfg(target_os = "linux")]
        SystemVerb::Doctor(args) => doctor::run(session, &args).await,
        #[cfg(target_os = "linux")]
        SystemVerb::Enable(args) => enable::run(session, args).await,
        #[cfg(target_os = "linux")]
        SystemVerb::Disable(args) => enable::disable(session, args).await,
        #[cfg(target_os = "linux")]
        SystemVerb::Start => resume::start(session).await,
        #[cfg(target_os = "linux")]
        SystemVerb::Stop => resume::stop(session).await,
        #[cfg(not(target_os = "linux"))]
        SystemVerb::Doctor(_) | SystemVerb::Enable(_) | SystemVerb::Disable(_) | SystemVerb::Start | SystemVerb::Stop => {
            Err(Failure::refused("this verb is about the native engine, which runs on Linux only"))
        }
    }
}

//! `image`: the store of our own engine, in the words of docker.

mod archive;
mod change;
mod history;
mod inspect;
mod ls;
mod place;
mod transfer;
mod verify;

use crate::args::ImageVerb;
use crate::failure::Failure;
use crate::session::Session;

pub(super) use place::registries;

/// Runs a verb of `image`.
pub(crate) async fn run(session: &Session, verb: ImageVerb) -> Result<u8, Failure> {
    match verb {
        ImageVerb::Ls(args) => ls::run(session, &args),
        ImageVerb::Pull(args) => transfer::pull(session, args).await,
        ImageVerb::Push(args) => transfer::push(session, args).await,
        ImageVerb::Load(args) => archive::load(session, args).await,
        ImageVerb::Save(args) => archive::save(session, args).await,
        ImageVerb::Import(args) => archive::import(session, args).await,
        ImageVerb::Tag(args) => change::tag(session, &args),
        ImageVerb::Rm(args) => change::rm(session, &args),
        ImageVerb::Inspect(args) => inspect::run(session, &args),
        ImageVerb::History(args) => history::run(session, &args),
        ImageVerb::Prune(args) => change::prune(session, &args).await,
        ImageVerb::Verify(args) => verify::run(session, &args).await,
    }
}

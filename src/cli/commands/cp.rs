//! `cp`: what is copied where is settled for every container before the first byte moves.

mod archive;
mod inward;
mod outward;
mod path;
mod shared;

use rcompose_engine_adapter::{ContainerName, ContainerState, Observed, ObservedContainer, PathKind, PathStat, Projects, Scope};

use super::replica::replica;
use crate::args::CpArgs;
use crate::failure::Failure;
use crate::output;
use crate::session::{Live, Session, known_services};
use path::Side;

/// One copy to be made, in words.
struct Errand<'a> {
    container: &'a ContainerName,
    words: String,
}

/// Runs `cp`.
pub(crate) async fn run(session: &Session, args: CpArgs) -> Result<u8, Failure> {
    let (source, destination) = (Side::parse(&args.source)?, Side::parse(&args.destination)?);
    let service = match (&source, &destination) {
        (Side::Service { name, .. }, Side::Local(_) | Side::Stream) | (Side::Local(_) | Side::Stream, Side::Service { name, .. }) => {
            name.clone()
        }
        (Side::Service { .. }, Side::Service { .. }) => {
            let hint = "copy to a folder here first, or pipe: `rcompose cp A:PATH - | rcompose cp - B:PATH`";
            return Err(Failure::usage("nothing is copied from service to service", hint));
        }
        (Side::Local(_) | Side::Stream, Side::Local(_) | Side::Stream) => {
            return Err(Failure::usage("neither side is of a service", "write `SERVICE:PATH` for one of them"));
        }
    };
    let named = session.named()?;
    let live = session.engine(Some(named.name())).await?;
    let scope = Scope { projects: Projects::One(named.name().to_owned()), ..Scope::default() };
    let observed = live.observe(&scope).await?;
    known_services(&named, std::slice::from_ref(&service), observed.containers.values().filter_map(ObservedContainer::service))?;
    let containers = containers(&observed, &service, &args)?;
    match (source, destination) {
        (Side::Service { path, .. }, to) => {
            let container = containers.first().copied().ok_or_else(|| Failure::refused("there is no container"))?;
            outward::copy(session, &live, &args, &container.name, &path, &to).await?;
        }
        (from, Side::Service { path, .. }) => inward::copy(session, &live, &args, &containers, &from, &path).await?,
        // Refused above.
        (_, Side::Local(_) | Side::Stream) => {}
    }
    Ok(0)
}

/// Finds the containers that are meant; those that run come first, then the lower numbers. Source: docker compose 2.40, `cp`.
fn containers<'a>(observed: &'a Observed, service: &str, args: &CpArgs) -> Result<Vec<&'a ObservedContainer>, Failure> {
    if args.index > 0 {
        return Ok(vec![replica(observed, service, args.index)?]);
    }
    let of_service = |it: &&ObservedContainer| it.is_listed() && it.service() == Some(service) && (args.all || !it.is_oneoff());
    let mut found: Vec<&ObservedContainer> = observed.containers.values().filter(of_service).collect();
    if found.is_empty() {
        // It says what to do.
        replica(observed, service, 0)?;
    }
    found.sort_by_key(|it| (it.state != ContainerState::Running, it.is_oneoff(), it.number()));
    Ok(found)
}

impl Errand<'_> {
    fn begin(&self, session: &Session) {
        session.say(&format!(" {}  {}  Copying", self.container, self.words));
    }

    fn end(&self, session: &Session, done: bool) {
        session.say(&format!(" {}  {}  {}", self.container, self.words, if done { "Copied" } else { "Error" }));
    }

    /// Says that another container has the very folder that was copied into.
    fn shared(&self, session: &Session, with: &ContainerName) {
        session.say(&format!(" {}  {}  Shared with {with}", self.container, self.words));
    }

    /// Says what would be done.
    fn print(&self) -> Result<(), Failure> {
        output::line(&self.words)
    }
}

/// Looks at a path in a container.
async fn look(live: &Live, container: &ContainerName, path: &str) -> Result<Option<PathStat>, Failure> {
    Ok(live.engines.streams.stat(container, path).await?)
}

/// Where a path leads: a link at its end is followed, also to something that is absent.
async fn follow(live: &Live, container: &ContainerName, path: &str) -> Result<(String, Option<PathStat>), Failure> {
    match look(live, container, path).await? {
        Some(PathStat { kind: PathKind::Link { target }, .. }) => {
            let found = look(live, container, &target).await?;
            if found.as_ref().is_some_and(|it| matches!(it.kind, PathKind::Link { .. })) {
                return Err(Failure::refused(format!("{path} in container {container} leads through too many links")));
            }
            Ok((target, found))
        }
        found => Ok((path.to_owned(), found)),
    }
}

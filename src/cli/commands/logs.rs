//! `logs`.

use rcompose_engine_adapter::{
    ContainerName, EngineError, EngineEvent, EventAction, EventSubject, LogOptions, ObservedContainer, Projects, Scope,
};

use futures::StreamExt;
use futures::stream::BoxStream;

use crate::args::LogsArgs;
use crate::attach::still_told;
use crate::failure::Failure;
use crate::logs::{Deaths, Follower, From, LOOK, Lines, Piece, Printer, merged, point_in_time};
use crate::output;
use crate::session::{Live, Session, known_services};
use crate::style::Paint;

/// Runs `logs`.
pub(crate) async fn run(session: &Session, args: &LogsArgs) -> Result<u8, Failure> {
    let options = options(args)?;
    let named = session.named()?;
    let live = session.engine(Some(named.name())).await?;
    let scope = Scope { projects: Projects::One(named.name().to_owned()), ..Scope::default() };
    // Listens before it looks: an end in between would be missed, and waited for for ever.
    let events = args.follow.then(|| live.engines.engine.events(&scope));
    let observed = live.observe(&scope).await?;
    known_services(&named, &args.services, observed.containers.values().filter_map(ObservedContainer::service))?;
    let wanted = |container: &&ObservedContainer| {
        let service = container.service().unwrap_or_default();
        container.is_listed()
            && !container.is_oneoff()
            && (args.services.is_empty() || args.services.iter().any(|it| it == service))
            && args.index.is_none_or(|index| container.number() == Some(index))
    };
    let containers: Vec<&ObservedContainer> = observed.containers.values().filter(wanted).collect();
    if let (Some(index), true, false) = (args.index, containers.is_empty(), args.follow) {
        let (message, hint) = (format!("there is no container with number {index} to show"), "`rcompose ps -a` lists those that are there");
        return Err(Failure::refused_with(message, hint));
    }
    let paint = if args.no_color { Paint::default() } else { session.out };
    let lines = Lines { bare: args.no_log_prefix, timestamps: args.timestamps, together: true, paint };
    let mut printer = Printer::new(named.name(), lines);
    containers.iter().for_each(|container| printer.register(container.name.as_str()));

    let mut follower = Follower::new(&live, options.until);
    // Before the first look: what comes between the two is not lost.
    let began = jiff::Timestamp::now().as_nanosecond();
    let streams = containers
        .iter()
        .map(|it| (it.name.clone(), live.engines.streams.logs(&it.name, &options)))
        .collect();
    merged(streams, |name, time, line| {
        follower.seen(name, time);
        printer.line(name.as_str(), &line)
    })
    .await?;
    if let Some(events) = events {
        let running: Vec<ContainerName> = containers.iter().filter(|it| it.state.is_up()).map(|it| it.name.clone()).collect();
        follow(session, &live, args, events, From::At(began), (follower, printer, running)).await?;
    }
    Ok(0)
}

fn options(args: &LogsArgs) -> Result<LogOptions, Failure> {
    let now = jiff::Timestamp::now();
    let point = |flag: &str, text: &Option<String>| text.as_ref().map(|text| point_in_time(flag, text, now)).transpose();
    let tail = match args.tail.as_str() {
        "all" | "" => None,
        text => match text.parse::<i64>() {
            Ok(lines) => u64::try_from(lines).ok(),
            Err(_) => return Err(Failure::usage(format!("`{text}` of --tail is no number of lines"), "write a number, or `all`")),
        },
    };
    Ok(LogOptions { follow: false, since: point("--since", &args.since)?, until: point("--until", &args.until)?, tail })
}

/// Goes on as lines come, also of containers that start later, until all have ended.
async fn follow(
    session: &Session,
    live: &Live,
    args: &LogsArgs,
    mut events: BoxStream<'static, Result<EngineEvent, EngineError>>,
    from: From,
    (mut follower, mut printer, mut running): (Follower, Printer, Vec<ContainerName>),
) -> Result<(), Failure> {
    running.iter().for_each(|name| follower.add(name, from));
    let service_is_wanted = |labels: &std::collections::BTreeMap<String, String>| {
        let service = labels.get(rcompose_engine_adapter::labels::SERVICE);
        let oneoff = labels
            .get(rcompose_engine_adapter::labels::ONEOFF)
            .is_some_and(|it| it.eq_ignore_ascii_case("true"));
        let number = labels.get(rcompose_engine_adapter::labels::NUMBER).and_then(|it| it.parse::<u32>().ok());
        !oneoff
            && service.is_some_and(|service| args.services.is_empty() || args.services.contains(service))
            && args.index.is_none_or(|index| number == Some(index))
    };
    let mut deaths = Deaths::default();
    let mut looks = tokio::time::interval(LOOK);
    while !running.is_empty() {
        tokio::select! {
            pieces = follower.next() => print(session, &mut printer, pieces)?,
            _ = looks.tick(), if !deaths.is_empty() => {
                for (name, _) in deaths.settle(live).await? {
                    running.retain(|it| *it != name);
                }
            }
            event = events.next() => {
                let event = still_told(live, event)?;
                let EventSubject::Container(name) = &event.subject else { continue };
                if !service_is_wanted(&event.labels) {
                    continue;
                }
                if event.action == EventAction::Started {
                    deaths.clear(name);
                    printer.register(name.as_str());
                    follower.add(name, From::At(i128::from(event.time)));
                    running.push(name.clone());
                } else if let EventAction::Died { code } = event.action {
                    deaths.record(name, code);
                } else if event.action == EventAction::Removed {
                    running.retain(|it| it != name);
                }
            }
        }
    }
    let pieces = follower.drain(std::time::Duration::from_secs(2)).await;
    print(session, &mut printer, pieces)
}

fn print(session: &Session, printer: &mut Printer, pieces: Vec<Piece>) -> Result<(), Failure> {
    for piece in pieces {
        match piece {
            Piece::Line { name, line } => printer.line(name.as_str(), &line)?,
            Piece::Broken { error, .. } if error.is_not_found() => {}
            Piece::Broken { name, error } => output::err(&format!(
                "{}\n",
                session.err.paint(crate::style::Tone::Warn, &format!("the output of {name} broke off: {error}"))
            )),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rcompose_engine_adapter::{Engine, ImageConfig};
    use rcompose_executor::{Cancel, Engines, Options};
    use rcompose_memory::{Memory, Script};
    use rcompose_planner::{self as planner, Up, World};
    use rcompose_spec::{Sources, load};

    use super::*;
    use crate::args::Globals;
    use crate::caller::Caller;
    use crate::session::Disk;

    #[tokio::test(start_paused = true)]
    async fn an_end_between_listening_and_looking_ends_the_following() {
        let memory = Arc::new(Memory::new());
        memory.add_image("job:1", ImageConfig::default());
        memory.script_image("job:1", Script::exits_after(Duration::from_secs(1), 0));
        let document = r#"{"name": "shop", "services": {"job": {"image": "job:1"}}}"#;
        let stdin = Some(document.as_bytes().to_vec());
        let loaded = load(&Sources { files: vec!["-".into()], working_dir: "/".into(), stdin, ..Sources::default() }, &Disk).unwrap();
        let engines = Engines { engine: memory.clone(), images: memory.clone(), streams: memory.clone() };
        let live = Live { engines, local: false, address: "memory".into() };
        let scope = Scope::project("shop");
        let plan = planner::up(&loaded.project, &memory.observe(&scope).await.unwrap(), &World::default(), &Up::default()).unwrap();
        let (sender, _told) = tokio::sync::mpsc::unbounded_channel();
        rcompose_executor::run(&plan, &live.engines, &Options::default(), &Cancel::new(), sender).await;

        // As the verb does: it listens, sees a job that runs, and is held up by a long log while the job ends.
        let events = memory.events(&scope);
        let name = ContainerName::new("shop-job-1");
        assert!(memory.observe(&scope).await.unwrap().containers[&name].state.is_up());
        tokio::time::sleep(Duration::from_secs(5)).await;
        let session = Session::new(Caller { folder: "/".into(), ..Caller::default() }, Globals::default(), "logs");
        let state = (Follower::new(&live, None), Printer::new("shop", Lines::default()), vec![name]);
        let args = LogsArgs::default();
        let end = follow(&session, &live, &args, events, From::At(0), state);
        tokio::time::timeout(Duration::from_secs(60), end).await.expect("it ends").unwrap();
    }
}

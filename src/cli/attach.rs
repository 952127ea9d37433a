//! `up` in the foreground: output of all containers in the order of time, until they have ended or somebody asks for the end.

mod ended;
mod members;
mod teardown;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures::StreamExt;
use rcompose_engine_adapter::{
    ContainerName, ContainerState, EngineError, EngineEvent, ErrorKind, EventAction, EventSubject, ObservedContainer, Projects, Scope,
    labels,
};
use rcompose_spec::Loaded;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::args::UpArgs;
use crate::failure::Failure;
use crate::logs::{Deaths, Follower, From, LOOK, Lines, Piece, Printer};
use crate::session::{Live, Session};
use crate::signals::{Interrupts, exit_now};
use crate::style::Paint;

use ended::{Abort, Ends};
use members::Members;

/// Time after the last end in which a container may start again, as `restart` lets it.
const LINGER: Duration = Duration::from_millis(600);
/// Time for the last lines after the last container ended.
const DRAIN: Duration = Duration::from_secs(3);

/// How containers are stopped at the end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shutdown {
    /// Time before SIGKILL.
    pub(crate) grace: Option<Duration>,
}

/// An `up` in the foreground.
#[derive(Debug)]
pub(crate) struct Attached<'a> {
    session: &'a Session,
    live: &'a Live,
    loaded: &'a Loaded,
    members: Members,
    ends: Ends,
    printer: Printer,
    follower: Follower,
    events: UnboundedReceiver<Result<EngineEvent, EngineError>>,
    deaths: Deaths,
    /// When it began, in nanoseconds since 1970: nothing earlier is shown.
    began: i128,
}

/// What goes on at the end.
type Teardown<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;

impl<'a> Attached<'a> {
    /// Listens from now on.
    pub(crate) fn new(session: &'a Session, live: &'a Live, loaded: &'a Loaded, args: &UpArgs) -> Self {
        let project = &loaded.project;
        let scope = Scope { projects: Projects::One(project.name.clone()), ..Scope::default() };
        let mut stream = live.engines.engine.events(&scope);
        let (sender, events) = unbounded_channel();
        tokio::spawn(async move {
            // Where the stream ends, so does the channel; the last piece may be an error.
            while let Some(event) = stream.next().await {
                if sender.send(event).is_err() {
                    break;
                }
            }
        });
        let paint = if args.no_color { Paint::default() } else { session.out };
        let lines = Lines { bare: args.no_log_prefix, timestamps: args.timestamps, together: false, paint };
        Self {
            session,
            live,
            loaded,
            members: Members::new(project, args),
            ends: Ends::new(Abort::of(args), args.exit_code_from.clone()),
            printer: Printer::new(&project.name, lines),
            follower: Follower::new(live, None),
            events,
            deaths: Deaths::default(),
            began: jiff::Timestamp::now().as_nanosecond(),
        }
    }

    /// Shows output until all containers have ended; returns the exit status.
    pub(crate) async fn until_end(mut self, interrupts: &mut Interrupts, shutdown: Shutdown) -> Result<u8, Failure> {
        self.take_up().await?;
        let mut teardown: Option<Teardown<'a>> = None;
        let mut requests = 0;
        let mut interrupted = false;
        let mut looks = tokio::time::interval(LOOK);
        loop {
            if teardown.is_none() && self.members.is_empty() && self.stay_ended().await? {
                break;
            }
            tokio::select! {
                pieces = self.follower.next() => self.print(pieces)?,
                event = self.events.recv() => self.event(&still_told(self.live, event)?)?,
                _ = looks.tick(), if !self.deaths.is_empty() => self.settle().await?,
                done = finished(&mut teardown) => {
                    done?;
                    break;
                }
                _ = interrupts.next() => {
                    requests += 1;
                    interrupted = true;
                    match requests {
                        1 if teardown.is_none() => {
                            self.session.say("Stopping all containers (Ctrl-C again kills them)");
                            teardown = Some(Box::pin(teardown::stop(self.session, self.live, self.loaded, shutdown.grace)));
                        }
                        1 | 2 => {
                            self.session.say("Killing all containers");
                            teardown = Some(Box::pin(teardown::kill(self.session, self.live, self.loaded)));
                            requests = 2;
                        }
                        _ => exit_now(),
                    }
                }
            }
            if teardown.is_none() && self.ends.aborts() {
                self.session.say("Stopping all containers: one has ended");
                teardown = Some(Box::pin(teardown::stop(self.session, self.live, self.loaded, shutdown.grace)));
            }
        }
        self.finish().await?;
        if interrupted { Err(Failure::Interrupted) } else { Ok(self.ends.status()) }
    }

    /// Looks at what runs now, and follows it. What was told until now is known by that, but for deaths: an engine tells of
    /// one before its own lists show it.
    async fn take_up(&mut self) -> Result<(), Failure> {
        let mut died = BTreeMap::new();
        while let Ok(told) = self.events.try_recv() {
            let event = told?;
            let EventSubject::Container(name) = event.subject else { continue };
            match event.action {
                EventAction::Died { code } => drop(died.insert(name, code)),
                EventAction::Started | EventAction::Removed => drop(died.remove(&name)),
                EventAction::Created
                | EventAction::Stopped
                | EventAction::Killed
                | EventAction::Renamed
                | EventAction::Paused
                | EventAction::Unpaused
                | EventAction::OutOfMemory
                | EventAction::Health(_)
                | EventAction::Other(_) => {}
            }
        }
        let scope = Scope { projects: Projects::One(self.loaded.project.name.clone()), ..Scope::default() };
        let observed = self.live.observe(&scope).await?;
        let watched: Vec<&ObservedContainer> = observed.containers.values().filter(|it| self.members.watches(it)).collect();
        for container in watched {
            if self.members.shows(container.service()) {
                self.printer.register(container.name.as_str());
                self.follower.add(&container.name, From::At(self.began));
            }
            self.members.add(container.name.clone(), container.service().unwrap_or_default().to_owned());
            match container.state {
                ContainerState::Exited { code } => self.deaths.record(&container.name, code),
                ContainerState::Running | ContainerState::Paused | ContainerState::Restarting => {
                    if let Some(code) = died.get(&container.name) {
                        self.deaths.record(&container.name, *code);
                    }
                }
                ContainerState::Created | ContainerState::Removing | ContainerState::Dead => {
                    self.members.remove(&container.name);
                }
            }
        }
        Ok(())
    }

    fn event(&mut self, event: &EngineEvent) -> Result<(), Failure> {
        let EventSubject::Container(name) = &event.subject else {
            return Ok(());
        };
        let Some(service) = self.members.service_of(event) else {
            return Ok(());
        };
        match &event.action {
            EventAction::Started => {
                self.deaths.clear(name);
                self.members.add(name.clone(), service.clone());
                if self.members.shows(Some(&service)) {
                    self.printer.register(name.as_str());
                    self.follower.add(name, From::At(i128::from(event.time).max(self.began)));
                }
            }
            EventAction::Died { code } => self.deaths.record(name, *code),
            EventAction::Removed => {
                if let Some(code) = self.deaths.clear(name) {
                    self.ended(name, code)?;
                }
                self.members.remove(name);
            }
            EventAction::Created
            | EventAction::Stopped
            | EventAction::Killed
            | EventAction::Renamed
            | EventAction::Paused
            | EventAction::Unpaused
            | EventAction::OutOfMemory
            | EventAction::Health(_)
            | EventAction::Other(_) => {}
        }
        Ok(())
    }

    /// Tells of the end of a container that is waited for, once.
    fn ended(&mut self, name: &ContainerName, code: i64) -> Result<(), Failure> {
        let Some(service) = self.members.remove(name) else { return Ok(()) };
        self.ends.record(&service, code);
        if self.members.shows(Some(&service)) {
            self.printer.status(name.as_str(), &format!("exited with code {code}"))?;
        }
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), Failure> {
        for (name, code) in self.deaths.settle(self.live).await? {
            self.ended(&name, code)?;
        }
        Ok(())
    }

    /// Waits a moment after the last end: a container that is restarted or replaced is no end.
    async fn stay_ended(&mut self) -> Result<bool, Failure> {
        let scope = Scope { projects: Projects::One(self.loaded.project.name.clone()), ..Scope::default() };
        loop {
            let until = tokio::time::sleep(LINGER);
            tokio::pin!(until);
            loop {
                tokio::select! {
                    event = self.events.recv() => self.event(&still_told(self.live, event)?)?,
                    () = &mut until => break,
                }
                if !self.members.is_empty() {
                    return Ok(false);
                }
            }
            let observed = self.live.observe(&scope).await?;
            let replaces = |it: &&ObservedContainer| it.label(labels::REPLACE).is_some() && it.state == ContainerState::Created;
            if observed.containers.values().find(replaces).is_none() {
                return Ok(true);
            }
        }
    }

    /// Shows what came until now, and tells of the ends that were not told yet.
    async fn finish(&mut self) -> Result<(), Failure> {
        let pieces = self.follower.drain(DRAIN).await;
        self.print(pieces)?;
        let until = tokio::time::sleep(LINGER);
        tokio::pin!(until);
        let mut looks = tokio::time::interval(LOOK);
        while !self.members.is_empty() {
            tokio::select! {
                event = self.events.recv() => self.event(&still_told(self.live, event)?)?,
                _ = looks.tick(), if !self.deaths.is_empty() => self.settle().await?,
                () = &mut until => break,
            }
        }
        Ok(())
    }

    fn print(&mut self, pieces: Vec<Piece>) -> Result<(), Failure> {
        for piece in pieces {
            match piece {
                Piece::Line { name, line } => self.printer.line(name.as_str(), &line)?,
                Piece::Broken { error, .. } if error.is_not_found() => {}
                Piece::Broken { name, error } => self.session.say(&format!("warning: the output of {name} broke off: {error}")),
            }
        }
        Ok(())
    }
}

/// Returns an event; an engine that tells no more is an error, since no end would be seen any more.
pub(crate) fn still_told(live: &Live, event: Option<Result<EngineEvent, EngineError>>) -> Result<EngineEvent, Failure> {
    let gone = || EngineError::new(ErrorKind::Unreachable, format!("the engine at {} tells no more what happens", live.address));
    Ok(event.unwrap_or_else(|| Err(gone()))?)
}

/// Waits for the end of what goes on at the end; for ever where nothing does.
async fn finished(teardown: &mut Option<Teardown<'_>>) -> Result<(), Failure> {
    match teardown {
        Some(teardown) => teardown.await,
        None => std::future::pending().await,
    }
}

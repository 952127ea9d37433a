//! The way to the guardian: who loses it starts another.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::SocketType;
use rustix::process::{getpid, set_child_subreaper};

use super::{Shim, number};
use crate::guard;
use crate::kernel;
use crate::launch::nothing;
use crate::parcel::{self, FromGuardian, Held, Reaped, ToGuardian};
use crate::place::{Place, Project};
use crate::poll::{Poll, Ready};
use crate::socket;

/// How long a guardian may take to answer.
const ANSWER: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };
/// First and longest pause between two attempts to reach one.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(5));

#[derive(Debug)]
pub(super) struct Link {
    project: Project,
    socket: Option<OwnedFd>,
    /// When it is tried again.
    pub(super) again: Option<Duration>,
    pause: Duration,
    /// Wait status of the first process, from a guardian that reaped it.
    pub(super) reaped: Option<i32>,
    /// Other processes that it reaped.
    pub(super) others: Vec<Reaped>,
    /// What the guardian keeps for the project, held as its deputy.
    kept: BTreeMap<String, Held>,
}

/// A guardian that answered.
struct Reached {
    socket: OwnedFd,
    reaped: Option<i32>,
    others: Vec<Reaped>,
    held: Held,
}

type Lent<'a> = BTreeMap<parcel::Tag, std::os::fd::BorrowedFd<'a>>;

impl Link {
    fn none(project: Project) -> Self {
        Self {
            project,
            socket: None,
            again: None,
            pause: PAUSES.0,
            reaped: None,
            others: Vec::new(),
            kept: BTreeMap::new(),
        }
    }

    /// Reaches the guardian for the first time, and takes back what it held.
    pub(super) fn first(place: &Place, poll: &Poll) -> (Self, Held) {
        let mut link = Self::none(place.project());
        let hello = ToGuardian::Hello { name: place.name().to_owned(), who: None };
        let held = link.connect(&hello, &nothing(), poll);
        (link, held)
    }

    /// Connects, starting a guardian if none answers. Without one the shim goes on, and tries again later.
    fn connect(&mut self, hello: &ToGuardian, lent: &Lent<'_>, poll: &Poll) -> Held {
        match self.try_connect(hello, lent) {
            Ok(Reached { socket, reaped, others, held }) => {
                // Adding fails for lack of memory alone; then the guardian's end is noticed when something is sent.
                let _ = poll.add(&socket, number::GUARDIAN, Ready::IN);
                (self.socket, self.again, self.pause, self.reaped, self.others) = (Some(socket), None, PAUSES.0, reaped, others);
                held
            }
            Err(_) => {
                self.again = Some(kernel::since_boot() + self.pause);
                self.pause = self.pause.saturating_mul(2).min(PAUSES.1);
                Held::new()
            }
        }
    }

    fn try_connect(&self, hello: &ToGuardian, lent: &Lent<'_>) -> io::Result<Reached> {
        let path = self.project.socket();
        let socket = socket::call(&path, SocketType::SEQPACKET).or_else(|_| {
            // Not a subreaper meanwhile: the guardian must not become a child of the one it is to outlive.
            let _ = set_child_subreaper(None);
            let started = guard::start(std::path::Path::new(guard::SELF), &self.project);
            let _ = set_child_subreaper(Some(getpid()));
            started.map_err(io::Error::other)?;
            socket::call(&path, SocketType::SEQPACKET)
        })?;
        parcel::send(&socket, hello, lent)?;
        let ready = rustix::event::poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&ANSWER))?;
        if ready == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let (said, held) = parcel::receive::<FromGuardian>(&socket)?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        match said {
            FromGuardian::Held { reaped, others } => Ok(Reached { socket, reaped, others, held }),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn say(&mut self, said: &ToGuardian, lent: &Lent<'_>, poll: &Poll) {
        if let Some(socket) = &self.socket
            && let Err(error) = say(socket, said, lent)
            // What a guardian said before it went is heard in its turn.
            && !matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
        {
            self.lose(poll);
        }
    }

    fn lose(&mut self, poll: &Poll) {
        if let Some(socket) = self.socket.take() {
            poll.remove(&socket);
        }
        self.again = Some(kernel::since_boot());
    }

    /// Says that the container has ended for good. The guardian lets go of what it held, and is needed no longer.
    pub(super) fn gone(&mut self, name: &str, reason: Option<String>) {
        if let Some(socket) = self.socket.take() {
            let _ = say(&socket, &ToGuardian::Gone { name: name.to_owned(), reason }, &nothing());
        }
        self.again = None;
    }
}

/// Says something; a guardian that has much to hear already is waited for.
fn say(socket: &OwnedFd, said: &ToGuardian, lent: &Lent<'_>) -> io::Result<()> {
    loop {
        match parcel::send(socket, said, lent) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if rustix::event::poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&ANSWER))? == 0 {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            other => return other,
        }
    }
}

impl Shim<'_> {
    fn lent(&self) -> Lent<'_> {
        let mut lent = self.pipes.lend();
        lent.extend(self.process.as_ref().map(|it| (parcel::Tag::Process, it.as_fd())));
        lent
    }

    /// Hands the guardian duplicates of everything that must not be lost.
    pub(super) fn hold(&mut self) {
        let said = ToGuardian::Hold { name: self.place.name().to_owned(), who: self.who() };
        let mut link = std::mem::replace(&mut self.link, Link::none(self.place.project()));
        link.say(&said, &self.lent(), &self.poll);
        self.link = link;
    }

    pub(super) fn tell_started(&mut self) {
        self.told = true;
        let said = ToGuardian::Started { name: self.place.name().to_owned() };
        self.link.say(&said, &nothing(), &self.poll);
    }

    /// Reaches a guardian again, after the last one was lost.
    pub(super) fn find_guardian(&mut self) {
        let hello = ToGuardian::Hello { name: self.place.name().to_owned(), who: self.who() };
        let mut link = std::mem::replace(&mut self.link, Link::none(self.place.project()));
        // What comes back are duplicates of one's own.
        drop(link.connect(&hello, &self.lent(), &self.poll));
        self.link = link;
        if self.told && self.link.socket.is_some() {
            self.tell_started();
        }
        self.hand_over();
    }

    /// A new guardian keeps what the last one did.
    fn hand_over(&mut self) {
        let kept = std::mem::take(&mut self.link.kept);
        for (name, held) in &kept {
            self.link.say(&ToGuardian::TakeOver { name: name.clone() }, &parcel::lend(held), &self.poll);
        }
        self.link.kept = kept;
    }

    pub(super) fn hear_guardian(&mut self) {
        while let Some(socket) = &self.link.socket {
            match parcel::receive::<FromGuardian>(socket) {
                Ok((FromGuardian::Reaped { status }, _)) => {
                    self.reaped = Some(status);
                    if self.status_by.is_some() {
                        self.process_ended();
                    }
                }
                Ok((FromGuardian::Keep { name }, held)) => drop(self.link.kept.insert(name, held)),
                Ok((FromGuardian::Forget { name }, _)) => drop(self.link.kept.remove(&name)),
                Ok((FromGuardian::Other { reaped }, _)) => {
                    if let Some(id) = self.execs.is(&reaped) {
                        self.exec_ended(id, Some(reaped.status));
                    }
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.link.lose(&self.poll),
            }
        }
    }
}

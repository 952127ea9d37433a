//! What is said to a guardian, and what it answers.

use std::io;

use super::{Guardian, Holding};
use crate::identity::Identity;
use crate::parcel::{self, FromGuardian, Held, Tag, ToGuardian};

impl Guardian {
    /// Hears everything that a peer has said.
    pub(super) fn hear(&mut self, peer: u64) {
        while let Some(found) = self.peers.get(&peer) {
            match parcel::receive::<ToGuardian>(&found.socket) {
                Ok((said, held)) => self.heard(peer, said, held),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.lose(peer),
            }
        }
    }

    /// A peer is gone. If it was a shim that did not say so, it was killed: another takes its place.
    pub(super) fn lose(&mut self, peer: u64) {
        if let Some(lost) = self.peers.remove(&peer) {
            self.poll.remove(&lost.socket);
        }
        for holding in self.holdings.values_mut() {
            holding.asked.retain(|it| *it != peer);
        }
        let orphan = self.holdings.iter_mut().find(|(_, it)| it.peer == Some(peer));
        if let Some((name, holding)) = orphan {
            holding.peer = None;
            if holding.shim.is_some() && !holding.has_begun() {
                // What it said last is heard once it is reaped.
                return self.find_deputy();
            }
            holding.shim = None;
            let name = name.clone();
            self.respawn_later(&name);
        }
        self.find_deputy();
    }

    fn heard(&mut self, peer: u64, said: ToGuardian, held: Held) {
        match said {
            ToGuardian::Run { name, ticket } => self.order(peer, &name, ticket),
            ToGuardian::Hello { name, who } => self.hello(peer, name, who, held),
            ToGuardian::Hold { name, who } => {
                if let Some(holding) = self.of(peer, &name) {
                    holding.take(who, held);
                }
            }
            ToGuardian::Started { name } => {
                let asked = self.of(peer, &name).map(|it| {
                    it.started = true;
                    it.next = None;
                    std::mem::take(&mut it.asked)
                });
                for peer in asked.into_iter().flatten() {
                    self.tell(peer, FromGuardian::Fine);
                }
            }
            ToGuardian::Gone { name, reason } => self.gone(peer, &name, reason),
            ToGuardian::Leave => {
                self.leaving = self.holdings.is_empty() && self.kept.is_empty();
                let answer = if self.leaving {
                    FromGuardian::Fine
                } else {
                    FromGuardian::Refused { reason: "containers run, or descriptors are kept: end and release them first".to_owned() }
                };
                self.tell(peer, answer);
            }
            ToGuardian::Serve => {
                let answer = match self.serve() {
                    Ok(()) => FromGuardian::Fine,
                    Err(error) => FromGuardian::Refused { reason: error.chain() },
                };
                self.tell(peer, answer);
            }
            ToGuardian::Keep { name } => self.keep(peer, name, held),
            ToGuardian::Lend { name } => self.lend_kept(peer, &name),
            ToGuardian::Release { name } => self.release(peer, name),
            ToGuardian::TakeOver { name } => self.take_over(peer, name, held),
            ToGuardian::Census => {
                let names = self.holdings.keys().cloned().collect();
                let kept = self.kept.names();
                self.tell(peer, FromGuardian::Census { names, kept });
            }
        }
    }

    /// The holding of a shim that speaks for itself.
    fn of(&mut self, peer: u64, name: &str) -> Option<&mut Holding> {
        self.holdings.get_mut(name).filter(|it| it.peer == Some(peer))
    }

    fn order(&mut self, peer: u64, name: &str, ticket: u64) {
        if let Err(error) = self.project.container(name) {
            self.tell(peer, FromGuardian::Refused { reason: error.chain() });
            return;
        }
        let is_new = !self.holdings.contains_key(name);
        let holding = self.holdings.entry(name.to_owned()).or_default();
        if holding.started {
            self.tell(peer, FromGuardian::Fine);
            return;
        }
        holding.asked.push(peer);
        if is_new {
            holding.ticket = Some(ticket);
            self.spawn(name);
        } else if holding.ticket.is_none() {
            // Its shim follows no order but looks after what an earlier one left; if that turns out to have ended, this is the next.
            holding.next = Some(ticket);
        }
    }

    fn hello(&mut self, peer: u64, name: String, who: Option<Identity>, held: Held) {
        if self.project.container(&name).is_err() {
            return;
        }
        let holding = self.holdings.entry(name).or_default();
        holding.peer = Some(peer);
        holding.respawn_at = None;
        let answer = FromGuardian::Held { reaped: holding.reaped, others: self.others.clone() };
        let sent = if held.is_empty() {
            self.peers.get(&peer).map(|it| parcel::send(&it.socket, &answer, &parcel::lend(&holding.held)))
        } else {
            holding.take(who, held);
            self.peers.get(&peer).map(|it| parcel::send(&it.socket, &answer, &parcel::lend(&Held::new())))
        };
        if let Some(Err(error)) = sent {
            self.unsent(peer, &error);
        }
        self.find_deputy();
    }

    fn gone(&mut self, peer: u64, name: &str, reason: Option<String>) {
        if self.of(peer, name).is_none() {
            return;
        }
        let before = self.holdings.remove(name).unwrap_or_default();
        self.departed.extend(before.shim);
        self.find_deputy();
        if before.next.is_some() && !before.asked.is_empty() {
            let holding = Holding { ticket: before.next, asked: before.asked, ..Holding::default() };
            self.holdings.insert(name.to_owned(), holding);
            self.spawn(name);
            return;
        }
        for asked in before.asked {
            let answer = reason.clone().map_or(FromGuardian::Fine, |reason| FromGuardian::Refused { reason });
            self.tell(asked, answer);
        }
    }
}

impl Holding {
    /// Whether its shim came so far that there is something to look after.
    pub(super) fn has_begun(&self) -> bool {
        self.started || self.who.is_some()
    }

    /// Holds what a shim hands over, in the place of what was held.
    fn take(&mut self, who: Option<Identity>, held: Held) {
        if self.who != who {
            self.reaped = None;
        }
        self.who = who;
        // Only the first process is ever told apart from others by number: a status is kept for as long as it is held.
        if !held.contains_key(&Tag::Process) {
            self.reaped = None;
        }
        self.held = held;
    }
}

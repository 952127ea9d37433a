//! Who is connected to a guardian. It waits for none of them: what one does not take at once is said as it takes the rest.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;

use super::Guardian;
use crate::parcel::{self, FromGuardian};
use crate::poll::Ready;

/// Packets that may wait for somebody. All that a project keeps is handed to a deputy at once; one that does not read meanwhile is given up.
const MOST: usize = 64 * 1024;

pub(super) struct Peer {
    pub(super) socket: OwnedFd,
    /// Each with the name of what is kept and goes with it.
    waiting: VecDeque<(FromGuardian, Option<String>)>,
}

impl From<OwnedFd> for Peer {
    fn from(socket: OwnedFd) -> Self {
        Self { socket, waiting: VecDeque::new() }
    }
}

impl Guardian {
    /// Tells a peer something, after all that waits for it.
    pub(super) fn tell(&mut self, peer: u64, said: FromGuardian) {
        self.tell_with(peer, said, None);
    }

    /// As [`Guardian::tell`], with duplicates of what is kept under a name.
    pub(super) fn tell_with(&mut self, peer: u64, said: FromGuardian, name: Option<String>) {
        let Some(found) = self.peers.get_mut(&peer) else {
            return;
        };
        let waits = !found.waiting.is_empty();
        found.waiting.push_back((said, name));
        if found.waiting.len() > MOST {
            return self.lose(peer);
        }
        if !waits && self.speak(peer) {
            self.watch(peer, Ready::IN | Ready::OUT);
        }
    }

    /// Goes on with what waits for a peer that has room again.
    pub(super) fn speak_on(&mut self, peer: u64) {
        if !self.speak(peer) {
            self.watch(peer, Ready::IN);
        }
    }

    /// Says what waits for a peer; tells whether something still does.
    fn speak(&mut self, peer: u64) -> bool {
        while let Some(found) = self.peers.get_mut(&peer)
            && let Some((said, name)) = found.waiting.front()
        {
            let lent = name.as_ref().map(|it| self.kept.lend(it)).unwrap_or_default();
            // Released while this waited; that it is to be forgotten waits behind it.
            let is_late = matches!(said, FromGuardian::Keep { .. }) && lent.is_empty();
            match if is_late { Ok(()) } else { parcel::send(&found.socket, said, &lent) } {
                Ok(()) => drop(found.waiting.pop_front()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) => {
                    found.waiting.clear();
                    self.unsent(peer, &error);
                }
            }
        }
        if let Some(found) = self.peers.get_mut(&peer) {
            found.waiting = VecDeque::new();
        }
        false
    }

    fn watch(&mut self, peer: u64, wanted: Ready) {
        if let Some(found) = self.peers.get(&peer)
            && self.poll.change(&found.socket, peer, wanted).is_err()
        {
            self.lose(peer);
        }
    }

    /// A peer could not be told something. One that has closed its end may have said before that it goes: that is heard in its turn.
    pub(super) fn unsent(&mut self, peer: u64, error: &io::Error) {
        if !matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) {
            self.lose(peer);
        }
    }
}

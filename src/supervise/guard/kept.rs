//! Descriptors that live as long as the project: sockets of ports, namespaces. A shim holds duplicates of all of them, the deputy, so that
//! a guardian that is killed loses none; they are the callers', and end when they are released. A deputy that does not read just now gets them
//! when it does: killed before that, a guardian takes with it what it alone had.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::BorrowedFd;

use super::Guardian;
use crate::parcel::{self, FromGuardian, Held, Tag};

#[derive(Debug, Default)]
pub(super) struct Kept {
    by_name: BTreeMap<String, Held>,
    /// Released here: a deputy that comes late with one of these has not heard of it.
    released: BTreeSet<String>,
    /// The shim that holds duplicates.
    deputy: Option<u64>,
}

impl Kept {
    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.by_name.keys().cloned().collect()
    }

    pub(super) fn lend(&self, name: &str) -> BTreeMap<Tag, BorrowedFd<'_>> {
        self.by_name.get(name).map(parcel::lend).unwrap_or_default()
    }
}

/// Numbers descriptors in their order.
pub(crate) fn tagged<'a>(descriptors: &[BorrowedFd<'a>]) -> BTreeMap<Tag, BorrowedFd<'a>> {
    let number = |(at, fd): (usize, &BorrowedFd<'a>)| Some((Tag::Kept(u8::try_from(at).ok()?), *fd));
    descriptors.iter().enumerate().filter_map(number).collect()
}

impl Guardian {
    /// Keeps what a client hands over, in the place of what has that name.
    pub(super) fn keep(&mut self, peer: u64, name: String, held: Held) {
        self.kept.released.remove(&name);
        self.kept.by_name.insert(name.clone(), held);
        match self.kept.deputy {
            Some(deputy) => self.hand(deputy, name),
            None => self.find_deputy(),
        }
        self.tell(peer, FromGuardian::Fine);
    }

    /// Takes what a deputy of an earlier guardian hands over.
    pub(super) fn take_over(&mut self, peer: u64, name: String, held: Held) {
        if self.kept.released.contains(&name) {
            self.tell(peer, FromGuardian::Forget { name });
            return;
        }
        let is_new = !self.kept.by_name.contains_key(&name);
        self.kept.by_name.entry(name.clone()).or_insert(held);
        // A port that is carried may have waited for it.
        self.serves_late = true;
        let deputy = *self.kept.deputy.get_or_insert(peer);
        if deputy != peer {
            if is_new {
                self.hand(deputy, name.clone());
            }
            // Another holds them: what this one has would outlive a release.
            self.tell(peer, FromGuardian::Forget { name });
        }
    }

    fn hand(&mut self, deputy: u64, name: String) {
        self.tell_with(deputy, FromGuardian::Keep { name: name.clone() }, Some(name));
    }

    pub(super) fn release(&mut self, peer: u64, name: String) {
        self.kept.by_name.remove(&name);
        self.kept.released.insert(name.clone());
        if let Some(deputy) = self.kept.deputy {
            self.tell(deputy, FromGuardian::Forget { name });
        }
        self.tell(peer, FromGuardian::Fine);
    }

    /// Finds another deputy, if the last one is gone and there is a shim.
    pub(super) fn find_deputy(&mut self) {
        let shims: BTreeSet<u64> = self.holdings.values().filter_map(|it| it.peer).collect();
        if self.kept.is_empty() || self.kept.deputy.is_some_and(|it| shims.contains(&it)) {
            return;
        }
        self.kept.deputy = shims.first().copied();
        if let Some(deputy) = self.kept.deputy {
            self.kept.names().into_iter().for_each(|name| self.hand(deputy, name));
        }
    }

    pub(super) fn lend_kept(&mut self, peer: u64, name: &str) {
        self.tell_with(peer, FromGuardian::Fine, Some(name.to_owned()));
    }
}

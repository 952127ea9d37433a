//! What shim, guardian and client say to each other: one packet of JSON, with descriptors.

use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::identity::Identity;

/// What a descriptor is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tag {
    /// Pipe of standard output.
    Out,
    /// Pipe of standard error.
    Err,
    /// Pipe of standard input.
    In,
    /// The other side of the terminal.
    Master,
    /// Pipe between terminal and log: reading end.
    StageOut,
    /// Pipe between terminal and log: writing end.
    StageIn,
    /// The container's first process.
    Process,
    /// One of those that a client hands over, by its place among them.
    Kept(u8),
}

/// Descriptors by what they are for.
pub(crate) type Held = BTreeMap<Tag, OwnedFd>;

/// What is said to a guardian.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToGuardian {
    /// A client: let a shim run this container. Answered by `Fine` once it has started, or `Refused`.
    Run { name: String, ticket: u64 },
    /// A shim: it is there. Without descriptors it asks for those that are held. Answered by `Held`.
    Hello { name: String, who: Option<Identity> },
    /// A shim: these are all of its descriptors now.
    Hold { name: String, who: Option<Identity> },
    /// A shim: the container runs.
    Started { name: String },
    /// A shim: the container has ended and stays so, or never began.
    Gone { name: String, reason: Option<String> },
    /// A client: which containers have a shim, and what is kept. Answered by `Census`.
    Census,
    /// A client: keep these under this name. Answered by `Fine`.
    Keep { name: String },
    /// A client: duplicates of what is kept under a name. They come with `Fine`.
    Lend { name: String },
    /// A client: keep it no longer. Answered by `Fine`.
    Release { name: String },
    /// A client: what is to be served has changed. Answered by `Fine`, or `Refused`.
    Serve,
    /// A client: go, for nothing is left. Answered by `Fine`, or `Refused`.
    Leave,
    /// A shim: an earlier guardian kept this.
    TakeOver { name: String },
}

/// What a guardian says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromGuardian {
    /// It is done.
    Fine,
    /// It is not, for this reason.
    Refused { reason: String },
    /// What is held for the shim; if the guardian reaped the first process, its wait status; and other processes that it reaped.
    Held { reaped: Option<i32>, others: Vec<Reaped> },
    /// The guardian reaped a process that is none that it knows.
    Other { reaped: Reaped },
    /// The guardian reaped the first process.
    Reaped { status: i32 },
    /// Containers with a shim, and names of what is kept.
    Census { names: Vec<String>, kept: Vec<String> },
    /// To its deputy: hold these, which are kept.
    Keep { name: String },
    /// To its deputy: they are kept no longer.
    Forget { name: String },
}

/// A process that a guardian reaped: it may be one that an earlier shim began.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Reaped {
    pub(crate) pid: i32,
    pub(crate) began: u64,
    pub(crate) status: i32,
}

impl Reaped {
    pub(crate) fn is(&self, who: &Identity) -> bool {
        (self.pid, self.began) == (who.pid, who.began)
    }
}

/// What a launching child tells its shim.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromLauncher {
    Made { who: Identity, warnings: Vec<String> },
    Failed { reason: String },
}

#[derive(Serialize, Deserialize)]
struct Packet<T> {
    tags: Vec<Tag>,
    said: T,
}

/// Most bytes of a packet; a census of two thousand containers with a port each fits, and the kernel's usual buffer takes it.
const MOST: usize = 200 * 1024;
/// Most descriptors of a packet: one for each tag of a container's, or as many as are kept under one name.
pub(crate) const DESCRIPTORS: usize = 64;

/// Sends a packet whole or not at all.
pub(crate) fn send<T: Serialize>(socket: impl AsFd, said: &T, held: &BTreeMap<Tag, BorrowedFd<'_>>) -> io::Result<()> {
    let bytes = serde_json::to_vec(&Packet { tags: held.keys().copied().collect(), said })?;
    let descriptors: Vec<BorrowedFd<'_>> = held.values().copied().collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    loop {
        match sendmsg(&socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => {}
            other => return other.map(drop).map_err(Into::into),
        }
    }
}

/// Reads a packet; `UnexpectedEof` when the other side is gone, `WouldBlock` when there is none. Of one that went and had not read all, the
/// kernel says so once, before what it said last: that is passed over.
pub(crate) fn receive<T: DeserializeOwned>(socket: impl AsFd) -> io::Result<(T, Held)> {
    // As much memory as the packet needs: a shim has little, and keeps what it once had.
    loop {
        match recv(&socket, &mut [0u8; 1][..], RecvFlags::PEEK | RecvFlags::TRUNC) {
            Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNRESET) => {}
            other => return take(&socket, other?.1),
        }
    }
}

/// Reads the packet that is there, of a length.
fn take<T: DeserializeOwned>(socket: impl AsFd, length: usize) -> io::Result<(T, Held)> {
    let mut bytes = vec![0u8; length.clamp(1, MOST)];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            // It went just now; the packet is there still.
            Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNRESET) => {}
            other => break other?,
        }
    };
    // Taken first, so that they are closed if the rest is no packet.
    let descriptors: Vec<OwnedFd> = control
        .drain()
        .filter_map(|it| {
            if let RecvAncillaryMessage::ScmRights(rights) = it {
                Some(rights)
            } else {
                None
            }
        })
        .flatten()
        .collect();
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if received.flags.contains(rustix::net::ReturnFlags::TRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a packet that is too long"));
    }
    let packet: Packet<T> = serde_json::from_slice(&bytes[..received.bytes])?;
    if packet.tags.len() != descriptors.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "descriptors were lost on the way: too many are open"));
    }
    Ok((packet.said, packet.tags.into_iter().zip(descriptors).collect()))
}

/// Lends descriptors.
pub(crate) fn lend(held: &Held) -> BTreeMap<Tag, BorrowedFd<'_>> {
    held.iter().map(|(tag, fd)| (*tag, fd.as_fd())).collect()
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    #[test]
    fn what_is_said_last_arrives_whenever_its_sender_goes() {
        let gone = || ToGuardian::Gone { name: "c".to_owned(), reason: None };
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        send(&theirs, &gone(), &BTreeMap::new()).unwrap();
        let (_, length) = recv(&ours, &mut [0u8; 1][..], RecvFlags::PEEK | RecvFlags::TRUNC).unwrap();
        // It goes between a look and the reading, and has not read what it was told.
        send(&ours, &FromGuardian::Fine, &BTreeMap::new()).unwrap();
        drop(theirs);
        let (said, _) = take::<ToGuardian>(&ours, length).unwrap();
        assert!(matches!(said, ToGuardian::Gone { name, .. } if name == "c"));
        assert_eq!(receive::<ToGuardian>(&ours).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}

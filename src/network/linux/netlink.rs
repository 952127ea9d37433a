//! A netlink socket. It stays in the namespace that it was opened in, whoever uses it.
#![expect(unsafe_code, reason = "three options of netlink sockets that no safe crate here sets")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

use crate::linux::message::{self, Batch, Message};
use crate::{NetworkError, Result};

/// `NLMSG_ERROR`; an acknowledgement is one with number 0.
const ERROR: u16 = 2;
/// `NLMSG_DONE`.
const DONE: u16 = 3;
/// `NLM_F_CAPPED`: the message that an error is about was left out.
const CAPPED: u16 = 0x100;
/// `NLM_F_ACK_TLVS`: attributes follow.
const EXPLAINED: u16 = 0x200;
/// `NLM_F_DUMP_INTR`: something changed while it was listed.
const INTERRUPTED: u16 = 0x10;
/// `NLMSGERR_ATTR_MSG`.
const SAID: u16 = 1;

/// Room for one datagram of an answer. The kernel fills at most 32 KiB (`NLMSG_GOODSIZE` of a dump).
const ROOM: usize = 32 << 10;
/// What a batch of many rules needs; the kernel charges several times the size.
const BUFFER: libc::c_int = 16 << 20;
/// Times that a list is asked for again because something changed meanwhile.
const TRIES: usize = 8;

/// What a message comes as from a list: its kind and its payload.
pub(crate) type Item = (u16, Vec<u8>);

#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
}

impl Socket {
    /// For links, addresses and routes.
    pub(crate) fn route() -> Result<Self> {
        Self::open(None, 0)
    }

    /// For nf_tables and connections.
    pub(crate) fn netfilter() -> Result<Self> {
        Self::open(Some(netlink::NETFILTER), 0)
    }

    /// For sockets.
    pub(crate) fn diagnosis() -> Result<Self> {
        Self::open(Some(netlink::SOCK_DIAG), 0)
    }

    /// For what the kernel tells about nf_tables and connections by itself, to the group of this number.
    pub(crate) fn notices(group: u32) -> Result<Self> {
        Self::open(Some(netlink::NETFILTER), 1 << (group - 1))
    }

    /// Reads all notices there are, and returns whether there were any. Those that were lost count too.
    pub(crate) fn drain(&self) -> Result<bool> {
        let mut buffer = Vec::with_capacity(ROOM);
        let mut any = false;
        loop {
            match self.receive(&mut buffer, RecvFlags::DONTWAIT) {
                Ok(()) | Err(Errno::NOBUFS) => any = true,
                Err(Errno::AGAIN) => return Ok(any),
                Err(errno) => return Err(NetworkError::step("read notices of the kernel")(errno)),
            }
        }
    }

    fn open(protocol: Option<Protocol>, groups: u32) -> Result<Self> {
        let fd = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
            .map_err(NetworkError::step("open a netlink socket"))?;
        rustix::net::bind(&fd, &SocketAddrNetlink::new(0, groups)).map_err(NetworkError::step("bind a netlink socket"))?;
        // Words to errors and large batches are good to have; a kernel that refuses them still does the rest.
        let _ = set(&fd, libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, 1);
        let _ = set(&fd, libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, 1);
        let _ = set(&fd, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, BUFFER);
        let _ = set(&fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, BUFFER);
        Ok(Self { fd })
    }

    /// Sends messages and reads what the kernel says to them, which is all there when the call returns.
    ///
    /// # Errors
    /// The first error that the kernel reports.
    pub(crate) fn request(&self, batch: &Batch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        self.send(batch)?;
        let mut first = None;
        let mut buffer = Vec::with_capacity(ROOM);
        loop {
            match self.receive(&mut buffer, RecvFlags::DONTWAIT) {
                Ok(()) => {}
                Err(Errno::AGAIN) => break,
                Err(errno) => return Err(NetworkError::step("read the kernel's answer")(errno)),
            }
            for message in message::messages(&buffer) {
                let error = (message.kind == ERROR).then(|| refusal(&message, batch)).flatten();
                first = first.or(error);
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// Asks for one thing or a list, and returns the answer's messages.
    ///
    /// # Errors
    /// What the kernel reports.
    pub(crate) fn ask(&self, batch: &Batch) -> Result<Vec<Item>> {
        for _ in 0..TRIES {
            if let Some(items) = self.ask_once(batch)? {
                return Ok(items);
            }
        }
        Err(NetworkError::Answer { about: "what changes all the time" })
    }

    /// Nothing when something changed while it was listed.
    fn ask_once(&self, batch: &Batch) -> Result<Option<Vec<Item>>> {
        self.send(batch)?;
        let mut items = Vec::new();
        let mut is_whole = true;
        let mut buffer = Vec::with_capacity(ROOM);
        loop {
            self.receive(&mut buffer, RecvFlags::empty())
                .map_err(NetworkError::step("read the kernel's answer"))?;
            for message in message::messages(&buffer) {
                is_whole &= message.flags & INTERRUPTED == 0;
                match message.kind {
                    ERROR => return refusal(&message, batch).map_or(Ok(is_whole.then_some(items)), Err),
                    DONE => return Ok(is_whole.then_some(items)),
                    kind => items.push((kind, message.payload.to_vec())),
                }
            }
        }
    }

    /// Reads one datagram, as far as the buffer has room.
    fn receive(&self, buffer: &mut Vec<u8>, flags: RecvFlags) -> rustix::io::Result<()> {
        buffer.clear();
        rustix::io::retry_on_intr(|| rustix::net::recv(&self.fd, spare_capacity(buffer), flags)).map(drop)
    }

    fn send(&self, batch: &Batch) -> Result<()> {
        let kernel = SocketAddrNetlink::new(0, 0);
        loop {
            match rustix::net::sendto(&self.fd, batch.bytes(), SendFlags::empty(), &kernel) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(NetworkError::step("ask the kernel over netlink")(errno)),
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The error in a message; nothing for an acknowledgement.
fn refusal(message: &Message<'_>, batch: &Batch) -> Option<NetworkError> {
    let number = i32::from_ne_bytes(message.payload.get(..4)?.try_into().ok()?);
    if number == 0 {
        return None;
    }
    // Behind the number is the head of the message that it is about, with the rest of it unless capped, then attributes.
    let original = if message.flags & CAPPED == 0 {
        message::number(message.payload, 4)?
    } else {
        16
    };
    let rest = message.payload.get(4 + usize::try_from(original).ok()?.next_multiple_of(4)..).unwrap_or_default();
    let said = (message.flags & EXPLAINED != 0).then(|| message::find(rest, SAID)).flatten().map(message::text);
    let doing = batch.doing(message.number).unwrap_or("ask the kernel over netlink").to_owned();
    Some(NetworkError::Kernel { doing, said, source: io::Error::from_raw_os_error(-number) })
}

fn set(fd: &OwnedFd, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let size = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(4);
    // SAFETY: the value is an int that outlives the call, and its size is given.
    let result = unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const value).cast(), size) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

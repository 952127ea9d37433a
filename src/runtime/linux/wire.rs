//! What a child tells its parent before execve: one message, one packet.

use std::io;
use std::os::fd::RawFd;

use super::sys::{self, Errno, Sys};

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The process in the namespaces has this id (in the number).
    Process = b'P',
    /// The hooks of the host are to run; an answer lets the child go on.
    HostHooks = b'H',
    /// Everything is made, and the limits are to be set; an answer lets the child go on.
    Ready = b'R',
    /// It waits for its start.
    Waiting = b'C',
    /// The step failed, with an errno.
    Failed = b'E',
    /// The program cannot be run, with an errno.
    Program = b'N',
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        [Self::Process, Self::HostHooks, Self::Ready, Self::Waiting, Self::Failed, Self::Program]
            .into_iter()
            .find(|it| *it as u8 == byte)
    }
}

/// A message that was read.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) number: i32,
    pub(crate) text: String,
}

/// Most bytes of a message; a longer label is cut.
const MOST: usize = 512;
const HEAD: usize = 5;

/// Sends a message, without allocating.
pub(crate) fn send(socket: RawFd, kind: Kind, number: i32, text: &[u8]) -> Sys<()> {
    let mut packet = [0u8; MOST];
    packet[0] = kind as u8;
    packet[1..HEAD].copy_from_slice(&number.to_le_bytes());
    let length = text.len().min(MOST - HEAD);
    packet[HEAD..HEAD + length].copy_from_slice(&text[..length]);
    loop {
        // SAFETY: pointer and length are those of the packet.
        let sent = unsafe { libc::send(socket, packet.as_ptr().cast(), HEAD + length, libc::MSG_NOSIGNAL) };
        match sys::check(sent as libc::c_long) {
            Err(Errno(libc::EINTR)) => {}
            other => return other.map(drop),
        }
    }
}

/// Waits for the answer of the parent; its end means that it died.
pub(crate) fn answer(socket: RawFd) -> Sys<()> {
    let mut byte = [0];
    match sys::read(socket, &mut byte)? {
        0 => Err(Errno(libc::EPIPE)),
        _ => Ok(()),
    }
}

/// Reads a message; nothing when the other side has closed, as execve does.
pub(crate) fn receive(socket: RawFd) -> io::Result<Option<Message>> {
    let mut packet = [0u8; MOST];
    let read = |packet: &mut [u8]| match sys::read(socket, packet) {
        // One who ends with an answer unread is told of before its last words, which still wait.
        Err(Errno(libc::ECONNRESET)) => sys::read(socket, packet),
        other => other,
    };
    let length = match read(&mut packet) {
        Err(Errno(libc::ECONNRESET)) | Ok(0) => return Ok(None),
        Err(errno) => return Err(errno.into()),
        Ok(length) => length,
    };
    parse(&packet[..length])
}

/// Reads the bytes of a message; no bytes are none.
pub(crate) fn parse(packet: &[u8]) -> io::Result<Option<Message>> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    if packet.is_empty() {
        return Ok(None);
    }
    let (head, text) = packet.split_at_checked(HEAD).ok_or_else(malformed)?;
    let kind = Kind::of(head[0]).ok_or_else(malformed)?;
    let number = i32::from_le_bytes([head[1], head[2], head[3], head[4]]);
    Ok(Some(Message { kind, number, text: String::from_utf8_lossy(text).into_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn last_words_are_heard_of_one_who_left_an_answer_unread() {
        let (ours, theirs) = sys::socket_pair().unwrap();
        assert!(sys::write_all(ours.as_raw_fd(), b"g").is_ok());
        send(theirs.as_raw_fd(), Kind::Failed, 7, b"why").unwrap();
        drop(theirs);
        let heard = receive(ours.as_raw_fd()).unwrap().unwrap();
        assert_eq!((heard.kind, heard.number, heard.text.as_str()), (Kind::Failed, 7, "why"));
        assert!(receive(ours.as_raw_fd()).unwrap().is_none());
    }
}

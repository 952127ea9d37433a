//! Whoever is connected to the control socket.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use super::execs::{self, For};
use super::streams::Pipes;
use super::{Shim, number};
use crate::event::What;
use crate::exec::Exec;
use crate::log::{FIRST, Log, segment, segments};
use crate::poll::{Poll, Ready};
use crate::protocol::{Reply, Request};
use crate::record::Record;
use crate::socket;

/// Most bytes of replies that wait for a client; one that asks and never reads is sent away.
const MOST_REPLIES: usize = 256 * 1024;
/// Most connections.
const MOST_CLIENTS: usize = 64;
/// Bytes read at once.
const AT_ONCE: usize = 4096;

#[derive(Debug)]
struct Client {
    socket: OwnedFd,
    input: Vec<u8>,
    output: Vec<u8>,
    /// It waits for the end.
    waits: bool,
    /// It waits for the end of a further process.
    exec: Option<u64>,
    /// It does what follows from the end.
    follows: bool,
    /// Descriptors that came with what it said.
    descriptors: Vec<OwnedFd>,
    cursor: Option<Cursor>,
    /// Bytes for standard input that it does not take yet; the client is not read meanwhile.
    typed: Vec<u8>,
    /// It says nothing any more.
    silent: bool,
    /// It hung up while bytes of it were still to be typed; the rest is read when they are.
    away: bool,
}

/// How far a client has the log.
#[derive(Debug)]
struct Cursor {
    file: File,
    number: u64,
    at: u64,
    /// It does not take more at the moment.
    full: bool,
}

#[derive(Debug, Default)]
pub(super) struct Clients {
    all: BTreeMap<u64, Client>,
    count: u64,
}

impl Clients {
    pub(super) fn accept(&mut self, listener: &OwnedFd, poll: &Poll) {
        let Some(socket) = socket::accept(listener) else {
            return;
        };
        let number = number::CLIENTS + self.count;
        if self.all.len() < MOST_CLIENTS && poll.add(&socket, number, Ready::IN).is_ok() {
            self.count += 1;
            self.all.insert(number, Client::new(socket));
        }
    }

    fn drop_client(&mut self, number: u64, poll: &Poll) {
        if let Some(client) = self.all.remove(&number) {
            poll.remove(&client.socket);
        }
    }

    /// Answers those that wait for the end.
    pub(super) fn answer_waiting(&mut self, record: &Record, poll: &Poll) {
        let numbers: Vec<u64> = self.all.iter().filter(|(_, it)| it.waits).map(|(number, _)| *number).collect();
        for number in numbers {
            if let Some(client) = self.all.get_mut(&number) {
                client.waits = false;
            }
            self.reply(number, &status(record), poll);
        }
    }

    fn reply(&mut self, number: u64, reply: &Reply, poll: &Poll) {
        if let Some(client) = self.all.get_mut(&number) {
            client.output.extend(reply.to_bytes());
            if client.output.len() > MOST_REPLIES || !client.flush() {
                self.drop_client(number, poll);
            } else {
                client.watch(number, poll);
            }
        }
    }

    /// Answers one that began a further process, with the terminal of that.
    pub(super) fn reply_with(&mut self, number: u64, reply: &Reply, terminal: Option<BorrowedFd<'_>>, poll: &Poll) {
        if let (Some(client), Some(terminal)) = (self.all.get_mut(&number), terminal) {
            let mut bytes = reply.to_bytes();
            // Descriptors go with the first byte; what does not go at once follows as any answer does.
            match socket::send_with(&client.socket, &bytes, &[terminal]) {
                Ok(sent) => client.output.extend(bytes.drain(sent..)),
                Err(_) => self.drop_client(number, poll),
            }
            return;
        }
        self.reply(number, reply, poll);
    }

    /// Answers those that wait for the end of a further process.
    pub(super) fn answer_exec(&mut self, id: u64, reply: &Reply, poll: &Poll) {
        let numbers: Vec<u64> = self.all.iter().filter(|(_, it)| it.exec == Some(id)).map(|(number, _)| *number).collect();
        for number in numbers {
            if let Some(client) = self.all.get_mut(&number) {
                client.exec = None;
            }
            self.reply(number, reply, poll);
        }
    }

    /// Sends what the log has that they have not.
    pub(super) fn follow(&mut self, log: &Log, folder: &Path, poll: &Poll) {
        let mut lost = Vec::new();
        for (number, client) in &mut self.all {
            if !client.flush() || !client.follow(log, folder) {
                lost.push(*number);
            } else {
                client.watch(*number, poll);
            }
        }
        for number in lost {
            self.drop_client(number, poll);
        }
    }

    /// Returns whether everybody has everything.
    pub(super) fn is_quiet(&self, log: &Log) -> bool {
        let quiet = |client: &Client| {
            let behind = client.cursor.as_ref().is_some_and(|it| (it.number, it.at) < log.whole());
            client.output.is_empty() && !client.waits && client.exec.is_none() && !behind
        };
        self.all.values().all(quiet)
    }

    /// Whether somebody does what follows from the end.
    pub(super) fn are_following(&self) -> bool {
        self.all.values().any(|it| it.follows)
    }

    /// Standard input takes bytes again.
    pub(super) fn unblock(&mut self, pipes: &mut Pipes, poll: &Poll) {
        let mut blocked = false;
        for (number, client) in &mut self.all {
            client.type_into(pipes);
            blocked |= !client.typed.is_empty();
            if client.typed.is_empty() && std::mem::take(&mut client.away) {
                let _ = poll.add(&client.socket, *number, Ready::IN);
            }
            client.watch(*number, poll);
        }
        pipes.watch_input(poll, blocked);
    }
}

fn status(record: &Record) -> Reply {
    Reply::Status(serde_json::to_vec(record).unwrap_or_default())
}

impl Client {
    fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            input: Vec::new(),
            output: Vec::new(),
            waits: false,
            exec: None,
            follows: false,
            descriptors: Vec::new(),
            cursor: None,
            typed: Vec::new(),
            silent: false,
            away: false,
        }
    }

    fn watch(&self, number: u64, poll: &Poll) {
        let mut wanted = if self.typed.is_empty() && !self.silent { Ready::IN } else { Ready::empty() };
        if !self.output.is_empty() || self.cursor.as_ref().is_some_and(|it| it.full) {
            wanted |= Ready::OUT;
        }
        let _ = poll.change(&self.socket, number, wanted);
    }

    /// Sends what waits; returns whether the client is still there.
    fn flush(&mut self) -> bool {
        while !self.output.is_empty() {
            match rustix::net::send(&self.socket, &self.output, rustix::net::SendFlags::NOSIGNAL) {
                Ok(sent) => drop(self.output.drain(..sent)),
                Err(rustix::io::Errno::AGAIN) => return true,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Sends whole frames from the segments; returns whether the client is still there.
    fn follow(&mut self, log: &Log, folder: &Path) -> bool {
        // Its reply comes first.
        let Some(cursor) = self.cursor.as_mut().filter(|_| self.output.is_empty()) else {
            return true;
        };
        cursor.full = false;
        loop {
            let (last, whole) = log.whole();
            let end = if cursor.number == last {
                whole
            } else {
                cursor.file.metadata().map_or(0, |it| it.len())
            };
            if cursor.at >= end {
                let Some(next) = Cursor::after(cursor.number, folder).filter(|_| cursor.number != last) else {
                    return true;
                };
                *cursor = next;
                continue;
            }
            let most = usize::try_from(end - cursor.at).unwrap_or(usize::MAX);
            match rustix::fs::sendfile(&self.socket, &cursor.file, Some(&mut cursor.at), most) {
                Ok(0) | Err(rustix::io::Errno::AGAIN) => {
                    cursor.full = true;
                    return true;
                }
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    fn type_into(&mut self, pipes: &Pipes) {
        while !self.typed.is_empty() {
            match pipes.write(&self.typed) {
                Ok(0) => return,
                Ok(written) => drop(self.typed.drain(..written)),
                // Nobody reads it any more.
                Err(_) => self.typed.clear(),
            }
        }
    }
}

impl Cursor {
    /// Begins at the oldest segment after one.
    fn after(number: u64, folder: &Path) -> Option<Self> {
        let number = segments(folder).ok()?.into_iter().find(|it| *it > number)?;
        Some(Self { file: File::open(segment(folder, number)).ok()?, number, at: FIRST, full: false })
    }

    /// Begins where the log ends now.
    fn end(log: &Log, folder: &Path) -> Option<Self> {
        let (number, at) = log.whole();
        Some(Self { file: File::open(segment(folder, number)).ok()?, number, at, full: false })
    }
}

impl Shim<'_> {
    /// Serves a client that is ready for something.
    pub(super) fn serve(&mut self, number: u64, ready: Ready) {
        let Some(client) = self.clients.all.get_mut(&number) else {
            return;
        };
        let hung_up = ready.intersects(Ready::HUP | Ready::ERR);
        if hung_up && !client.typed.is_empty() {
            self.poll.remove(&client.socket);
            client.away = true;
            return;
        }
        if hung_up && !ready.contains(Ready::IN) {
            self.clients.drop_client(number, &self.poll);
            return;
        }
        // Sending is done by `pump`, for all of them.
        if !ready.contains(Ready::IN) {
            return;
        }
        let mut bytes = [0u8; AT_ONCE];
        match socket::receive_with(&client.socket, &mut bytes[..]) {
            // It may have closed its writing side only, and still read.
            Ok((0, _)) if client.cursor.is_some() || client.waits || client.exec.is_some() => client.silent = true,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Ok((0, _)) | Err(_) => self.clients.drop_client(number, &self.poll),
            Ok((length, descriptors)) => {
                client.input.extend_from_slice(&bytes[..length]);
                client.descriptors.extend(descriptors);
                self.read(number);
            }
        }
    }

    /// Answers every request that is whole.
    fn read(&mut self, number: u64) {
        while let Some(client) = self.clients.all.get_mut(&number) {
            let reply = match Request::parse(&client.input) {
                Ok(None) => return,
                Ok(Some((request, used))) => {
                    client.input.drain(..used);
                    self.answer(number, request)
                }
                // What comes after it cannot be read either.
                Err(malformed) => {
                    client.input.clear();
                    client.silent = true;
                    Some(Reply::Refused(malformed.to_string()))
                }
            };
            if let Some(reply) = reply {
                self.clients.reply(number, &reply, &self.poll);
            }
        }
    }

    fn answer(&mut self, number: u64, request: Request) -> Option<Reply> {
        let client = self.clients.all.get_mut(&number)?;
        // Who attached is sent frames and nothing else.
        let is_attached = client.cursor.is_some();
        let reply = match request {
            Request::Attach { .. } if is_attached => return None,
            Request::Attach { from_start } => {
                let folder = self.task.log_folder();
                client.cursor = if from_start {
                    Cursor::after(0, folder)
                } else {
                    Cursor::end(&self.log, folder)
                };
                if client.cursor.is_some() {
                    Reply::Fine
                } else {
                    Reply::Refused("the log cannot be opened".to_owned())
                }
            }
            Request::Resize { rows, columns } => self.resize(rows, columns),
            Request::Signal(signal) if self.process.is_some() => {
                self.send(signal);
                self.say(What::Kill { signal });
                if i32::from(signal) == libc::SIGKILL {
                    self.thaw();
                }
                Reply::Fine
            }
            Request::Signal(_) => Reply::Refused("the container does not run".to_owned()),
            Request::Stop { signal, grace } => {
                self.stop(signal, grace, false);
                Reply::Fine
            }
            Request::Wait => {
                client.waits = true;
                return None;
            }
            Request::Status => status(&self.record),
            Request::Input(bytes) => self.typed(number, &bytes)?,
            Request::EndInput => self.end_input(),
            Request::Pause { frozen } => self.pause(frozen),
            Request::Update(json) => self.update(&json),
            Request::Exec(json) => self.exec(number, &json)?,
            Request::ExecWait(id) => self.exec_wait(number, id)?,
            Request::Follow => {
                client.follows = true;
                Reply::Fine
            }
            Request::Discard => {
                self.discards = true;
                Reply::Fine
            }
            Request::Followed => {
                client.follows = false;
                self.owes_call = false;
                Reply::Fine
            }
        };
        Some(reply).filter(|_| !is_attached)
    }

    /// The answer comes when it runs.
    fn exec(&mut self, number: u64, json: &[u8]) -> Option<Reply> {
        let mut descriptors = std::mem::take(&mut self.clients.all.get_mut(&number)?.descriptors);
        let begun = serde_json::from_slice::<Exec>(json)
            .map_err(|error| format!("no further process: {error}"))
            .and_then(|exec| {
                let streams = execs::streams(&exec, &mut descriptors)?;
                self.further(&exec, streams, For::Client(number))
            });
        begun.err().map(Reply::Refused)
    }

    fn exec_wait(&mut self, number: u64, id: u64) -> Option<Reply> {
        if let Some(exit) = self.execs.exit(id) {
            return Some(Reply::Status(serde_json::to_vec(exit).unwrap_or_default()));
        }
        if !self.execs.is_running(id) {
            return Some(Reply::Refused(format!("nobody knows of a further process {id}")));
        }
        self.clients.all.get_mut(&number)?.exec = Some(id);
        None
    }

    fn resize(&self, rows: u16, columns: u16) -> Reply {
        let Some(master) = &self.pipes.master else {
            return Reply::Refused("the container has no terminal".to_owned());
        };
        let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(master, size).map_or_else(|errno| Reply::Refused(errno.to_string()), |()| Reply::Fine)
    }

    fn typed(&mut self, number: u64, bytes: &[u8]) -> Option<Reply> {
        let client = self.clients.all.get_mut(&number)?;
        if self.pipes.master.is_none() && self.pipes.input.is_none() {
            return Some(Reply::Refused("the standard input of the container is not open".to_owned()));
        }
        client.typed.extend_from_slice(bytes);
        client.type_into(&self.pipes);
        if !client.typed.is_empty() {
            client.watch(number, &self.poll);
            self.pipes.watch_input(&self.poll, true);
        }
        Some(Reply::Fine)
    }

    fn end_input(&mut self) -> Reply {
        if self.pipes.master.is_some() {
            return Reply::Refused("the input of a terminal ends with a character (Ctrl-D)".to_owned());
        }
        self.pipes.close_input(&self.poll);
        self.hold();
        Reply::Fine
    }
}

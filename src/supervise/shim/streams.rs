//! The pipes of a container, and the way from them into its log.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Gid, Mode, Uid, mkfifoat};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

use super::number;
use crate::error::{Result, SuperviseError};
use crate::frame::{MOST, Stream};
use crate::kernel;
use crate::log::Log;
use crate::parcel::{Held, Tag};
use crate::place::Place;
use crate::poll::{Poll, Ready};
use crate::task::{Input, Task};

/// How often a terminal is looked at that nobody in the container has open.
const IDLE_TERMINAL: Duration = Duration::from_millis(200);

/// Descriptors of a container's streams.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    out: Option<OwnedFd>,
    err: Option<OwnedFd>,
    pub(super) input: Option<OwnedFd>,
    pub(super) master: Option<OwnedFd>,
    /// Between terminal and log: reading and writing end.
    stage: Option<(OwnedFd, OwnedFd)>,
    /// First process, as the guardian hands it back.
    pub(super) process: Option<OwnedFd>,
    /// A guardian handed the streams back: nothing that was written to them is lost.
    pub(super) were_held: bool,
    /// When a terminal that hung up is watched again.
    pub(super) master_again: Option<Duration>,
}

/// Opens a pipe of the place, making it if it is not there. Both ways, so that it never ends, and without blocking.
fn pipe(path: &Path, owner: Option<(u32, u32)>) -> Result<OwnedFd> {
    match mkfifoat(rustix::fs::CWD, path, Mode::from_raw_mode(0o600)) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(errno) => return Err(SuperviseError::file("make the pipe", path)(errno.into())),
    }
    let opened = File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path);
    let opened = OwnedFd::from(opened.map_err(SuperviseError::file("open", path))?);
    if let Some((user, group)) = owner {
        // So that `/dev/stdout` can be opened by the container's own user.
        let owned = rustix::fs::fchown(&opened, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)));
        owned.map_err(|errno| SuperviseError::file("give away the pipe", path)(errno.into()))?;
    }
    // As much as is allowed: while nobody reads, a writer goes on for that long. Less is no harm.
    let _ = fcntl_setpipe_size(&opened, MOST as usize);
    Ok(opened)
}

impl Pipes {
    /// Opens what the task needs; what was held for it comes first.
    pub(super) fn open(place: &Place, task: &Task, mut held: Held, poll: &Poll) -> Result<Self> {
        let were_held = [Tag::Out, Tag::StageOut].iter().any(|it| held.contains_key(it));
        let mut pipes = Self { process: held.remove(&Tag::Process), were_held, ..Self::default() };
        if task.terminal {
            if let (Some(out), Some(into)) = (held.remove(&Tag::StageOut), held.remove(&Tag::StageIn)) {
                pipes.stage = Some((out, into));
            }
            if let Some(master) = held.remove(&Tag::Master) {
                pipes.set_master(master, poll)?;
            }
            return Ok(pipes);
        }
        let mut stream = |tag: Tag, name: &str| held.remove(&tag).map_or_else(|| pipe(&place.pipe(name), task.owner), Ok);
        pipes.out = Some(stream(Tag::Out, "out")?);
        pipes.err = Some(stream(Tag::Err, "err")?);
        pipes.input = held.remove(&Tag::In);
        pipes.watch(poll, true);
        if let Some(input) = &pipes.input {
            poll.add(input, number::IN, Ready::empty())?;
        }
        Ok(pipes)
    }

    /// Opens standard input for a new run.
    pub(super) fn renew_input(&mut self, place: &Place, task: &Task, poll: &Poll) -> Result<()> {
        self.close_input(poll);
        if task.input == Input::Open && !task.terminal {
            // What an earlier run left unread is not for this one.
            let path = place.pipe("in");
            let _ = std::fs::remove_file(&path);
            let input = pipe(&path, task.owner)?;
            poll.add(&input, number::IN, Ready::empty())?;
            self.input = Some(input);
        }
        Ok(())
    }

    pub(super) fn close_input(&mut self, poll: &Poll) {
        if let Some(input) = self.input.take() {
            poll.remove(&input);
        }
    }

    /// Takes the other side of a new terminal.
    pub(super) fn set_master(&mut self, master: OwnedFd, poll: &Poll) -> Result<()> {
        rustix::io::ioctl_fionbio(&master, true).map_err(SuperviseError::step("make the terminal non-blocking"))?;
        if self.stage.is_none() {
            let made = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(SuperviseError::step("make a pipe"))?;
            self.stage = Some(made);
        }
        poll.add(&master, number::MASTER, Ready::IN)?;
        self.master = Some(master);
        Ok(())
    }

    pub(super) fn drop_master(&mut self, poll: &Poll) {
        self.master_again = None;
        if let Some(master) = self.master.take() {
            poll.remove(&master);
        }
    }

    /// A terminal that nobody has open hangs up for as long as that is so: it is left alone for a while.
    pub(super) fn master_ready(&mut self, ready: Ready, poll: &Poll) {
        if let Some(master) = &self.master
            && ready.contains(Ready::HUP)
            && !ready.contains(Ready::IN)
        {
            poll.remove(master);
            self.master_again = Some(kernel::since_boot() + IDLE_TERMINAL);
        }
    }

    pub(super) fn watch_master(&mut self, poll: &Poll) {
        self.master_again = None;
        if let Some(master) = &self.master {
            let _ = poll.add(master, number::MASTER, Ready::IN);
        }
    }

    /// Watches the streams, or leaves them alone while the log refuses.
    pub(super) fn watch(&self, poll: &Poll, wanted: bool) {
        for (fd, number) in [(&self.out, number::OUT), (&self.err, number::ERR), (&self.master, number::MASTER)] {
            let Some(fd) = fd else { continue };
            if !wanted {
                poll.remove(fd);
            } else if number != number::MASTER || self.master_again.is_none() {
                // Watched already is as well.
                let _ = poll.add(fd, number, Ready::IN);
            }
        }
    }

    fn of(&self, stream: Stream) -> Option<&OwnedFd> {
        match stream {
            Stream::Out => self.out.as_ref(),
            Stream::Err => self.err.as_ref(),
            Stream::Terminal => self.stage.as_ref().map(|(out, _)| out),
        }
    }

    /// Takes what waits, in so many rounds at most; returns whether there may be more. A frame that is not whole is filled first.
    pub(super) fn pump(&self, log: &mut Log, rounds: u32) -> Result<bool> {
        for _ in 0..rounds {
            if let Some(stream) = log.awaits() {
                let taken = self.of(stream).map_or(Ok(0), |pipe| log.take(stream, pipe))?;
                if log.awaits().is_some() && taken == 0 {
                    // Another than the log took from the pipe: what is missing does not come.
                    log.cut()?;
                }
            }
            self.stage();
            let mut taken = 0;
            for stream in [Stream::Out, Stream::Err, Stream::Terminal] {
                if log.awaits().is_none()
                    && let Some(pipe) = self.of(stream)
                {
                    taken += log.take(stream, pipe)?;
                }
            }
            if taken == 0 && log.awaits().is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Moves what a terminal has to the pipe before the log, where a killed shim does not lose it.
    fn stage(&self) {
        if let (Some(master), Some((_, into))) = (&self.master, &self.stage) {
            // Ends when there is nothing, the pipe is full, or nobody in the container has the terminal open (EIO).
            while matches!(splice(master, None, into, None, MOST as usize, SpliceFlags::NONBLOCK), Ok(moved) if moved > 0) {}
        }
    }

    /// Returns whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        let streams = [Stream::Out, Stream::Err, Stream::Terminal];
        streams.into_iter().filter_map(|it| self.of(it)).all(|fd| rustix::io::ioctl_fionread(fd) == Ok(0))
    }

    /// Writes to standard input; returns how many bytes went.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let Some(into) = self.master.as_ref().or(self.input.as_ref()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        match rustix::io::write(into, bytes) {
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(0),
            other => other.map_err(Into::into),
        }
    }

    /// Asks to be woken when standard input takes more.
    pub(super) fn watch_input(&self, poll: &Poll, wanted: bool) {
        let (fd, number, read) = match (&self.master, &self.input) {
            (Some(master), _) => (master, number::MASTER, Ready::IN),
            (None, Some(input)) => (input, number::IN, Ready::empty()),
            (None, None) => return,
        };
        let _ = poll.change(fd, number, if wanted { read | Ready::OUT } else { read });
    }

    /// Lends everything a guardian is to hold.
    pub(super) fn lend(&self) -> std::collections::BTreeMap<Tag, std::os::fd::BorrowedFd<'_>> {
        let stage = self.stage.as_ref();
        let all = [
            (Tag::Out, self.out.as_ref()),
            (Tag::Err, self.err.as_ref()),
            (Tag::In, self.input.as_ref()),
            (Tag::Master, self.master.as_ref()),
            (Tag::StageOut, stage.map(|it| &it.0)),
            (Tag::StageIn, stage.map(|it| &it.1)),
        ];
        all.into_iter().filter_map(|(tag, fd)| Some((tag, fd?.as_fd()))).collect()
    }
}

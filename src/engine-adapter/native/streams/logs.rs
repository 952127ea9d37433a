//! A container's output, from its log.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use futures::stream::BoxStream;
use rcompose_engine_adapter::{ContainerName, LogLine, LogOptions, Result};
use rcompose_supervise::{Frame, Phase, Reader};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use super::lines::{Line, Lines, is_wanted};
use crate::document::Container;
use crate::engine::Native;
use crate::error;
use crate::thread::{self, Out};

/// How long nothing may come before it is looked whether somebody still listens, and whether the container has ended.
const LOOK: Duration = Duration::from_millis(250);

/// Sends a container's output, whole lines, in the order recorded.
pub(crate) fn logs(native: &Native, name: &ContainerName, options: &LogOptions) -> BoxStream<'static, Result<LogLine>> {
    let (native, name, options) = (native.clone(), name.clone(), options.clone());
    thread::stream(move |out| {
        let container = native.places.known(&name)?;
        if let Some(driver) = container.spec.logging.as_ref().and_then(|it| it.driver.as_deref()).filter(|it| *it == "none") {
            return Err(error::conflict(format!("container {name} has the logging driver `{driver}`: nothing of its output is kept")));
        }
        Follower { native: &native, container: &container, options: &options, lines: Lines::default() }.follow(out)
    })
}

struct Follower<'a> {
    native: &'a Native,
    container: &'a Container,
    options: &'a LogOptions,
    lines: Lines,
}

impl Follower<'_> {
    fn follow(&mut self, out: &Out<LogLine>) -> Result<()> {
        let folder = self.native.places.container(&self.container.id).keep();
        let mut changes = Changes::of(&folder)?;
        let mut reader = Reader::oldest(&folder);
        if !self.past(&mut reader, out)? || !self.options.follow {
            return Ok(());
        }
        loop {
            // Asked before the log is read: what it wrote before its end is there then.
            let over = self.is_over()?;
            while let Some(frame) = next(&mut reader)? {
                let ended = self.lines.take(&frame);
                if !self.send(ended, out) {
                    return Ok(());
                }
            }
            if over || out.is_closed() {
                let rest = self.lines.rest();
                self.send(rest, out);
                return Ok(());
            }
            changes.wait(LOOK);
        }
    }

    /// Sends what is there already; tells whether somebody wants more.
    fn past(&mut self, reader: &mut Reader, out: &Out<LogLine>) -> Result<bool> {
        let most = self.options.tail.map(|it| usize::try_from(it).unwrap_or(usize::MAX));
        let mut last: VecDeque<Line> = VecDeque::new();
        while let Some(frame) = next(reader)? {
            let ended = self.lines.take(&frame);
            let Some(most) = most else {
                if !self.send(ended, out) {
                    return Ok(false);
                }
                continue;
            };
            last.extend(ended.into_iter().filter(|it| is_wanted(it, self.options)));
            last.drain(..last.len().saturating_sub(most));
        }
        if !self.options.follow {
            last.extend(self.lines.rest());
            let over = most.map_or(0, |most| last.len().saturating_sub(most));
            last.drain(..over);
        }
        Ok(self.send(last.into(), out))
    }

    fn send(&self, lines: Vec<Line>, out: &Out<LogLine>) -> bool {
        lines.into_iter().filter(|it| is_wanted(it, self.options)).all(|line| out.send(line.into()))
    }

    /// Tells whether nothing will come any more: it has ended for good, or was removed.
    fn is_over(&self) -> Result<bool> {
        if !self.native.places.container(&self.container.id).folder.is_dir() {
            return Ok(true);
        }
        let record = self.native.places.record(self.container)?;
        Ok(record.is_none_or(|it| it.phase == Phase::Ended || it.boot != rcompose_supervise::boot()))
    }
}

fn next(reader: &mut Reader) -> Result<Option<Frame>> {
    reader.next_frame().map_err(error::supervise("read the log"))
}

/// Wakes whoever waits for something to be written into a folder.
struct Changes(OwnedFd);

impl Changes {
    fn of(folder: &Path) -> Result<Self> {
        let failed = |errno: rustix::io::Errno| error::file("watch", folder)(errno.into());
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(failed)?;
        let what = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::DELETE_SELF;
        inotify::add_watch(&watch, folder, what).map_err(failed)?;
        Ok(Self(watch))
    }

    fn wait(&mut self, limit: Duration) {
        let limit = Timespec { tv_sec: 0, tv_nsec: i64::from(limit.subsec_nanos()) };
        let mut wanted = [PollFd::new(&self.0, PollFlags::IN)];
        // Woken too early does no harm: it is looked again.
        if poll(&mut wanted, Some(&limit)).is_ok_and(|it| it > 0) {
            let mut events = [0_u8; 4096];
            while rustix::io::read(self.0.as_fd(), &mut events[..]).is_ok_and(|it| it > 0) {}
        }
    }
}

//! Writes a log: segments of frames, in a way that a SIGKILL between any two system calls loses no byte and doubles none.
//!
//! A head is written with the number of bytes that wait in the pipe; then the kernel moves just those from pipe to file (splice). Killed
//! before the move is done, the frame is shorter than its head says, and the rest is still in the pipe, where the next shim takes it from.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::pipe::{SpliceFlags, splice};

use crate::error::{Result, SuperviseError};
use crate::frame::{Bad, HEAD, Head, MAGIC, MOST, Stream};
use crate::kernel;
use crate::task::Limits;

/// Length of what a segment begins with.
pub(crate) const FIRST: u64 = MAGIC.len() as u64;

/// The writing end of a log.
#[derive(Debug)]
pub(crate) struct Log {
    folder: PathBuf,
    limits: Limits,
    number: u64,
    file: File,
    end: u64,
    open: Option<Open>,
}

/// A frame of which bytes are still to come.
#[derive(Debug, Clone, Copy)]
struct Open {
    at: u64,
    head: Head,
    left: u32,
}

/// Returns the path of a segment.
pub(crate) fn segment(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("log.{number}"))
}

/// Lists the segments of a log, oldest first.
pub(crate) fn segments(folder: &Path) -> Result<Vec<u64>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(SuperviseError::file("read the folder", folder))?,
    };
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_prefix("log.")?.parse().ok();
    let mut numbers: Vec<u64> = entries.flatten().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn open_segment(folder: &Path, number: u64) -> Result<File> {
    let path = segment(folder, number);
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    opened.map_err(SuperviseError::file("open", path))
}

impl Log {
    /// Opens a log where its last writer left it.
    pub(crate) fn open(folder: &Path, limits: Limits) -> Result<Self> {
        let number = segments(folder)?.last().copied().unwrap_or(1);
        let mut log = Self { folder: folder.to_owned(), limits, number, file: open_segment(folder, number)?, end: 0, open: None };
        if !log.recover().map_err(SuperviseError::file("read", segment(folder, number)))? {
            log.turn()?;
        }
        Ok(log)
    }

    /// Finds the end of the segment; returns whether it can be written on.
    fn recover(&mut self) -> io::Result<bool> {
        let size = self.file.metadata()?.len();
        let mut first = [0; MAGIC.len()];
        if size < FIRST {
            self.begin()?;
            return Ok(true);
        }
        self.file.read_exact_at(&mut first, 0)?;
        if first != MAGIC {
            return Ok(false);
        }
        let mut at = FIRST;
        // Heads lie apart: what is read at once serves many small frames.
        let mut window = vec![0; 16 * 1024];
        let (mut from, mut filled) = (0, 0);
        while at < size {
            let inside = usize::try_from(at.wrapping_sub(from)).unwrap_or(usize::MAX);
            if at < from || inside.saturating_add(HEAD) > filled {
                from = at;
                filled = read_at(&self.file, &mut window, at)?;
            }
            let inside = usize::try_from(at - from).unwrap_or(usize::MAX);
            match Head::parse(window.get(inside..filled).unwrap_or_default()) {
                Ok(head) => {
                    let next = at + HEAD as u64 + u64::from(head.length);
                    if next > size {
                        let left = u32::try_from(next - size).unwrap_or(MOST);
                        self.open = Some(Open { at, head, left });
                    }
                    at = next.min(size);
                }
                Err(Bad::Short) => {
                    // The head was being written: none of its bytes was taken from the pipe.
                    self.file.set_len(at)?;
                    break;
                }
                Err(Bad::Damaged) => return Ok(false),
            }
        }
        self.end = at;
        Ok(true)
    }

    fn begin(&mut self) -> io::Result<()> {
        self.file.write_all_at(&MAGIC, 0)?;
        self.end = FIRST;
        Ok(())
    }

    /// Goes on with a new segment, and removes the oldest that are too many.
    fn turn(&mut self) -> Result<()> {
        let number = self.number + 1;
        self.file = open_segment(&self.folder, number)?;
        self.number = number;
        self.begin().map_err(SuperviseError::file("write", segment(&self.folder, number)))?;
        let most = u64::from(self.limits.max_file.max(1));
        for old in segments(&self.folder)?.into_iter().filter(|it| it + most <= number) {
            let path = segment(&self.folder, old);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(SuperviseError::file("remove", path)(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns the stream whose frame awaits bytes: it must be taken from first.
    pub(crate) fn awaits(&self) -> Option<Stream> {
        self.open.map(|it| it.head.stream)
    }

    /// Takes what waits in a pipe, one frame at most; returns the number of bytes.
    pub(crate) fn take(&mut self, stream: Stream, pipe: &OwnedFd) -> Result<u32> {
        if self.open.is_none() {
            if self.end >= self.limits.max_size.max(FIRST + 1) {
                self.turn()?;
            }
            let waiting = rustix::io::ioctl_fionread(pipe).map_err(SuperviseError::step("ask how much waits in a pipe"))?;
            let length = u32::try_from(waiting).unwrap_or(MOST).min(MOST);
            if length == 0 {
                return Ok(0);
            }
            self.write_head(Head { stream, at: kernel::now(), length })?;
        }
        self.fill(pipe)
    }

    fn write_head(&mut self, head: Head) -> Result<()> {
        if let Err(error) = self.file.write_all_at(&head.to_bytes(), self.end) {
            // A full disk took part of it: the next attempt begins at the same place.
            let _ = self.file.set_len(self.end);
            return Err(SuperviseError::file("write", segment(&self.folder, self.number))(error));
        }
        self.open = Some(Open { at: self.end, head, left: head.length });
        self.end += HEAD as u64;
        Ok(())
    }

    fn fill(&mut self, pipe: &OwnedFd) -> Result<u32> {
        let mut taken = 0;
        while let Some(open) = &mut self.open {
            let most = usize::try_from(open.left).unwrap_or(0);
            match splice(pipe, None, &self.file, Some(&mut self.end), most, SpliceFlags::NONBLOCK) {
                Ok(0) | Err(rustix::io::Errno::AGAIN) => break,
                Err(rustix::io::Errno::INTR) => {}
                Ok(moved) => {
                    let moved = u32::try_from(moved).unwrap_or(open.left).min(open.left);
                    taken += moved;
                    open.left -= moved;
                    if open.left == 0 {
                        self.open = None;
                    }
                }
                Err(errno) => return Err(SuperviseError::file("write", segment(&self.folder, self.number))(errno.into())),
            }
        }
        Ok(taken)
    }

    /// Ends a frame whose bytes can no longer come: its pipe is lost.
    pub(crate) fn cut(&mut self) -> Result<()> {
        if let Some(open) = self.open.take() {
            let head = Head { length: open.head.length - open.left, ..open.head };
            let path = segment(&self.folder, self.number);
            self.file.write_all_at(&head.to_bytes(), open.at).map_err(SuperviseError::file("write", path))?;
        }
        Ok(())
    }

    /// Returns number and length of the last segment, as far as its frames are whole.
    pub(crate) fn whole(&self) -> (u64, u64) {
        (self.number, self.open.map_or(self.end, |it| it.at))
    }
}

fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::Reader;
    use rustix::pipe::{PipeFlags, pipe_with};

    fn limits() -> Limits {
        Limits { max_size: 1 << 20, max_file: 3 }
    }

    fn read(folder: &Path) -> Vec<(Stream, Vec<u8>)> {
        let mut reader = Reader::oldest(folder);
        std::iter::from_fn(|| reader.next_frame().unwrap()).map(|it| (it.head.stream, it.bytes)).collect()
    }

    fn put(pipe: &OwnedFd, bytes: &[u8]) {
        assert_eq!(rustix::io::write(pipe, bytes), Ok(bytes.len()));
    }

    #[test]
    fn what_is_taken_is_read_and_a_segment_follows_another() {
        let folder = tempfile::tempdir().unwrap();
        let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        let mut log = Log::open(folder.path(), Limits { max_size: 100, max_file: 3 }).unwrap();
        let mut reader = Reader::oldest(folder.path());
        for number in 0..40 {
            put(&into, format!("line {number}\n").as_bytes());
            assert!(log.take(Stream::Out, &out).unwrap() > 0);
            assert_eq!(reader.next_frame().unwrap().unwrap().bytes, format!("line {number}\n").as_bytes(), "read while it is written");
        }
        assert_eq!(log.take(Stream::Out, &out).unwrap(), 0);
        assert!(reader.next_frame().unwrap().is_none());
        let numbers = segments(folder.path()).unwrap();
        assert_eq!(numbers.len(), 3, "{numbers:?}");
        let all = read(folder.path());
        assert_eq!(all.last().unwrap().1, b"line 39\n");
    }

    /// What a shim leaves that is killed after `cut` bytes of its last frame went to the file.
    fn killed(cut: u64) {
        let folder = tempfile::tempdir().unwrap();
        let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        let mut log = Log::open(folder.path(), limits()).unwrap();
        put(&into, b"before");
        log.take(Stream::Out, &out).unwrap();
        put(&into, b"same same same same ");
        let before = log.end;
        if cut < HEAD as u64 {
            let head = Head { stream: Stream::Out, at: 1, length: 20 };
            log.file.write_all_at(&head.to_bytes()[..usize::try_from(cut).unwrap()], log.end).unwrap();
        } else {
            log.write_head(Head { stream: Stream::Out, at: 1, length: 20 }).unwrap();
            let most = usize::try_from(cut - HEAD as u64).unwrap();
            let mut end = log.end;
            assert_eq!(splice(&out, None, &log.file, Some(&mut end), most, SpliceFlags::NONBLOCK), Ok(most));
        }
        drop(log);
        assert_eq!(read(folder.path()).len(), if cut == HEAD as u64 + 20 { 2 } else { 1 }, "a torn frame is not read");
        put(&into, b"same after");
        let mut log = Log::open(folder.path(), limits()).unwrap();
        assert_eq!(log.awaits().is_some(), (HEAD as u64..HEAD as u64 + 20).contains(&cut), "{cut} {before}");
        while log.take(Stream::Out, &out).unwrap() > 0 {}
        let text: Vec<u8> = read(folder.path()).into_iter().flat_map(|it| it.1).collect();
        assert_eq!(String::from_utf8(text).unwrap(), "beforesame same same same same after", "cut at {cut}");
    }

    #[test]
    fn killed_at_any_byte_nothing_is_lost_or_doubled() {
        // A splice of nothing is not one; every other cut is.
        for cut in (0..HEAD as u64 + 21).filter(|it| *it != HEAD as u64) {
            killed(cut);
        }
    }

    #[test]
    fn a_frame_whose_pipe_is_lost_is_cut_and_damage_begins_a_new_segment() {
        let folder = tempfile::tempdir().unwrap();
        let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        let mut log = Log::open(folder.path(), limits()).unwrap();
        log.write_head(Head { stream: Stream::Err, at: 1, length: 20 }).unwrap();
        put(&into, b"half");
        log.fill(&out).unwrap();
        drop(log);
        let mut log = Log::open(folder.path(), limits()).unwrap();
        assert_eq!(log.awaits(), Some(Stream::Err));
        log.cut().unwrap();
        assert_eq!(read(folder.path()), [(Stream::Err, b"half".to_vec())]);
        log.file.write_all_at(&[0; 64], log.end).unwrap();
        drop(log);
        let mut log = Log::open(folder.path(), limits()).unwrap();
        put(&into, b"on");
        log.take(Stream::Out, &out).unwrap();
        assert_eq!(log.number, 2);
        assert_eq!(read(folder.path()), [(Stream::Err, b"half".to_vec()), (Stream::Out, b"on".to_vec())]);
    }
}

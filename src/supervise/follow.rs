//! Reads a log while it is written. A frame that is not whole yet is not there yet.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{Result, SuperviseError};
use crate::frame::{Bad, HEAD, Head};
use crate::log::{FIRST, segment, segments};

/// A frame that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What is known of it.
    pub head: Head,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Reads a log from one place on.
#[derive(Debug)]
pub struct Reader {
    folder: PathBuf,
    /// Segment, its number, and where in it to go on.
    segment: Option<(File, u64, u64)>,
}

impl Reader {
    /// Begins at the oldest frame that the log in a folder holds.
    #[must_use]
    pub fn oldest(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), segment: None }
    }

    /// Reads the next frame; nothing while there is none. Segments that went meanwhile are left out.
    ///
    /// # Errors
    /// A segment cannot be read.
    pub fn next_frame(&mut self) -> Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.here()? {
                return Ok(Some(frame));
            }
            let number = self.segment.as_ref().map_or(0, |it| it.1);
            let Some(follower) = segments(&self.folder)?.into_iter().find(|it| *it > number) else {
                return Ok(None);
            };
            // A segment that has a follower is complete; something may have come since it was read last.
            if let Some(frame) = self.here()? {
                return Ok(Some(frame));
            }
            let path = segment(&self.folder, follower);
            match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => self.segment = Some((other.map_err(SuperviseError::file("open", &path))?, follower, FIRST)),
            }
        }
    }
}

impl Reader {
    /// Reads the next frame of the segment at hand.
    fn here(&mut self) -> Result<Option<Frame>> {
        let Some((file, number, at)) = &mut self.segment else {
            return Ok(None);
        };
        let read = read_frame(file, *at).map_err(SuperviseError::file("read", segment(&self.folder, *number)))?;
        if let Some(frame) = &read {
            *at += HEAD as u64 + u64::from(frame.head.length);
        }
        Ok(read)
    }
}

fn read_frame(file: &File, at: u64) -> io::Result<Option<Frame>> {
    let mut head = [0; HEAD];
    if !read_whole(file, &mut head, at)? {
        return Ok(None);
    }
    let Ok(head) = Head::parse(&head) else {
        return Ok(None);
    };
    let mut bytes = vec![0; usize::try_from(head.length).unwrap_or(0)];
    Ok(read_whole(file, &mut bytes, at + HEAD as u64)?.then_some(Frame { head, bytes }))
}

fn read_whole(file: &File, buffer: &mut [u8], at: u64) -> io::Result<bool> {
    match file.read_exact_at(buffer, at) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        other => other.map(|()| true),
    }
}

/// Reads a frame from what a shim sends to whoever attached; nothing at its end.
///
/// # Errors
/// The stream ends within a frame, or holds something else.
pub fn receive(stream: &mut impl Read) -> io::Result<Option<Frame>> {
    let mut head = [0; HEAD];
    let first = stream.read(&mut head)?;
    if first == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut head[first..])?;
    let head = Head::parse(&head).map_err(|bad: Bad| io::Error::new(io::ErrorKind::InvalidData, format!("no frame of a log: {bad:?}")))?;
    let mut bytes = vec![0; usize::try_from(head.length).unwrap_or(0)];
    stream.read_exact(&mut bytes)?;
    Ok(Some(Frame { head, bytes }))
}

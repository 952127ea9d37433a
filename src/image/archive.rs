//! Reads tar archives as layers have them: ustar, pax and GNU headers, long names, holes. Everything in them is hostile.
//! Sources: POSIX.1-2017 pax; GNU tar manual, "Tar Internals"; what Go's `archive/tar` takes decides in doubt.

mod pax;
mod sparse;

use std::io::{self, Read};

use tar::Header;

use crate::error::ImageError;
use pax::Pax;
pub(crate) use sparse::Piece;

/// The unit of an archive, in bytes.
const BLOCK: usize = 512;
/// The most bytes of a pax header or a long name. Source: Go `archive/tar`, `maxSpecialFileSize`.
const LARGEST_SPECIAL: u64 = 1 << 20;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file with so many bytes of content, holes among them.
    File { size: u64 },
    /// Another name of an earlier entry.
    HardLink { target: Vec<u8> },
    /// A symbolic link.
    SymbolicLink { target: Vec<u8> },
    /// A folder.
    Folder,
    /// A pipe with a name.
    Fifo,
    /// A device.
    Device { block: bool, major: u32, minor: u32 },
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    /// Permissions with set-user-id, set-group-id and sticky.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Seconds since 1970 and nanoseconds.
    pub(crate) mtime: (i64, u32),
    /// Extended attributes, names without `SCHILY.xattr.`.
    pub(crate) attributes: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where content is, in a file with holes.
    pub(crate) pieces: Option<Vec<Piece>>,
}

/// An archive that is read entry by entry.
#[derive(Debug)]
pub(crate) struct Archive<R> {
    input: R,
    /// Bytes of the entry's content that were not read yet.
    left: u64,
    /// Bytes after the content up to the next block.
    padding: u64,
}

impl<R: Read> Archive<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, left: 0, padding: 0 }
    }

    /// Returns the next entry; what was not read of the one before is skipped.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, ImageError> {
        let (mut pax, mut long_path, mut long_link) = (Pax::default(), None, None);
        loop {
            self.skip()?;
            let Some(header) = self.header()? else {
                return if long_path.is_some() || !pax.is_empty() {
                    Err(malformed("it ends after the first half of an entry"))
                } else {
                    Ok(None)
                };
            };
            let size = header.entry_size().map_err(|error| malformed(error.to_string()))?;
            match header.entry_type().as_byte() {
                b'x' => pax = Pax::parse(&self.special(size)?)?,
                // It says nothing of single entries, and docker passes over it too.
                b'g' => drop(self.special(size)?),
                b'L' => long_path = Some(text(self.special(size)?)),
                b'K' => long_link = Some(text(self.special(size)?)),
                _ => return self.entry(&header, pax, long_path, long_link).map(Some),
            }
        }
    }

    /// Reads the content of the entry; nothing when all of it was read.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ImageError> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.input.read(&mut buffer[..most]).map_err(broken)?;
        if count == 0 {
            return Err(malformed("it ends in the middle of an entry"));
        }
        self.left -= count as u64;
        Ok(count)
    }

    /// Reads what follows the last entry, which belongs to the archive's digest.
    pub(crate) fn finish(mut self) -> Result<(), ImageError> {
        io::copy(&mut self.input, &mut io::sink()).map(drop).map_err(broken)
    }

    fn entry(&mut self, header: &Header, pax: Pax, long_path: Option<Vec<u8>>, long_link: Option<Vec<u8>>) -> Result<Entry, ImageError> {
        let number = |value: io::Result<u64>| value.map_err(|error| malformed(error.to_string()));
        let stored = pax.size.unwrap_or(number(header.entry_size())?);
        let path = pax.path.clone().or(long_path).unwrap_or_else(|| header.path_bytes().into_owned());
        let link = || {
            pax.link
                .clone()
                .or(long_link)
                .unwrap_or_else(|| header.link_name_bytes().unwrap_or_default().into_owned())
        };
        let flag = header.entry_type().as_byte();
        let mut pieces = None;
        let kind = match flag {
            b'0' | 0 | b'7' | b'S' if flag == b'S' || !path.ends_with(b"/") => {
                self.content(stored);
                let size;
                (size, pieces) = self.holes(header, &pax, stored)?;
                Kind::File { size }
            }
            // Before there was a type for folders, their names ended so.
            b'0' | 0 | b'7' => {
                self.content(stored);
                Kind::Folder
            }
            b'1' => Kind::HardLink { target: link() },
            b'2' => Kind::SymbolicLink { target: link() },
            b'5' => Kind::Folder,
            b'6' => Kind::Fifo,
            b'3' | b'4' => {
                let part =
                    |value: io::Result<Option<u32>>| value.map(Option::unwrap_or_default).map_err(|error| malformed(error.to_string()));
                Kind::Device { block: flag == b'4', major: part(header.device_major())?, minor: part(header.device_minor())? }
            }
            other => return Err(malformed(format!("`{}` has the unknown type {other:#x}", String::from_utf8_lossy(&path)))),
        };
        let owner = |value: Option<u64>, header: io::Result<u64>| -> Result<u32, ImageError> {
            let id = value.map_or_else(|| number(header), Ok)?;
            // The highest number means "leave as it is" to the kernel.
            u32::try_from(id)
                .ok()
                .filter(|id| *id != u32::MAX)
                .ok_or_else(|| malformed(format!("{id} is no user or group")))
        };
        let mtime = match pax.mtime {
            Some(mtime) => mtime,
            None => (i64::try_from(number(header.mtime())?).map_err(|_| malformed("a time is out of range"))?, 0),
        };
        let path = pax.sparse.name.clone().unwrap_or(path);
        Ok(Entry {
            kind,
            mode: header.mode().map_err(|error| malformed(error.to_string()))? & 0o7777,
            uid: owner(pax.uid, header.uid())?,
            gid: owner(pax.gid, header.gid())?,
            mtime,
            attributes: pax.attributes,
            pieces,
            path,
        })
    }

    /// Finds out whether a file has holes; returns its whole size and where its content is.
    fn holes(&mut self, header: &Header, pax: &Pax, stored: u64) -> Result<(u64, Option<Vec<Piece>>), ImageError> {
        let (size, pieces) = if header.entry_type().as_byte() == b'S' {
            let gnu = header.as_gnu().ok_or_else(|| malformed("a file with holes has no GNU header"))?;
            let mut pieces = sparse::in_header(gnu)?;
            if gnu.is_extended() {
                // Blocks of the map stand before the content, and do not count in its size.
                while sparse::in_block(&self.block()?, &mut pieces)? {}
            }
            (gnu.real_size().map_err(|error| malformed(error.to_string()))?, pieces)
        } else if pax.sparse.is_version_1() {
            let before = self.left;
            let pieces = sparse::in_content(|| {
                if self.left < BLOCK as u64 {
                    return Err(malformed("the map of a file with holes is cut off"));
                }
                self.left -= BLOCK as u64;
                self.block()
            })?;
            let map = before - self.left;
            let size = pax.sparse.size.ok_or_else(|| malformed("a file with holes has no size"))?;
            sparse::check(&pieces, stored - map, size)?;
            return Ok((size, Some(pieces)));
        } else if let Some(pieces) = pax.sparse.pieces()? {
            (pax.sparse.size.ok_or_else(|| malformed("a file with holes has no size"))?, pieces)
        } else {
            return Ok((stored, None));
        };
        sparse::check(&pieces, stored, size)?;
        Ok((size, Some(pieces)))
    }

    /// Sets how much content follows.
    fn content(&mut self, size: u64) {
        self.left = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    fn skip(&mut self) -> Result<(), ImageError> {
        let most = self.left.checked_add(self.padding).ok_or_else(|| malformed("a size is out of range"))?;
        if most > 0 {
            let skipped = io::copy(&mut (&mut self.input).take(most), &mut io::sink()).map_err(broken)?;
            // Some writers leave the last padding away.
            if skipped < self.left {
                return Err(malformed("it ends in the middle of an entry"));
            }
        }
        (self.left, self.padding) = (0, 0);
        Ok(())
    }

    fn special(&mut self, size: u64) -> Result<Vec<u8>, ImageError> {
        if size > LARGEST_SPECIAL {
            return Err(malformed(format!("a header of {size} bytes is larger than {LARGEST_SPECIAL}")));
        }
        self.content(size);
        let mut bytes = vec![0; usize::try_from(size).map_err(|_| malformed("a size is out of range"))?];
        self.input.read_exact(&mut bytes).map_err(cut_off)?;
        self.left = 0;
        Ok(bytes)
    }

    fn block(&mut self) -> Result<[u8; BLOCK], ImageError> {
        let mut block = [0; BLOCK];
        self.input.read_exact(&mut block).map_err(cut_off)?;
        Ok(block)
    }

    /// Reads a header; nothing at the end, which is two blocks of zeros or the end of the input.
    fn header(&mut self) -> Result<Option<Header>, ImageError> {
        let mut block = [0; BLOCK];
        match read_full(&mut self.input, &mut block)? {
            0 => return Ok(None),
            BLOCK => {}
            _ => return Err(malformed("it ends in the middle of a header")),
        }
        if block.iter().all(|byte| *byte == 0) {
            let second = read_full(&mut self.input, &mut block)?;
            if block[..second].iter().any(|byte| *byte != 0) {
                return Err(malformed("entries go on after a block of zeros"));
            }
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block).clone();
        let sum = |range: &[u8]| range.iter().map(|byte| u32::from(*byte)).sum::<u32>();
        // The field of the checksum itself counts as blanks.
        let computed = sum(&block[..148]) + 8 * u32::from(b' ') + sum(&block[156..]);
        match header.cksum() {
            Ok(written) if written == computed => Ok(Some(header)),
            Ok(_) | Err(_) => Err(malformed("the checksum of a header is wrong")),
        }
    }
}

/// Reads as much as fits, or up to the end.
fn read_full(input: &mut impl Read, buffer: &mut [u8]) -> Result<usize, ImageError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(broken(error)),
        }
    }
    Ok(filled)
}

/// Cuts a long name at its closing zero byte.
fn text(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(end);
    }
    bytes
}

fn malformed(why: impl Into<String>) -> ImageError {
    ImageError::Malformed { what: "tar archive".into(), why: why.into() }
}

fn broken(source: io::Error) -> ImageError {
    ImageError::stream("read the archive")(source)
}

fn cut_off(error: io::Error) -> ImageError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        malformed("it ends in the middle of an entry")
    } else {
        broken(error)
    }
}

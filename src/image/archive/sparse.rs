//! Files with holes, in the four forms that GNU tar writes. Source: GNU tar manual, "Storing Sparse Files".

use tar::GnuHeader;

use super::pax::number;
use super::{BLOCK, malformed};
use crate::error::ImageError;

/// The most pieces of one file: more only serve to use up memory.
const MOST_PIECES: usize = 1 << 18;

/// A run of content: where it starts in the file, and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) at: u64,
    pub(crate) length: u64,
}

/// What extended headers say of holes.
#[derive(Debug, Default)]
pub(crate) struct Sparse {
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    major: Option<u64>,
    /// Offsets and lengths in turn, from `map` (0.1) or `offset` and `numbytes` (0.0).
    numbers: Vec<u64>,
    said: bool,
}

impl Sparse {
    pub(super) fn take(&mut self, name: &[u8], value: &[u8]) -> Result<(), ImageError> {
        let digits = || number(value).ok_or_else(wrong);
        match name {
            b"name" => self.name = Some(value.to_vec()).filter(|it| !it.is_empty()),
            b"size" | b"realsize" => self.size = Some(digits()?),
            b"major" => self.major = Some(digits()?),
            b"minor" => drop(digits()?),
            b"map" => {
                self.said = true;
                self.numbers.clear();
                for part in value.split(|byte| *byte == b',') {
                    self.numbers.push(number(part).ok_or_else(wrong)?);
                }
            }
            b"offset" | b"numbytes" => {
                self.said = true;
                if (name == b"offset") != self.numbers.len().is_multiple_of(2) {
                    return Err(wrong());
                }
                self.numbers.push(digits()?);
            }
            b"numblocks" => self.said = true,
            _ => return Err(wrong()),
        }
        Ok(())
    }

    /// Tells whether the map stands at the head of the content.
    pub(super) fn is_version_1(&self) -> bool {
        self.major == Some(1)
    }

    /// Returns the map that the headers hold, if they do.
    pub(super) fn pieces(&self) -> Result<Option<Vec<Piece>>, ImageError> {
        if !self.said {
            return if self.name.is_none() && self.size.is_none() { Ok(None) } else { Err(wrong()) };
        }
        pairs(&self.numbers).map(Some)
    }
}

fn pairs(numbers: &[u64]) -> Result<Vec<Piece>, ImageError> {
    let chunks = numbers.chunks_exact(2);
    if !chunks.remainder().is_empty() || numbers.len() / 2 > MOST_PIECES {
        return Err(wrong());
    }
    Ok(chunks.map(|pair| Piece { at: pair[0], length: pair[1] }).collect())
}

/// Reads the four pieces of a GNU header.
pub(super) fn in_header(header: &GnuHeader) -> Result<Vec<Piece>, ImageError> {
    let mut pieces = Vec::new();
    for slot in &header.sparse {
        if slot.is_empty() {
            break;
        }
        pieces.push(Piece { at: slot.offset().map_err(|_| wrong())?, length: slot.length().map_err(|_| wrong())? });
    }
    Ok(pieces)
}

/// Reads the 21 pieces of an extension block, and tells whether another follows.
pub(super) fn in_block(block: &[u8; BLOCK], pieces: &mut Vec<Piece>) -> Result<bool, ImageError> {
    for slot in block[..21 * 24].chunks_exact(24) {
        if slot[0] == 0 || slot[12] == 0 {
            break;
        }
        pieces.push(Piece { at: octal(&slot[..12])?, length: octal(&slot[12..])? });
    }
    if pieces.len() > MOST_PIECES {
        return Err(malformed("a file has too many holes"));
    }
    Ok(block[504] == 1)
}

/// Reads an octal number, or a binary one whose highest bit is set.
fn octal(field: &[u8]) -> Result<u64, ImageError> {
    if field[0] & 0x80 != 0 {
        let (high, low) = field.split_at(field.len() - 8);
        if high[0] != 0x80 || high[1..].iter().any(|byte| *byte != 0) {
            return Err(wrong());
        }
        return Ok(low.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
    }
    let text = std::str::from_utf8(field).map_err(|_| wrong())?;
    u64::from_str_radix(text.trim_matches([' ', '\0']), 8).map_err(|_| wrong())
}

/// Reads the map at the head of the content: numbers on lines, the first being the count of pairs, padded to a block.
pub(super) fn in_content(mut block: impl FnMut() -> Result<[u8; BLOCK], ImageError>) -> Result<Vec<Piece>, ImageError> {
    let mut text: Vec<u8> = Vec::new();
    let mut numbers: Vec<u64> = Vec::new();
    let mut wanted = None;
    loop {
        for byte in block()? {
            if byte != b'\n' {
                text.push(byte);
                if text.len() > 20 {
                    return Err(wrong());
                }
                continue;
            }
            let value = number(&text).ok_or_else(wrong)?;
            text.clear();
            match wanted {
                None => {
                    let count = usize::try_from(value).ok().filter(|it| *it <= MOST_PIECES);
                    wanted = Some(2 * count.ok_or_else(|| malformed("a file has too many holes"))?);
                }
                Some(_) => numbers.push(value),
            }
            if wanted == Some(numbers.len()) {
                return pairs(&numbers);
            }
        }
    }
}

/// Checks that pieces are in order, inside the file, and add up to what is stored.
pub(super) fn check(pieces: &[Piece], stored: u64, size: u64) -> Result<(), ImageError> {
    let (mut end, mut sum) = (0u64, 0u64);
    for piece in pieces {
        if piece.at < end {
            return Err(wrong());
        }
        end = piece.at.checked_add(piece.length).ok_or_else(wrong)?;
        sum += piece.length;
    }
    if end > size || sum != stored || i64::try_from(size).is_err() {
        Err(wrong())
    } else {
        Ok(())
    }
}

fn wrong() -> ImageError {
    malformed("the map of a file with holes is malformed")
}

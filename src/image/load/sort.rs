//! Tells layers from manifests by their content, since names come later.

use std::io::Read;

use tar::Header;

use crate::archive::Archive;
use crate::error::ImageError;
use crate::layer::Compression;
use crate::manifest::LARGEST_CONFIG;

/// What a file of an archive of images is.
pub(super) enum Sort {
    /// A layer, with the first bytes, which were read already.
    Layer(Vec<u8>),
    /// Something small: a manifest, a configuration.
    Small(Vec<u8>),
    /// Neither.
    Unknown,
}

/// Reads enough of an entry to tell what it is.
pub(super) fn sort<R: Read>(archive: &mut Archive<R>, size: u64) -> Result<Sort, ImageError> {
    let mut start = vec![0; 512];
    let mut filled = 0;
    while filled < start.len() {
        match archive.read(&mut start[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    start.truncate(filled);
    if Compression::of(&start) != Compression::None || is_archive(&start) {
        return Ok(Sort::Layer(start));
    }
    if size > LARGEST_CONFIG {
        return Ok(Sort::Unknown);
    }
    let mut chunk = [0; 8192];
    loop {
        match archive.read(&mut chunk)? {
            0 => return Ok(Sort::Small(start)),
            count => start.extend_from_slice(&chunk[..count]),
        }
    }
}

/// Tells whether a block is the header of an archive's entry, or the end of an empty archive.
fn is_archive(block: &[u8]) -> bool {
    if block.len() < 512 {
        return false;
    }
    if block.iter().all(|byte| *byte == 0) {
        return true;
    }
    let sum = |range: &[u8]| range.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    let computed = sum(&block[..148]) + 8 * u32::from(b' ') + sum(&block[156..]);
    Header::from_byte_slice(block).cksum().is_ok_and(|written| written == computed)
}

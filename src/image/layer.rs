//! Layers on their way into the store: whoever reads them feeds a pipeline that decompresses, hashes and unpacks, each in a
//! thread of its own, so that the slowest of them sets the pace.

mod compression;
mod pipe;

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;

use crate::digest::{Digest, Hashing};
use crate::error::ImageError;
use crate::extract::{Limits, Unpacked, unpack};
use crate::store::Stage;
pub(crate) use compression::{Compression, decoder};
pub(crate) use pipe::Bounded;
pub(crate) use pipe::{CHUNK, Feed};
use pipe::{Pipe, pipe};

/// What a pipeline found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnpackedLayer {
    /// The digest of the archive, uncompressed.
    pub(crate) diff_id: Digest,
    /// How it was compressed.
    pub(crate) compression: Compression,
    /// Bytes of the archive, uncompressed.
    pub(crate) archive: u64,
    pub(crate) unpacked: Unpacked,
}

/// Unpacks what `source` feeds. An error of unpacking counts before one of the source, which only found nobody to feed any more.
pub(crate) fn unpack_fed<T>(
    stage: &Stage,
    limits: &Limits,
    source: impl FnOnce(&mut Feed) -> Result<T, ImageError>,
) -> Result<(T, UnpackedLayer), ImageError> {
    let fed = Arc::new(AtomicU64::new(0));
    let (mut feed, raw) = pipe(Arc::clone(&fed));
    let (mut plain_feed, plain) = pipe(Arc::default());
    thread::scope(|scope| {
        let decompressing = scope.spawn(move || decompress(raw, &mut plain_feed, *limits, &fed));
        let unpacking =
            scope.spawn(|| unpack(plain, std::os::fd::AsFd::as_fd(&stage.root), std::os::fd::AsFd::as_fd(&stage.trash), limits));
        let given = source(&mut feed);
        match &given {
            Ok(_) => feed.end(),
            Err(_) => feed.abandon(),
        }
        drop(feed);
        let decompressed = joined(decompressing.join());
        let unpacked = joined(unpacking.join());
        match (given, unpacked, decompressed) {
            // The source failed for a reason of its own.
            (Err(error), _, _) if !matches!(error, ImageError::NobodyReads) => Err(error),
            (_, Err(error), _) | (_, _, Err(error)) | (Err(error), _, _) => Err(error),
            (Ok(given), Ok(unpacked), Ok((diff_id, archive, compression))) => {
                Ok((given, UnpackedLayer { diff_id, compression, archive, unpacked }))
            }
        }
    })
}

/// Unpacks what a reader gives.
pub(crate) fn unpack_reader(mut reader: impl Read, stage: &Stage, limits: &Limits) -> Result<UnpackedLayer, ImageError> {
    let (_, layer) = unpack_fed(stage, limits, |feed| {
        loop {
            let mut chunk = vec![0; CHUNK];
            let count = reader.read(&mut chunk).map_err(ImageError::stream("read the layer"))?;
            if count == 0 {
                return Ok(());
            }
            chunk.truncate(count);
            feed.give(chunk)?;
        }
    })?;
    Ok(layer)
}

/// Decompresses and hashes; what goes wrong goes down the pipe, to whoever unpacks.
fn decompress(raw: Pipe, plain: &mut Feed, limits: Limits, fed: &AtomicU64) -> Result<(Digest, u64, Compression), ImageError> {
    let work = |plain: &mut Feed| -> std::io::Result<(Digest, u64, Compression)> {
        let (compression, reader) = decoder(raw)?;
        let mut reader = Hashing::new(Bounded::new(reader, limits, fed));
        loop {
            let mut chunk = vec![0; CHUNK];
            let mut filled = 0;
            while filled < chunk.len() {
                match reader.read(&mut chunk[filled..])? {
                    0 => break,
                    count => filled += count,
                }
            }
            let last = filled < chunk.len();
            chunk.truncate(filled);
            // Nobody reads: the unpacking ended, with the error that counts.
            if plain.give(chunk).is_err() || last {
                let (_, diff_id, archive) = reader.finish();
                return Ok((diff_id, archive, compression));
            }
        }
    };
    match work(plain) {
        Ok(done) => {
            plain.end();
            Ok(done)
        }
        Err(error) => {
            plain.fail(error);
            Err(ImageError::NobodyReads)
        }
    }
}

fn joined<T>(result: thread::Result<Result<T, ImageError>>) -> Result<T, ImageError> {
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

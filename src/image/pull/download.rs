//! One layer: downloaded, or continued, verified, and unpacked on the way.

use std::fs::File;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use super::From;
use crate::digest::{Digest, Hashing};
use crate::error::{ImageError, Problem};
use crate::layer::{CHUNK, Feed, UnpackedLayer, unpack_fed};
use crate::manifest::Descriptor;
use crate::progress::{Event, LayerState, Watch};
use crate::registry::chain;
use crate::store::{Claim, Lease, Partial, Store};

/// How often a download that brings nothing new is tried once more.
const TRIES: u32 = 5;
/// How long is waited at first; then twice as long each time.
const PAUSE: Duration = Duration::from_millis(250);
/// How often progress is told.
const TELL: Duration = Duration::from_millis(100);

pub(super) struct Work<'a> {
    pub(super) store: &'a Store,
    pub(super) from: &'a From<'a>,
    pub(super) lease: &'a Lease,
    pub(super) blob: &'a Descriptor,
    pub(super) diff_id: &'a Digest,
    pub(super) watch: Watch<'a>,
}

impl Work<'_> {
    /// Brings the layer into the store; returns the bytes of its files.
    pub(super) fn run(&self) -> Result<u64, ImageError> {
        let digest = self.blob.digest;
        loop {
            self.watch.go_on()?;
            match self.store.claim(&digest)? {
                Claim::Busy => Claim::wait(),
                Claim::Ours(partial) => {
                    self.download(partial)?;
                    self.watch.layer(digest, LayerState::Done);
                    break;
                }
                Claim::There if self.store.has_layer(self.diff_id) => {
                    self.watch.layer(digest, LayerState::Exists);
                    break;
                }
                Claim::There => {
                    self.watch.layer(digest, LayerState::Unpacking);
                    self.unpack_stored()?;
                    self.watch.layer(digest, LayerState::Done);
                    break;
                }
            }
        }
        let known = self.store.layer_file(self.diff_id)?;
        known
            .map(|it| it.size)
            .ok_or_else(|| ImageError::Missing { what: format!("the layer {}", self.diff_id), of: self.from.name.familiar() })
    }

    /// Unpacks a blob that is there, and verifies it once more on the way.
    fn unpack_stored(&self) -> Result<(), ImageError> {
        let digest = self.blob.digest;
        let file = self.store.open_blob(&digest, "its layer")?;
        let stage = self.lease.stage()?;
        let (found, layer) = unpack_fed(&stage, self.store.limits(), |feed| {
            let mut reader = Hashing::new(file);
            loop {
                self.watch.go_on()?;
                let mut chunk = vec![0; CHUNK];
                let count = reader.read(&mut chunk).map_err(ImageError::stream("read a blob"))?;
                if count == 0 {
                    return Ok(reader.finish().1);
                }
                chunk.truncate(count);
                feed.give(chunk)?;
            }
        })?;
        if found != digest {
            return Err(ImageError::Mismatch { what: format!("the blob {}", digest.short()), expected: digest, found });
        }
        self.fits(&layer)?;
        stage.commit(self.lease, &layer).map(drop)
    }

    fn download(&self, mut partial: Partial) -> Result<(), ImageError> {
        let mut resumed = partial.length()?;
        if resumed > self.blob.size {
            partial.clear()?;
            resumed = 0;
        }
        loop {
            match self.attempt(&mut partial, resumed) {
                Ok(()) => return partial.complete(self.lease),
                // What was there from before may have been damaged by whatever broke it off.
                Err(error) if resumed > 0 && is_about_content(&error) => {
                    partial.clear()?;
                    resumed = 0;
                }
                Err(error) => {
                    if is_about_content(&error) {
                        partial.discard()?;
                    }
                    return Err(error);
                }
            }
        }
    }

    fn attempt(&self, partial: &mut Partial, resumed: u64) -> Result<(), ImageError> {
        if self.store.has_layer(self.diff_id) {
            return self.receive(partial, resumed, &mut None);
        }
        let stage = self.lease.stage()?;
        let ((), layer) = unpack_fed(&stage, self.store.limits(), |feed| self.receive(partial, resumed, &mut Some(feed)))?;
        self.fits(&layer)?;
        for (name, file) in &layer.unpacked.lost_attributes {
            self.watch.tell(Event::LostAttribute { name: name.clone(), file: file.clone() });
        }
        stage.commit(self.lease, &layer).map(drop)
    }

    fn fits(&self, layer: &UnpackedLayer) -> Result<(), ImageError> {
        if layer.diff_id == *self.diff_id {
            return Ok(());
        }
        let what = format!("the layer {}, uncompressed,", self.blob.digest.short());
        Err(ImageError::Mismatch { what, expected: *self.diff_id, found: layer.diff_id })
    }

    /// Brings all bytes: those that are there, then those of the registry.
    fn receive(&self, partial: &mut Partial, resumed: u64, feed: &mut Option<&mut Feed>) -> Result<(), ImageError> {
        let mut sink = Sink {
            hashing: Hashing::new(std::io::sink()),
            feed,
            watch: &self.watch,
            blob: self.blob,
            resumed,
            told: Instant::now(),
            refused: false,
        };
        partial.rewind()?;
        sink.tell(0);
        let mut at = 0;
        while at < resumed {
            let mut chunk = vec![0; CHUNK.min(usize::try_from(resumed - at).unwrap_or(CHUNK))];
            partial.file.read_exact(&mut chunk).map_err(partial.failed("read"))?;
            at += chunk.len() as u64;
            sink.take(chunk, at)?;
        }
        self.continue_from(partial, at, &mut sink)?;
        self.watch.layer(self.blob.digest, LayerState::Unpacking);
        let refused = sink.refused;
        let (_, found, _) = sink.hashing.finish();
        if found == self.blob.digest {
            return if refused { Err(ImageError::NobodyReads) } else { Ok(()) };
        }
        let mismatch = ImageError::Mismatch { what: format!("the layer {}", self.blob.digest.short()), expected: self.blob.digest, found };
        Err(ImageError::registry(self.from.name.repository().registry(), Problem::Answer(Box::new(mismatch))))
    }

    fn continue_from(&self, partial: &mut Partial, mut at: u64, sink: &mut Sink<'_, '_>) -> Result<(), ImageError> {
        let (mut tries, mut pause) = (0, PAUSE);
        while at < self.blob.size {
            let before = at;
            let failed = match self.once(&mut partial.file, &mut at, sink) {
                Ok(()) => continue,
                Err(Broken::Ended(why)) => why,
                Err(Broken::Failed(error)) => return Err(error),
            };
            if at > before {
                (tries, pause) = (0, PAUSE);
            }
            tries += 1;
            let registry = self.from.name.repository().registry();
            if tries >= TRIES {
                let what = format!("the layer {}", self.blob.digest.short());
                return Err(ImageError::registry(registry, Problem::Transport { what, source: failed.into() }));
            }
            self.watch.tell(Event::Again { registry: registry.to_owned(), why: failed, wait: pause });
            self.watch.wait(pause)?;
            pause *= 2;
        }
        Ok(())
    }

    /// Reads one answer of the registry as far as it goes.
    fn once(&self, file: &mut File, at: &mut u64, sink: &mut Sink<'_, '_>) -> Result<(), Broken> {
        let (name, digest, size) = (self.from.name.repository(), &self.blob.digest, self.blob.size);
        let blob = self.from.ask(|address| {
            let blob = self.from.client.blob(address, name, digest, *at, &self.watch)?;
            match blob.length {
                Some(length) if length != size - blob.from => {
                    let what = format!("the layer {}", digest.short());
                    Err(ImageError::registry(&address.name, Problem::Length { what, expected: size - blob.from, found: length }))
                }
                _ => Ok(blob),
            }
        })?;
        let mut body = blob.body;
        if blob.from < *at {
            // It takes no ranges: what is there already is passed over.
            let skipped = std::io::copy(&mut (&mut body).take(*at - blob.from), &mut std::io::sink());
            if skipped.map_err(|error| Broken::Ended(chain(&error)))? < *at - blob.from {
                return Err(Broken::Ended("the connection ended early".into()));
            }
        }
        while *at < size {
            self.watch.go_on()?;
            let mut chunk = vec![0; CHUNK.min(usize::try_from(size - *at).unwrap_or(CHUNK))];
            let (filled, end) = fill(&mut body, &mut chunk);
            chunk.truncate(filled);
            file.write_all(&chunk).map_err(ImageError::stream("write the download to disk"))?;
            *at += filled as u64;
            sink.take(chunk, *at)?;
            if let Some(why) = end {
                return Err(Broken::Ended(why));
            }
        }
        Ok(())
    }
}

/// Why an answer was not read to its end.
enum Broken {
    /// The connection; what is missing can be asked for.
    Ended(String),
    /// Everything else.
    Failed(ImageError),
}

impl std::convert::From<ImageError> for Broken {
    fn from(error: ImageError) -> Self {
        Self::Failed(error)
    }
}

/// Reads until a chunk is full; returns how much came, and why no more did.
fn fill(body: &mut impl Read, chunk: &mut [u8]) -> (usize, Option<String>) {
    let mut filled = 0;
    while filled < chunk.len() {
        match body.read(&mut chunk[filled..]) {
            Ok(0) => return (filled, Some("the connection ended early".into())),
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return (filled, Some(chain(&error))),
        }
    }
    (filled, None)
}

/// Where bytes of a layer go besides the disk.
struct Sink<'a, 'f> {
    hashing: Hashing<std::io::Sink>,
    feed: &'a mut Option<&'f mut Feed>,
    watch: &'a Watch<'a>,
    blob: &'a Descriptor,
    resumed: u64,
    told: Instant,
    /// Nobody took what was fed.
    refused: bool,
}

impl Sink<'_, '_> {
    fn take(&mut self, chunk: Vec<u8>, at: u64) -> Result<(), ImageError> {
        self.hashing.write_all(&chunk).map_err(ImageError::stream("hash a layer"))?;
        if self.told.elapsed() >= TELL {
            self.tell(at);
        }
        if let Some(feed) = self.feed
            && feed.give(chunk).is_err()
        {
            // The unpacking failed. Whether it had the right bytes is known only when all of them came.
            *self.feed = None;
            self.refused = true;
        }
        Ok(())
    }

    fn tell(&mut self, done: u64) {
        self.told = Instant::now();
        self.watch
            .layer(self.blob.digest, LayerState::Downloading { done, of: self.blob.size, resumed: self.resumed });
    }
}

/// Tells whether the bytes themselves are wrong, so that it is of no use to keep them.
fn is_about_content(error: &ImageError) -> bool {
    match error {
        ImageError::Malformed { .. } | ImageError::Mismatch { .. } | ImageError::Entry { .. } | ImageError::TooLarge { .. } => true,
        // What cannot be decompressed.
        ImageError::Stream { source, .. } => matches!(
            source.kind(),
            std::io::ErrorKind::InvalidInput
                | std::io::ErrorKind::InvalidData
                | std::io::ErrorKind::UnexpectedEof
                | std::io::ErrorKind::Other
        ),
        ImageError::Registry { problem, .. } => matches!(**problem, Problem::Answer(_)),
        _ => false,
    }
}
